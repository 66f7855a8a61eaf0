//! Mounting as root for any user, and the daemon that is left behind, which is that user's.

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount as mount_at};
use nix::sys::stat::Mode;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::Wanted;

/// Mounts, and has a process serve that finds the connection at its standard input.
pub fn mount(wanted: &Wanted) -> io::Result<()> {
    let device = open("/dev/fuse", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    let owner = wanted.owner;
    let mut options = format!(
        "fd={},rootmode=40000,user_id={owner},group_id={owner}",
        device.as_raw_fd()
    );
    if wanted.allow_other {
        options += ",allow_other";
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_at(
        Some("faultfs"),
        wanted.directory.as_str(),
        Some("fuse.faultfs"),
        flags,
        Some(options.as_str()),
    )?;
    let mut daemon = Command::new(std::env::current_exe()?);
    daemon
        .args(["--serve", "--delay", &wanted.delay.as_millis().to_string()])
        .args(["--backing", &wanted.backing, &wanted.directory])
        .uid(owner)
        .gid(owner)
        .current_dir("/")
        .stdin(Stdio::from(device))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if wanted.foreground {
        return Err(daemon.exec());
    }
    daemon.spawn().map(drop)
}
