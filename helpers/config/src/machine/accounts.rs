//! Reads users and groups from the files passwd(5) and group(5). Starts and `vassalctl` both use this module.
//!
//! The name service is not asked: it would load libraries, and a vassal's own root could contain its own versions of
//! these.

use crate::machine::exec_source::read_at_most;
use crate::machine::world::ReadError;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

/// The two files, passwd(5) first.
pub const FILES: [&str; 2] = ["/etc/passwd", "/etc/group"];

/// The largest file: some hundred thousand users.
pub const FILE_BYTES: usize = 32 << 20;

/// Permissions that a trusted file must not have.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The users and groups of one root directory.
#[derive(Debug, Default, Clone)]
pub struct Accounts {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

/// A user, as a line of passwd(5) says.
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
    /// Parses the texts of passwd(5) and group(5). Malformed lines are skipped.
    pub fn from_text(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            passwd: passwd.to_vec(),
            group: group.to_vec(),
        }
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.passwd.is_empty() && self.group.is_empty()
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
        let mut groups = self.groups();
        groups.find(|(group, ..)| *group == name).map(|(_, gid, _)| gid)
    }

    /// The name of the first group with that id.
    pub fn group_of(&self, gid: u32) -> Option<Vec<u8>> {
        let mut groups = self.groups();
        groups
            .find(|(_, known, _)| *known == gid)
            .map(|(name, ..)| name.to_vec())
    }

    /// The groups that have `user` as a member, and the group `own`, as initgroups(3) sets them.
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
                uid: parse(uid)?,
                gid: parse(gid)?,
            })
        })
    }

    fn groups(&self) -> impl Iterator<Item = (&[u8], u32, &[u8])> + '_ {
        self.group.split(|byte| *byte == b'\n').filter_map(|line| {
            let fields: Vec<_> = line.split(|byte| *byte == b':').collect();
            let [name, _, gid, members] = fields[..] else {
                return None;
            };
            Some((name, parse(gid)?, members))
        })
    }
}

/// Whether a file with this owner and mode is trusted. If another user than root or `own` owned it or could write it,
/// he could give himself any number. `own` is the real user of this process, for which a user's own files count like
/// root's: it examines a tree of its own.
pub fn is_trusted(owner: u32, mode: u32, own: u32) -> bool {
    (owner == 0 || owner == own) && mode & WRITABLE_BY_OTHERS == 0
}

/// Reads one of the files. One that is not trusted counts as empty.
///
/// # Errors
/// When it is not a regular file or exceeds [`FILE_BYTES`]; any error of the system.
pub fn read(file: File, own: u32) -> Result<Vec<u8>, ReadError> {
    let metadata = file.metadata().map_err(|error| ReadError::from_io(&error))?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile);
    }
    match is_trusted(metadata.uid(), metadata.mode(), own) {
        true => read_at_most(file, FILE_BYTES),
        false => Ok(Vec::new()),
    }
}

fn parse<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts::from_text(
            b"root:x:0:0:root:/root:/bin/sh\n# x\n\nbroken\nuser001:x:20001:20001::/home/user001:/bin/sh\n:x:5:5\n",
            b"root:x:0:\nuser001:x:20001:\nweb:x:33:www,user001\nother:x:34:user0011\n",
        )
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let number = |user: User| (user.uid, user.gid);
        assert_eq!(accounts().user(b"user001").map(number), Some((20001, 20001)));
        let name = |user: User| user.name;
        assert_eq!(accounts().user_of(20001).map(name), Some(b"user001".to_vec()));
        assert_eq!(accounts().user(b"broken"), None);
        assert_eq!(accounts().user_of(5), None);
        assert_eq!(accounts().group_of(33), Some(b"web".to_vec()));
    }

    #[test]
    fn membership_is_by_whole_name() {
        assert_eq!(accounts().groups_of(b"user001", 20001), vec![20001, 33]);
        assert_eq!(accounts().group(b"web"), Some(33));
    }

    #[test]
    fn a_file_that_others_may_write_names_nobody() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("vassal-accounts-{}", std::process::id()));
        std::fs::write(&path, "u:x:5:5::/:/bin/sh\n").unwrap();
        let own = path.metadata().unwrap().uid();
        for (mode, expected) in [(0o664, None), (0o646, None), (0o644, Some(5))] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let accounts = Accounts::from_text(&read(File::open(&path).unwrap(), own).unwrap(), b"");
            assert_eq!(accounts.user(b"u").map(|user| user.uid), expected, "{mode:o}");
        }
        let other = read(File::open(&path).unwrap(), own + 1).unwrap();
        assert_eq!(other.is_empty(), own != 0);
        std::fs::remove_file(&path).unwrap();
    }
}
