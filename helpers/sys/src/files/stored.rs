//! Finding a file whose text is believed, such as /etc/passwd: no device, no FIFO, and no text that the kernel makes of what
//! processes do.

use crate::error::{Context, SysError};
use crate::files::reach::{self, Last};
use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::sys::statfs::{
    CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC, fstatfs,
};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Filesystems whose files the kernel makes up: root owns them, but what any process does can be their text.
const MADE_UP: [FsType; 5] = [
    PROC_SUPER_MAGIC,
    SYSFS_MAGIC,
    CGROUP2_SUPER_MAGIC,
    DEBUGFS_MAGIC,
    TRACEFS_MAGIC,
];

/// The file at `path`, as a descriptor that is not open for reading (`O_PATH`) but can be opened again ([`reach::reopen`]); `None` when
/// it is missing. So nothing is opened before it is known to be a regular file on a filesystem that stores it.
///
/// # Errors
/// It is no such file (`EINVAL`), or a link on the way that another user than root may change (`ELOOP`).
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
