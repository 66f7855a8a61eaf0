//! What is on the machine: users, directories, devices, mounts. Looked at only, and as far as this user may.

use crate::reading::location::below;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use vassal_config::machine::accounts::Accounts;
use vassal_config::machine::system::accounts_below;
use vassal_config::users::identity::{Account, Identity};

/// The machine below a root directory.
#[derive(Debug)]
pub struct Host {
    root: PathBuf,
}

/// What looking for a path came to.
#[derive(Debug)]
pub enum Seen {
    /// It is there.
    There(Metadata),
    /// It is not.
    Missing,
    /// This user may not look.
    Hidden,
    /// A FUSE filesystem is mounted there that has lost its daemon.
    Dead,
}

/// A user as the machine's files know it.
#[derive(Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// Every group it is in.
    pub groups: Vec<u32>,
}

impl User {
    /// Whether the permissions of a directory let the user write there.
    pub fn may_write(&self, metadata: &Metadata) -> bool {
        self.may(metadata, 0o2)
    }

    /// Whether the permissions of a file let the user read it.
    pub fn may_read(&self, metadata: &Metadata) -> bool {
        self.may(metadata, 0o4)
    }

    fn may(&self, metadata: &Metadata, bit: u32) -> bool {
        let shift = match metadata.uid() == self.uid {
            true => 6,
            false if self.groups.contains(&metadata.gid()) => 3,
            false => 0,
        };
        metadata.mode() >> shift & bit != 0
    }
}

impl Host {
    /// The machine whose root directory is `root`.
    pub fn new(root: &Path) -> Self {
        Host {
            root: root.to_path_buf(),
        }
    }

    /// Looks at an absolute path, links followed.
    pub fn look(&self, path: &[u8]) -> Seen {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        match below(&self.root, Path::new(OsStr::from_bytes(path))).metadata() {
            Ok(metadata) => Seen::There(metadata),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Seen::Missing,
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Seen::Dead,
            Err(_) => Seen::Hidden,
        }
    }

    /// What a file of the kernel's says.
    pub fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        std::fs::read(below(&self.root, Path::new(OsStr::from_bytes(path)))).ok()
    }

    /// Why what is there is not root's alone. Of a tree of one's own, one's own is root's.
    pub fn foreign(&self, path: &[u8]) -> Option<String> {
        let Seen::There(metadata) = self.look(path) else {
            return None;
        };
        let own = std::fs::metadata("/proc/self").map_or(0, |own| own.uid());
        match (metadata.uid(), metadata.mode() & 0o022) {
            (uid, _) if uid != 0 && uid != own => Some(format!("belongs to user {uid}")),
            (_, 0) => None,
            _ => Some("can be written by others than root".to_owned()),
        }
    }

    /// Whether it is a directory that can be looked at.
    pub fn has_directory(&self, path: &[u8]) -> bool {
        matches!(self.look(path), Seen::There(metadata) if metadata.is_dir())
    }

    /// Whether something is mounted on `path` in the namespace this program is in.
    pub fn is_mounted(&self, path: &[u8]) -> bool {
        let (Some(own), Some(parent)) = (
            self.device(path),
            Path::new(OsStr::from_bytes(path))
                .parent()
                .and_then(|parent| self.device(parent.as_os_str().as_bytes())),
        ) else {
            return false;
        };
        own != parent
    }

    fn device(&self, path: &[u8]) -> Option<u64> {
        match self.look(path) {
            Seen::There(metadata) => Some(metadata.dev()),
            Seen::Missing | Seen::Hidden | Seen::Dead => None,
        }
    }

    /// The accounts of `directory` of this machine, by the rule of a start.
    pub fn accounts(&self, directory: &[u8]) -> Accounts {
        accounts_below(&below(&self.root, Path::new(OsStr::from_bytes(directory))))
    }

    /// The user of that name.
    pub fn user(&self, name: &[u8]) -> Option<User> {
        let accounts = self.accounts(b"/");
        let user = accounts.user(name)?;
        Some(User {
            uid: user.uid,
            groups: accounts.groups_of(name, user.gid),
        })
    }

    /// The app's user, with the groups it will have.
    pub fn user_of(&self, identity: &Identity) -> Option<User> {
        let mut user = match &identity.uid.as_ref()?.0 {
            Account::Name(name) => self.user(name)?,
            Account::Number(uid) => User {
                uid: *uid,
                groups: Vec::new(),
            },
        };
        let group = identity.gid.as_ref().and_then(|named| match &named.0 {
            Account::Name(name) => self.group(name),
            Account::Number(gid) => Some(*gid),
        });
        user.groups.extend(group);
        Some(user)
    }

    /// The number of a group.
    pub fn group(&self, name: &[u8]) -> Option<u32> {
        self.accounts(b"/").group(name)
    }
}
