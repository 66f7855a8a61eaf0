//! A uWSGI's master process and its children, which are told apart by the signals that they catch (measured with 2.0.21
//! and 2.0.28). A worker catches SIGHUP, its order to end when it has answered, and SIGUSR1 and SIGUSR2, both of which a mule
//! ignores and one of which an app may have taken. Before it sets its handlers it has those of the master, and a SIGHUP to it
//! would be lost.

use crate::app::connections::owe_an_answer;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};
use std::os::fd::OwnedFd;
use vassal_sys::clone::pidfd;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, pidfd};

/// What a child of the master is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It answers requests, and ends by SIGHUP when it has answered.
    Worker,
    /// Forked, and not yet a worker.
    Newborn,
    /// The master ends it, or it cleans up on SIGTERM: a mule, a spooler, a router, a daemon with its own process group.
    Attended,
    /// A process that uWSGI does not know, such as one that the app has started while it was loaded, or a cron job.
    Stranger,
}

/// A child of the master that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// Its number.
    pub pid: Pid,
    /// What it is.
    pub kind: Kind,
}

/// A uWSGI's master process.
#[derive(Debug, Clone, Copy)]
pub struct Master<'a> {
    /// Its number: a child of the caller's that was not reaped.
    pub pid: Pid,
    /// A private proc.
    pub proc: &'a Proc,
}

impl Master<'_> {
    /// Its children, of all its threads.
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

    /// Whether one of its routers has a client that waits for an answer.
    pub fn routers_owe(self) -> bool {
        let is_attended = |child: &Child| child.kind == Kind::Attended;
        let attended: Vec<_> = self.children().into_iter().filter(is_attended).collect();
        !attended.is_empty() && owe_an_answer(self.proc, attended.iter().map(|child| child.pid))
    }

    /// Has it look at its children now and not at the end of its wait of a second. A process that is stopped and continued comes
    /// back from epoll_wait(2) (signal(7)), whatever handlers there are: nothing is logged, and an exec in progress is not
    /// disturbed, where a signal that is caught before and after could end it in between.
    pub fn wake(self) {
        for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
            match kill(self.pid, signal) {
                // It has ended, which its reaper will see.
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Ends a sleep of its, such as that of a second after it has signalled its daemons, which stopping and continuing does
    /// not; only for a master that stops and has nothing left that the signal could end early.
    pub fn interrupt(self) {
        match kill(self.pid, Signal::SIGINT) {
            // It has ended, which its reaper will see.
            Ok(()) | Err(_) => {}
        }
    }

    /// Opens its child `pid`; nothing if that is no child of its any more.
    ///
    /// # Errors
    /// `EMFILE` at the limit of open files; `ESRCH`.
    pub fn open(self, pid: Pid) -> Result<Option<OwnedFd>, SysError> {
        let process = pidfd(pid)?;
        // Looked at when it is held: a number that was given away leads to another parent.
        Ok(self.status_of(pid).map(|_| process))
    }

    /// Signals its child `pid`, if that is still one.
    pub fn signal_child(self, pid: Pid, signal: Signal) {
        let sent = self
            .open(pid)
            .map(|process| process.map(|process| pidfd::signal(process, signal)));
        match sent {
            // What has ended needs no signal.
            Ok(_) | Err(_) => {}
        }
    }

    fn status_of(self, pid: Pid) -> Option<Status> {
        status(self.proc, pid).filter(|status| status.parent == self.pid.as_raw() && !status.has_ended)
    }
}

/// What proc tells of a process (proc_pid_status(5)).
#[derive(Debug, PartialEq, Eq)]
struct Status {
    has_ended: bool,
    parent: i32,
    /// A bit for each signal that it has a handler for.
    caught: u64,
}

fn status(proc: &Proc, pid: Pid) -> Option<Status> {
    parse(&proc.text(&format!("{pid}/status"))?)
}

fn parse(text: &str) -> Option<Status> {
    // The name, which may be anything, comes first and in one line.
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
