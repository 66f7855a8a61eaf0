//! An open listening socket.

use nix::fcntl::OFlag;
use nix::unistd::dup3;
use std::os::fd::OwnedFd;
use vassal_sys::SysError;
use vassal_sys::error::Context;

/// The file of a bound unix socket: its device and inode.
pub type File = (u64, u64);

/// An open socket.
#[derive(Debug)]
pub struct Open {
    /// The socket; the app is told its number.
    pub fd: OwnedFd,
    /// A new unix socket, which replaces `fd` if the path no longer leads to that.
    pub spare: Option<OwnedFd>,
    /// The file that the unix socket is bound to.
    pub kept: Option<File>,
    /// Whether systemd has bound it and keeps it open.
    pub is_systemds: bool,
}

impl Open {
    /// A socket that is bound already or will be.
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            spare: None,
            kept: None,
            is_systemds: false,
        }
    }

    /// Puts `socket` under the descriptor number that the app is told.
    ///
    /// # Errors
    /// As dup3(2).
    pub fn take_number_for(&mut self, socket: &OwnedFd) -> Result<(), SysError> {
        dup3(socket, &mut self.fd, OFlag::O_CLOEXEC).context(|| "replace a socket")
    }
}
