//! Copies of FUSE daemons' descriptors of /dev/fuse. While a copy is open, the connection does not end with the daemon:
//! an app's requests wait. The watchdog closes the copy when it has stopped the app; only then the requests fail.
//! Without a copy the kernel would end the connection first, and the app would give wrong answers before the watchdog
//! knows of the daemon's end.
//!
//! The copies are made in a process that can be abandoned ([`crate::processes::copies`]).

use crate::processes::copies::{BATCH, Giver, ends};
use crate::processes::probe::Probe;
use crate::processes::tree::{fuse_descriptors, is_fuse_device};
use nix::unistd::Pid;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use vassal_sys::clone::pidfd;
use vassal_sys::deadline::Deadline;
use vassal_sys::fds;
use vassal_sys::proc::Proc;

/// The most descriptors of /dev/fuse that a daemon may have; libfuse can have one for each thread.
const MOST: usize = BATCH;
/// How long the copies are waited for; making them takes less than a millisecond.
const LIMIT: Duration = Duration::from_millis(100);

/// The copied connections of a daemon.
#[derive(Debug)]
pub struct Held {
    daemon: Pid,
    _copies: Vec<OwnedFd>,
}

impl Held {
    /// Whether they belong to this daemon.
    pub fn is_of(&self, daemon: Pid) -> bool {
        self.daemon == daemon
    }
}

/// Makes copies of the daemons' descriptors of /dev/fuse, as far as that is possible in time. Also returns the process
/// that has made them, which has to be reaped.
pub fn hold(proc: &Proc, daemons: &[Pid]) -> (Vec<Held>, Option<Pid>) {
    let (Ok((giver, taker)), false) = (ends(), daemons.is_empty()) else {
        return (Vec::new(), None);
    };
    let give = || {
        let all = daemons.iter().all(|daemon| give_copies(proc, *daemon, &giver));
        i32::from(!all || giver.end().is_err())
    };
    // At a limit of processes no copies are made.
    let Ok(Some(copier)) = Probe::run(give) else {
        return (Vec::new(), None);
    };
    drop(giver);
    let held = taker.batches(Deadline::after(LIMIT)).map(held).collect();
    copier.end();
    (held, Some(copier.pid))
}

/// In the child: copies the daemon's descriptors, and sends those that really are /dev/fuse to the watchdog.
fn give_copies(proc: &Proc, daemon: Pid, giver: &Giver) -> bool {
    let Ok(process) = pidfd(daemon) else { return true };
    let numbers = fuse_descriptors(proc, daemon).take(MOST);
    let copies: Vec<_> = numbers
        .filter_map(|number| fds::copy_of(process.as_fd(), number).ok())
        .collect();
    let is_right = |copy: &OwnedFd| {
        let path = CString::new(format!("self/fd/{}", copy.as_raw_fd()));
        path.is_ok_and(|path| is_fuse_device(proc, &path))
    };
    copies.iter().all(is_right) && giver.give(daemon.as_raw(), &copies).is_ok()
}

/// Moves the copies to descriptor numbers that no forked process keeps.
fn held((daemon, copies): (i32, Vec<OwnedFd>)) -> Held {
    let above = copies
        .iter()
        .filter_map(|copy| fds::copy_above(copy, fds::ALONE).ok());
    Held {
        daemon: Pid::from_raw(daemon),
        _copies: above.collect(),
    }
}
