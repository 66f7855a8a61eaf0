//! The processes of a vassal, in proc: who they are, and which of them serve FUSE filesystems.

use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{fstatat, major, minor};
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use vassal_sys::mounts;

/// The device number of /dev/fuse (fuse(4)).
const FUSE_DEVICE: (u64, u64) = (10, 229);

/// Everybody else in our PID namespace; without one, our children, among them every orphan of the vassal, and systemd
/// ends what these leave.
pub fn all(proc: &OwnedFd, is_init: bool) -> Vec<Pid> {
    if !is_init {
        return children(proc);
    }
    let names = mounts::list(proc, ".").unwrap_or_default();
    let numbers = names.iter().filter_map(|name| name.parse().ok());
    numbers.filter(|pid| *pid > 1).map(Pid::from_raw).collect()
}

/// Our children (proc_pid_children(5)).
pub fn children(proc: &OwnedFd) -> Vec<Pid> {
    let file = mounts::open_below(proc, "thread-self/children").ok();
    let text = file.and_then(|file| std::io::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    let numbers = text.split_ascii_whitespace().filter_map(|word| word.parse().ok());
    numbers.map(Pid::from_raw).collect()
}

/// Whether a process serves a FUSE filesystem: it has /dev/fuse open.
pub fn serves_fuse(proc: &OwnedFd, pid: Pid) -> bool {
    fuse_descriptors(proc, pid).next().is_some()
}

/// The numbers by which a process has /dev/fuse open.
pub fn fuse_descriptors(proc: &OwnedFd, pid: Pid) -> impl Iterator<Item = String> {
    let numbers = mounts::list(proc, &format!("{pid}/fd")).unwrap_or_default();
    numbers.into_iter().filter(move |number| {
        let path = format!("{pid}/fd/{number}");
        // The name first: stat follows the link, and must not follow it into a filesystem that hangs.
        let named = readlinkat(proc, path.as_str()).is_ok_and(|name| name.as_bytes().ends_with(b"/fuse"));
        named
            && fstatat(proc, path.as_str(), AtFlags::empty())
                .is_ok_and(|status| (major(status.st_rdev), minor(status.st_rdev)) == FUSE_DEVICE)
    })
}
