//! Users, directories, devices and mounts of the machine. They are only looked at, as far as the calling user may.

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

/// The result of looking at a path.
#[derive(Debug)]
pub enum Seen {
    /// It exists.
    There(Metadata),
    /// It does not exist.
    Missing,
    /// The calling user may not look.
    Hidden,
    /// It is on a FUSE filesystem without a daemon.
    Dead,
}

/// A user, from the machine's passwd and group files.
#[derive(Debug, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The ids of all its groups.
    pub groups: Vec<u32>,
}

impl User {
    /// Whether the permissions let the user create files in a directory.
    pub fn may_write(&self, metadata: &Metadata) -> bool {
        self.may(metadata, 0o2)
    }

    /// Whether the permissions let the user read a file.
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
    /// The machine with the root directory `root`.
    pub fn new(root: &Path) -> Self {
        Host {
            root: root.to_path_buf(),
        }
    }

    /// Looks at an absolute path; links are followed.
    pub fn look(&self, path: &[u8]) -> Seen {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        match below(&self.root, Path::new(OsStr::from_bytes(path))).metadata() {
            Ok(metadata) => Seen::There(metadata),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Seen::Missing,
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Seen::Dead,
            Err(_) => Seen::Hidden,
        }
    }

    /// Reads a file that the kernel provides.
    pub fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        std::fs::read(below(&self.root, Path::new(OsStr::from_bytes(path)))).ok()
    }

    /// Why others than root can change the object. In a tree of the calling user's own, that user counts as root.
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

    /// Whether something is mounted on `path` in the mount namespace of this program.
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

    /// The accounts in the root directory `directory` of this machine, read by the rules of a start.
    pub fn accounts(&self, directory: &[u8]) -> Accounts {
        accounts_below(&below(&self.root, Path::new(OsStr::from_bytes(directory))))
    }

    /// The user with that name.
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

    /// The id of a group.
    pub fn group(&self, name: &[u8]) -> Option<u32> {
        self.accounts(b"/").group(name)
    }
}
