//! uWSGI's master process and its children. The kind of a child is recognised by the signals that it catches (measured
//! with 2.0.21 and 2.0.28). A worker catches SIGHUP, on which it ends when it has answered, and SIGUSR1 and SIGUSR2; a
//! mule ignores the latter two, and an app may have taken over one of them. Until a worker has set its own handlers it
//! still has the master's, and a SIGHUP sent to it would have no effect.

use crate::app::connections::owe_an_answer;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};
use std::os::fd::OwnedFd;
use vassal_sys::clone::pidfd;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, pidfd};

/// The kind of a master's child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers requests; on SIGHUP it ends when it has answered.
    Worker,
    /// Forked, but not yet a worker.
    Newborn,
    /// A mule, a spooler, a router, or a daemon with its own process group: the master ends it, or it ends in order on
    /// SIGTERM.
    Attended,
    /// A process that uWSGI does not know: the app has started it while it was loaded, or it is a cron job.
    Stranger,
}

/// A child of the master that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// Its number.
    pub pid: Pid,
    /// Its kind.
    pub kind: Kind,
}

/// A uWSGI's master process.
#[derive(Debug, Clone, Copy)]
pub struct Master<'a> {
    /// Its number. It is a child of the watchdog and has not been reaped.
    pub pid: Pid,
    /// A private proc.
    pub proc: &'a Proc,
}

impl Master<'_> {
    /// The children of all its threads.
    pub fn children(self) -> Vec<Child> {
        let caught = status(self.proc, self.pid).map_or(0, |status| status.caught);
        let child = |pid| {
            let status = self.status_of(pid)?;
            let is_of_group = getpgid(Some(pid)) == Ok(self.pid);
            let kind = kind(status.caught, caught, is_of_group);
            Some(Child { pid, kind })
        };
        self.proc
            .children(self.pid)
            .into_iter()
            .filter_map(child)
            .collect()
    }

    /// Its workers.
    pub fn workers(self) -> Vec<Pid> {
        let is_worker = |child: &Child| child.kind == Kind::Worker;
        self.children()
            .into_iter()
            .filter(is_worker)
            .map(|child| child.pid)
            .collect()
    }

    /// Whether a router has a client that waits for an answer.
    pub fn routers_owe(self) -> bool {
        let is_attended = |child: &Child| child.kind == Kind::Attended;
        let attended: Vec<_> = self.children().into_iter().filter(is_attended).collect();
        !attended.is_empty() && owe_an_answer(self.proc, attended.iter().map(|child| child.pid))
    }

    /// Makes the master look at its children now, and not at the end of its wait of a second. Stopping and continuing a
    /// process makes it return from epoll_wait(2) whatever handlers it has (signal(7)). Nothing is logged, and an exec
    /// in progress is not disturbed, whereas a caught signal could kill it between the old program's handlers and the
    /// new one's.
    pub fn wake(self) {
        for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
            match kill(self.pid, signal) {
                // The master has ended; the reaper will see that.
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Interrupts another sleep of the master's, such as that of a second after it has signalled its daemons; stopping
    /// and continuing does not end that. Only for a master that stops and has nothing left that the signal could end
    /// too early.
    pub fn interrupt(self) {
        match kill(self.pid, Signal::SIGINT) {
            // The master has ended; the reaper will see that.
            Ok(()) | Err(_) => {}
        }
    }

    /// A pidfd of its child `pid`; `None` if that is not its child any more.
    ///
    /// # Errors
    /// `EMFILE` at the limit of open files; `ESRCH`.
    pub fn open(self, pid: Pid) -> Result<Option<OwnedFd>, SysError> {
        let process = pidfd(pid)?;
        // Checked after the pidfd was opened: if the number has been reused, the parent differs.
        Ok(self.status_of(pid).map(|_| process))
    }

    /// Signals its child `pid`, if that is still its child.
    pub fn signal_child(self, pid: Pid, signal: Signal) {
        let sent = self
            .open(pid)
            .map(|process| process.map(|process| pidfd::signal(process, signal)));
        match sent {
            // The child has ended.
            Ok(_) | Err(_) => {}
        }
    }

    fn status_of(self, pid: Pid) -> Option<Status> {
        status(self.proc, pid).filter(|status| status.parent == self.pid.as_raw() && !status.has_ended)
    }
}

/// Fields of a process's `status` (proc_pid_status(5)).
#[derive(Debug, PartialEq, Eq)]
struct Status {
    has_ended: bool,
    parent: i32,
    /// One bit for each signal that it has a handler for.
    caught: u64,
}

fn status(proc: &Proc, pid: Pid) -> Option<Status> {
    parse(&proc.text(&format!("{pid}/status"))?)
}

fn parse(text: &str) -> Option<Status> {
    // The first line is the name, which may contain anything but a line end.
    let value = |name: &str| text.lines().skip(1).find_map(|line| line.strip_prefix(name));
    Some(Status {
        has_ended: value("State:")?.trim_start().starts_with(['Z', 'X']),
        parent: value("PPid:")?.trim().parse().ok()?,
        caught: u64::from_str_radix(value("SigCgt:")?.trim(), 16).ok()?,
    })
}

fn kind(caught: u64, caught_by_master: u64, is_of_group: bool) -> Kind {
    let catches = |signal: Signal| caught & (1 << (signal as i32 - 1)) != 0;
    match () {
        () if !is_of_group => Kind::Attended,
        () if caught == caught_by_master => Kind::Newborn,
        () if catches(Signal::SIGHUP) && (catches(Signal::SIGUSR1) || catches(Signal::SIGUSR2)) => {
            Kind::Worker
        }
        () if catches(Signal::SIGTERM) => Kind::Attended,
        () => Kind::Stranger,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_known_by_the_signals_that_it_catches() {
        const MASTER: u64 = 0x84687;
        // As seen of both releases.
        const CASES: &[(&str, u64, bool, Kind)] = &[
            ("worker", 0x0808_5e83, true, Kind::Worker),
            ("worker forked after a harakiri", 0x0808_5e87, true, Kind::Worker),
            (
                "worker whose app ignores SIGUSR2",
                0x0808_5683,
                true,
                Kind::Worker,
            ),
            (
                "worker whose app ignores SIGUSR1",
                0x0808_5c83,
                true,
                Kind::Worker,
            ),
            ("forked a moment ago", MASTER, true, Kind::Newborn),
            ("mule", 0x4487, true, Kind::Attended),
            ("spooler", 0x4682, true, Kind::Attended),
            ("attached daemon", 0x10002, false, Kind::Attended),
            ("multiprocessing", 0x482, true, Kind::Stranger),
            ("subprocess, cron job", 0, true, Kind::Stranger),
        ];
        for (name, caught, is_of_group, expected) in CASES {
            assert_eq!(kind(*caught, MASTER, *is_of_group), *expected, "{name}");
        }
    }

    #[test]
    fn a_status_is_read_whatever_the_name() {
        let text =
            "Name:\tState: Z\nUmask:\t0022\nState:\tS (sleeping)\nPPid:\t7\nSigCgt:\t0000000000084687\n";
        let expected = Status {
            has_ended: false,
            parent: 7,
            caught: 0x84687,
        };
        assert_eq!(parse(text), Some(expected));
        assert!(
            parse(&text.replace("S (sleeping)", "Z (zombie)"))
                .unwrap()
                .has_ended
        );
        assert_eq!(parse(""), None);
    }
}
