//! The way to an app's unix socket, which may be in a directory of a tenant's. Root goes by no link of his: that could lead to a socket that
//! he may not connect to. Where there is one, it is followed with the rights of the app's user. Only the effective ids are the user's
//! then: kill(2) asks for the real and the saved ones, so no process of the tenant's can end the question.

use nix::errno::Errno;
use nix::sys::socket::{UnixAddr, connect};
use nix::unistd::{Gid, Pid, Uid};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use vassal_sys::creds::acting_as;
use vassal_sys::proc::Proc;
use vassal_sys::reach::{self, Last};

/// How this process, which asks one question and ends, finds the socket of an app.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// A private proc.
    pub proc: &'a Proc,
    /// The app's first process, which is its user's.
    pub app: Pid,
}

impl Way<'_> {
    /// Connects `socket` to the one at `path`.
    ///
    /// # Errors
    /// As connect(2); `ESRCH` when the app has ended.
    pub fn connect(self, socket: &OwnedFd, path: &Path) -> Result<(), Errno> {
        match reach::place(path, Last::Followed) {
            Ok(place) => {
                let found = place.object()?;
                let address = UnixAddr::new(format!("self/fd/{}", found.as_raw_fd()).as_str())?;
                reach::within(self.proc, || connect(socket.as_raw_fd(), &address))
            }
            Err(Errno::ELOOP) => {
                let (uid, gid, groups) = self.user().ok_or(Errno::ESRCH)?;
                let address = UnixAddr::new(path)?;
                let connected = acting_as(uid, gid, &groups, || connect(socket.as_raw_fd(), &address));
                connected.map_err(|error| error.errno)?
            }
            Err(errno) => Err(errno),
        }
    }

    /// The app's user, group and groups (proc_pid_status(5)).
    fn user(self) -> Option<(Uid, Gid, Vec<Gid>)> {
        let text = self.proc.text(&format!("{}/status", self.app))?;
        // The name, which may be anything, comes first and in one line.
        let numbers = |name: &str| {
            let line = text.lines().skip(1).find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace()
                .map(|word| word.parse().ok())
                .collect::<Option<Vec<u32>>>()
        };
        let first = |name: &str| numbers(name)?.first().copied();
        let groups = numbers("Groups:")?.into_iter().map(Gid::from_raw).collect();
        Some((
            Uid::from_raw(first("Uid:")?),
            Gid::from_raw(first("Gid:")?),
            groups,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_its_users() {
        let proc = Proc::mounted().unwrap();
        let way = Way {
            proc: &proc,
            app: Pid::this(),
        };
        let (uid, gid, groups) = way.user().unwrap();
        assert_eq!((uid, gid), (nix::unistd::getuid(), nix::unistd::getgid()));
        assert_eq!(groups, nix::unistd::getgroups().unwrap());
    }
}
