//! Opens files whose content is trusted, such as /etc/passwd: never a device or a FIFO, nor a file whose content the
//! kernel makes from what processes do.

use crate::error::{Context, SysError};
use crate::files::reach::{self, Last};
use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::sys::statfs::{
    CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC, fstatfs,
};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Filesystems whose files are made by the kernel. Root owns these files, but any process can influence their content.
const MADE_UP: [FsType; 5] = [
    PROC_SUPER_MAGIC,
    SYSFS_MAGIC,
    CGROUP2_SUPER_MAGIC,
    DEBUGFS_MAGIC,
    TRACEFS_MAGIC,
];

/// Opens the file at `path` with `O_PATH`, to be opened for reading with [`reach::reopen`]; `None` when it is missing.
/// So it is known to be a regular file on a filesystem that stores it before it is really opened.
///
/// # Errors
/// `EINVAL` when it is another kind of file; `ELOOP` for a link on the way that another user than root may change.
pub fn find(path: &str) -> Result<Option<OwnedFd>, SysError> {
    let step = || format!("read '{path}'");
    let file = match reach::place(Path::new(path), Last::Followed) {
        Err(Errno::ENOENT) => return Ok(None),
        Err(Errno::ELOOP) => {
            return Err(SysError::new(step(), Errno::ELOOP).meaning(Some(reach::NOT_FOLLOWED)));
        }
        place => match place.context(step)?.object {
            Some(file) => file,
            None => return Ok(None),
        },
    };
    let status = fstat(&file).context(step)?;
    if !reach::is_regular(&status) || is_made_up(&file).context(step)? {
        return Err(SysError::new(step(), Errno::EINVAL).meaning(Some("it is no regular file")));
    }
    Ok(Some(file))
}

fn is_made_up(file: &OwnedFd) -> nix::Result<bool> {
    let kind = fstatfs(file)?.filesystem_type();
    Ok(MADE_UP.contains(&kind))
}
