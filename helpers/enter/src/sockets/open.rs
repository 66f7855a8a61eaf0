//! An open listening socket.

use nix::fcntl::OFlag;
use nix::unistd::dup3;
use std::os::fd::OwnedFd;
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

    /// Puts `socket` under the descriptor number that the app is told of.
    ///
    /// # Errors
    /// As dup3(2).
    pub fn take_number_for(&mut self, socket: &OwnedFd) -> Result<(), SysError> {
        dup3(socket, &mut self.fd, OFlag::O_CLOEXEC).context(|| "replace a socket")
    }
}
