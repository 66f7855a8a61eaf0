//! An open listening socket.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::POLLRDHUP;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Backlog, listen};
use nix::unistd::dup3;
use std::os::fd::{AsFd, OwnedFd};
use vassal_sys::SysError;
use vassal_sys::error::Context;

/// Which file a unix socket is bound to: its device and inode.
pub type File = (u64, u64);

/// An open socket.
#[derive(Debug)]
pub struct Open {
    /// The socket, of whose number the app is told.
    pub fd: OwnedFd,
    /// A unix socket that takes its place when its path does not lead to it any more.
    pub spare: Option<OwnedFd>,
    /// The file that a unix socket is bound to.
    pub kept: Option<File>,
    /// systemd has bound it, and keeps it.
    pub is_systemds: bool,
}

impl Open {
    /// A socket that is bound, or that is to be.
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            spare: None,
            kept: None,
            is_systemds: false,
        }
    }

    /// Undoes what an app of before may have done to a socket that it shared: its waits are waits again. One that it has shut down listens
    /// again, if it is TCP (`backlog` as for a new one).
    ///
    /// # Errors
    /// As fcntl(2), listen(2).
    pub fn renew(&self, backlog: Backlog) -> Result<(), SysError> {
        let step = || "listen again";
        fcntl(&self.fd, FcntlArg::F_SETFL(OFlag::O_RDWR)).context(step)?;
        listen(&self.fd, backlog).context(step)
    }

    /// Whether it takes no connections any more, and never will: a unix socket that an app has shut down.
    pub fn is_shut_down(&self) -> bool {
        let mut fds = [PollFd::new(
            self.fd.as_fd(),
            PollFlags::from_bits_retain(POLLRDHUP),
        )];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// Puts `socket` under the descriptor number that the app is told of.
    ///
    /// # Errors
    /// As dup3(2).
    pub fn take_number_for(&mut self, socket: &OwnedFd) -> Result<(), SysError> {
        dup3(socket, &mut self.fd, OFlag::O_CLOEXEC).context(|| "replace a socket")
    }
}
