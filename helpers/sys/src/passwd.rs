//! passwd(5) and group(5), read as files: a static program has no NSS, and in a vassal's own root there must be none
//! (no library of a tenant is ever loaded by a helper).

use crate::SysError;
use crate::error::Step;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The most that is read of a file.
const LIMIT: u64 = 32 << 20;
/// What nobody but root may have.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The users and groups of one root directory.
#[derive(Debug, Default, Clone)]
pub struct Accounts {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

/// A user, as a line of passwd says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: Vec<u8>,
    /// The user's id.
    pub uid: u32,
    /// The id of the user's own group.
    pub gid: u32,
}

impl Accounts {
    /// Reads `etc/passwd` and `etc/group` below `root`. A missing file has no entries, and neither has one that somebody
    /// else than root may write: he could become whomever he likes.
    ///
    /// # Errors
    /// What cannot be read, is no regular file (`EINVAL`), or larger than 32 MiB (`EFBIG`).
    pub fn read(root: &Path) -> Result<Self, SysError> {
        Ok(Self {
            passwd: read_roots(&root.join("etc/passwd"))?,
            group: read_roots(&root.join("etc/group"))?,
        })
    }

    /// The accounts of the two texts.
    pub fn from_text(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            passwd: passwd.to_vec(),
            group: group.to_vec(),
        }
    }

    /// The first user of that name.
    pub fn user(&self, name: &[u8]) -> Option<User> {
        self.users().find(|user| user.name == name)
    }

    /// The first user with that id.
    pub fn user_of(&self, uid: u32) -> Option<User> {
        self.users().find(|user| user.uid == uid)
    }

    /// The id of the first group of that name.
    pub fn group(&self, name: &[u8]) -> Option<u32> {
        self.groups()
            .find(|(group, ..)| *group == name)
            .map(|(_, gid, _)| gid)
    }

    /// The groups that list `user` as a member, and `own`: what initgroups(3) sets.
    pub fn groups_of(&self, user: &[u8], own: u32) -> Vec<u32> {
        let is_member = |members: &[u8]| members.split(|byte| *byte == b',').any(|member| member == user);
        let mut groups = vec![own];
        for (_, gid, members) in self.groups() {
            if is_member(members) && !groups.contains(&gid) {
                groups.push(gid);
            }
        }
        groups
    }

    fn users(&self) -> impl Iterator<Item = User> + '_ {
        self.passwd.split(|byte| *byte == b'\n').filter_map(|line| {
            let fields: Vec<_> = line.split(|byte| *byte == b':').collect();
            let [name, _, uid, gid, _, _, ..] = fields[..] else {
                return None;
            };
            Some(User {
                name: name.to_vec(),
                uid: number(uid)?,
                gid: number(gid)?,
            })
        })
    }

    fn groups(&self) -> impl Iterator<Item = (&[u8], u32, &[u8])> + '_ {
        self.group.split(|byte| *byte == b'\n').filter_map(|line| {
            let fields: Vec<_> = line.split(|byte| *byte == b':').collect();
            let [name, _, gid, members] = fields[..] else {
                return None;
            };
            Some((name, number(gid)?, members))
        })
    }
}

/// Reads a file of root's without ever waiting for it; the root directory may be a tenant's.
fn read_roots(path: &Path) -> Result<Vec<u8>, SysError> {
    let step = || format!("read '{}'", path.display());
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        opened => File::from(opened.step(step)?),
    };
    let status = file.metadata().step(step)?;
    if !status.is_file() {
        return Err(SysError::new(step(), Errno::EINVAL).meaning(Some("it is no regular file")));
    }
    if status.uid() != 0 || status.mode() & WRITABLE_BY_OTHERS != 0 {
        return Ok(Vec::new());
    }
    let mut text = Vec::new();
    if file.take(LIMIT + 1).read_to_end(&mut text).step(step)? as u64 > LIMIT {
        return Err(SysError::new(step(), Errno::EFBIG));
    }
    Ok(text)
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts::from_text(
            b"root:x:0:0:root:/root:/bin/sh\nbroken\nuser001:x:20001:20001::/home/user001:/bin/sh\n",
            b"root:x:0:\nuser001:x:20001:\nweb:x:33:www,user001\nother:x:34:user0011\n",
        )
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        assert_eq!(
            accounts().user(b"user001").map(|user| (user.uid, user.gid)),
            Some((20001, 20001))
        );
        assert_eq!(
            accounts().user_of(20001).map(|user| user.name),
            Some(b"user001".to_vec())
        );
        assert_eq!(accounts().user(b"broken"), None);
    }

    #[test]
    fn membership_is_by_whole_name() {
        assert_eq!(accounts().groups_of(b"user001", 20001), vec![20001, 33]);
        assert_eq!(accounts().group(b"web"), Some(33));
    }
}
