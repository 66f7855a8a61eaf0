//! The descriptors that the watchdog waits for.

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_systemd::send_queue::Interest;

/// Which descriptors have something.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub signals: bool,
    pub mounts: bool,
    pub log: bool,
    pub reload: bool,
}

/// Descriptors that are registered only while something is expected of them; in the order of the numbers of their events.
#[derive(Debug, Clone, Copy)]
pub(super) enum Once {
    /// Room for what was said.
    Systemd,
    Journald,
    StandardError,
    /// What an app says on its notification socket.
    App,
    /// The same of the next one.
    NextApp,
    /// What uWSGI says.
    Uwsgi,
    /// The same of the next one.
    NextUwsgi,
}

/// The numbers of the events of the descriptors that are always registered.
pub(super) const SIGNALS: u64 = 0;
pub(super) const MOUNTS: u64 = 1;
pub(super) const LOG: u64 = 2;
pub(super) const RELOAD: u64 = 3;
/// And the [`Once`]s.
pub(super) const ONCE: u64 = 4;
pub(super) const ALL: usize = ONCE as usize + ONCES;
const ONCES: usize = 7;

/// A change of mounts is a POLLPRI (proc_pid_mounts(5)); POLLERR comes with it, and cannot be kept away.
pub(super) const CHANGED: EpollFlags = EpollFlags::EPOLLPRI;

/// The time between two looks where epoll cannot tell.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The epoll instance. Most wakeups are by the clock; epoll_wait(2) then touches none of the descriptors, unlike poll(2), which saves a
/// fifth of the cost of a wakeup (measured).
#[derive(Debug)]
pub(super) struct Poller {
    pub(super) epoll: Epoll,
    /// Which of the [`Once`]s are registered.
    pub(super) watched: [bool; ONCES],
}

impl Poller {
    /// One without descriptors.
    pub(super) fn new() -> Result<Self, SysError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context(|| "make an epoll descriptor")?;
        Ok(Self {
            epoll,
            watched: [false; ONCES],
        })
    }

    pub(super) fn ignore(&self, fd: impl AsFd) -> Result<(), SysError> {
        self.epoll.delete(fd).context(|| "stop listening to a descriptor")
    }

    pub(super) fn listen(
        &self,
        fd: Option<impl AsFd>,
        number: u64,
        kind: EpollFlags,
    ) -> Result<(), SysError> {
        fd.map_or(Ok(()), |fd| self.epoll.add(fd, EpollEvent::new(kind, number)))
            .context(|| "listen to a descriptor")
    }

    /// Is to tell when `once` has what it waits for; when that is, if it is a matter of time.
    pub(super) fn expect(&mut self, once: Once, interest: Interest<'_>) -> Option<Instant> {
        let (fd, kind) = match interest {
            Interest::Nothing => return None,
            Interest::At(until) => return Some(until),
            Interest::Readable(fd) => (fd, EpollFlags::EPOLLIN),
            Interest::Writable(fd) => (fd, EpollFlags::EPOLLOUT),
        };
        let is_watched = &mut self.watched[once as usize];
        if !*is_watched {
            // One shot: a descriptor that another process holds open would be reported for ever after we have closed it.
            let mut event = EpollEvent::new(kind | EpollFlags::EPOLLONESHOT, ONCE + once as u64);
            let renewed = match self.epoll.modify(fd, &mut event) {
                Err(Errno::ENOENT) => self.epoll.add(fd, event),
                renewed => renewed,
            };
            // Where the kernel has no memory for that, it is looked at again later.
            *is_watched = renewed.is_ok();
        }
        (!*is_watched).then(|| Instant::now() + LOOK_AGAIN)
    }
}
