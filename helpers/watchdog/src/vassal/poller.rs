//! The epoll instance with the descriptors that the watchdog waits for.

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_systemd::send_queue::Interest;

/// Which descriptors are ready.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub signals: bool,
    pub mounts: bool,
    pub log: bool,
    pub reload: bool,
}

/// Descriptors that are registered only while something is expected of them, in the order of their event numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Once {
    /// systemd's socket: room for unsent messages.
    Systemd,
    Journald,
    StandardError,
    /// The app's notification socket.
    App,
    /// The next app's notification socket.
    NextApp,
    /// uWSGI's Emperor socket.
    Uwsgi,
    /// The next uWSGI's Emperor socket.
    NextUwsgi,
}

/// The event numbers of the descriptors that are always registered.
pub(super) const SIGNALS: u64 = 0;
pub(super) const MOUNTS: u64 = 1;
pub(super) const LOG: u64 = 2;
pub(super) const RELOAD: u64 = 3;
/// The first event number of the [`Once`]s.
pub(super) const ONCE: u64 = 4;
pub(super) const ALL: usize = ONCE as usize + ONCES;
const ONCES: usize = 7;

/// A change of mounts is reported as POLLPRI (proc_pid_mounts(5)), together with POLLERR, which cannot be masked.
pub(super) const CHANGED: EpollFlags = EpollFlags::EPOLLPRI;

/// How often a descriptor is checked that epoll cannot watch.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The epoll instance. Most wakeups are timeouts; then epoll_wait(2), unlike poll(2), touches none of the descriptors,
/// which saves a fifth of the cost of a wakeup (measured).
#[derive(Debug)]
pub(super) struct Poller {
    pub(super) epoll: Epoll,
    /// Which of the [`Once`]s are registered.
    pub(super) watched: [bool; ONCES],
}

impl Poller {
    /// An instance without descriptors.
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

    /// Registers `once` for the condition `interest`. If the condition is a time, returns that instead.
    pub(super) fn expect(&mut self, once: Once, interest: Interest<'_>) -> Option<Instant> {
        let (fd, kind) = match interest {
            Interest::Nothing => return None,
            Interest::At(until) => return Some(until),
            Interest::Readable(fd) => (fd, EpollFlags::EPOLLIN),
            Interest::Writable(fd) => (fd, EpollFlags::EPOLLOUT),
        };
        let is_watched = &mut self.watched[once as usize];
        if !*is_watched {
            // One shot: after we have closed a descriptor that another process still has open, it would be reported for
            // ever.
            let mut event = EpollEvent::new(kind | EpollFlags::EPOLLONESHOT, ONCE + once as u64);
            let renewed = match self.epoll.modify(fd, &mut event) {
                Err(Errno::ENOENT) => self.epoll.add(fd, event),
                renewed => renewed,
            };
            // If the kernel lacks memory for it, the descriptor is checked again later.
            *is_watched = renewed.is_ok();
        }
        (!*is_watched).then(|| Instant::now() + LOOK_AGAIN)
    }
}
