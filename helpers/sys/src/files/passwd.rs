//! passwd(5) and group(5), read as files: a static program has no NSS, and in a vassal's own root there must be none
//! (no library of a tenant is ever loaded by a helper). What they mean is vassal-config's.

use crate::error::{Context, SysError};
use crate::files::reach::{self, Last};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use nix::sys::statfs::{
    CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC, fstatfs,
};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The most that is read of a file.
const LIMIT: u64 = 32 << 20;
/// Filesystems that the kernel makes up: root owns their files, but anybody's doings are the text.
const MADE_UP: [FsType; 5] = [
    PROC_SUPER_MAGIC,
    SYSFS_MAGIC,
    CGROUP2_SUPER_MAGIC,
    DEBUGFS_MAGIC,
    TRACEFS_MAGIC,
];

/// The texts of `/etc/passwd` and `/etc/group`. A missing file is empty, and so is one that somebody else than root may
/// write: he could become whomever he likes. `proc` is a proc of this PID namespace.
///
/// # Errors
/// What cannot be read, is no regular file (`EINVAL`), or larger than 32 MiB (`EFBIG`); a link that is not root's alone.
pub fn read(proc: impl AsFd + Copy) -> Result<(Vec<u8>, Vec<u8>), SysError> {
    Ok((read_roots(proc, "/etc/passwd")?, read_roots(proc, "/etc/group")?))
}

/// Opens nothing before it is known to be a regular file of a filesystem that stores it.
fn read_roots(proc: impl AsFd, path: &str) -> Result<Vec<u8>, SysError> {
    let step = || format!("read '{path}'");
    let file = match reach::place(Path::new(path), Last::Followed) {
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        Err(Errno::ELOOP) => {
            return Err(SysError::new(step(), Errno::ELOOP).meaning(Some(reach::NOT_FOLLOWED)));
        }
        place => match place.context(step)?.object {
            Some(file) => file,
            None => return Ok(Vec::new()),
        },
    };
    let status = fstat(&file).context(step)?;
    if !reach::is_regular(&status) || is_made_up(&file).context(step)? {
        return Err(SysError::new(step(), Errno::EINVAL).meaning(Some("it is no regular file")));
    }
    if reach::why_foreign(&status).is_some() {
        return Ok(Vec::new());
    }
    let file = reach::reopen(proc, &file, OFlag::O_RDONLY).context(step)?;
    let mut text = Vec::new();
    if File::from(file)
        .take(LIMIT + 1)
        .read_to_end(&mut text)
        .context(step)? as u64
        > LIMIT
    {
        return Err(SysError::new(step(), Errno::EFBIG));
    }
    Ok(text)
}

fn is_made_up(file: &OwnedFd) -> nix::Result<bool> {
    let kind = fstatfs(file)?.filesystem_type();
    Ok(MADE_UP.contains(&kind))
}
