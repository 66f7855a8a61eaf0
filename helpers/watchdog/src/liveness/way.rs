//! How an app's unix socket is reached, which may be in a tenant's directory. Root follows no link of a tenant's,
//! because it could lead to a socket to which the tenant may not connect. If there is such a link, the connection is
//! made with the rights of the app's user. Only the effective ids are changed for that: kill(2) checks the real and the
//! saved ids, so the tenant cannot kill the process that asks.

use nix::errno::Errno;
use nix::sys::socket::{UnixAddr, connect};
use nix::unistd::{Gid, Pid, Uid};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use vassal_sys::creds::acting_as;
use vassal_sys::proc::Proc;
use vassal_sys::reach::{self, Last};

/// What the process that asks needs to find the socket of an app.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// A private proc.
    pub proc: &'a Proc,
    /// The app's first process, which runs as the app's user.
    pub app: Pid,
}

impl Way<'_> {
    /// Connects `socket` to the socket at `path`.
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

    /// The app's user, group and supplementary groups (proc_pid_status(5)).
    fn user(self) -> Option<(Uid, Gid, Vec<Gid>)> {
        let text = self.proc.text(&format!("{}/status", self.app))?;
        // The first line is the name, which may contain anything but a line end.
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
