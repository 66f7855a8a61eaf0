//! Files in a machine, written and read from the host without ever leaving the machine's root.

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, mkdirat};

use crate::failure::Failure;

/// Who owns a file. The tenants are made by `machines/rootfs.sh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Owner {
    /// root:root.
    pub const ROOT: Owner = Owner { uid: 0, gid: 0 };
    /// user001:user001.
    pub const USER001: Owner = Owner {
        uid: 20001,
        gid: 20001,
    };
    /// user002:user002.
    pub const USER002: Owner = Owner {
        uid: 20002,
        gid: 20002,
    };
    /// user003:user003.
    pub const USER003: Owner = Owner {
        uid: 20003,
        gid: 20003,
    };
}

/// The root directory of a machine. Every path is resolved in it, as after a chroot: neither `..` nor an absolute link leads to
/// the host.
pub(crate) struct Root {
    fd: OwnedFd,
}

impl Root {
    /// Opens the directory.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Root, Failure> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(Failure::file_errno("open", path))?;
        Ok(Root { fd })
    }

    /// Creates the file or replaces what it holds; missing directories on the way become root's, mode 0755.
    ///
    /// # Errors
    ///
    /// When it cannot be created or written.
    pub fn write(&self, path: &Path, bytes: &[u8], mode: u32, owner: Owner) -> Result<(), Failure> {
        if let Some(parent) = path.parent() {
            self.make_parents(parent)?;
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
        let fd = self
            .resolve(path, flags)
            .map_err(Failure::file_errno("create", path))?;
        let mut file = File::from(fd);
        file.write_all(bytes).map_err(Failure::file("write", path))?;
        own(&file, mode, owner).map_err(Failure::file("give away", path))
    }

    /// What the file holds.
    ///
    /// # Errors
    ///
    /// When it does not exist or cannot be read.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let fd = self
            .resolve(path, OFlag::O_RDONLY)
            .map_err(Failure::file_errno("open", path))?;
        let mut bytes = Vec::new();
        File::from(fd)
            .read_to_end(&mut bytes)
            .map_err(Failure::file("read", path))?;
        Ok(bytes)
    }

    /// Makes the directory, unless it is there, and gives it mode and owner.
    ///
    /// # Errors
    ///
    /// When it cannot be made or something else has its name.
    pub fn make_dir(&self, path: &Path, mode: u32, owner: Owner) -> Result<(), Failure> {
        self.make_parents(path)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let fd = self
            .resolve(path, flags)
            .map_err(Failure::file_errno("open", path))?;
        own(&File::from(fd), mode, owner).map_err(Failure::file("give away", path))
    }

    fn make_parents(&self, path: &Path) -> Result<(), Failure> {
        let missing = match self.resolve(path, OFlag::O_PATH | OFlag::O_DIRECTORY) {
            Ok(_) => return Ok(()),
            Err(Errno::ENOENT) => path,
            Err(errno) => return Err(Failure::file_errno("open", path)(errno)),
        };
        let (Some(parent), Some(name)) = (missing.parent(), missing.file_name()) else {
            return Ok(());
        };
        self.make_parents(parent)?;
        let directory = self
            .resolve(parent, OFlag::O_PATH | OFlag::O_DIRECTORY)
            .map_err(Failure::file_errno("open", parent))?;
        match mkdirat(&directory, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(Failure::file_errno("create", path)(errno)),
        }
    }

    fn resolve(&self, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
        // The kernel wants no mode where nothing can be created (openat2(2), ERRORS: EINVAL).
        let mode = if flags.contains(OFlag::O_CREAT) {
            Mode::S_IRUSR | Mode::S_IWUSR
        } else {
            Mode::empty()
        };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(mode)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        openat2(&self.fd, path, how)
    }
}

fn own(file: &File, mode: u32, owner: Owner) -> std::io::Result<()> {
    fchown(file, Some(owner.uid), Some(owner.gid))?;
    // After the owner: chown clears set-user-ID bits.
    file.set_permissions(Permissions::from_mode(mode))
}
