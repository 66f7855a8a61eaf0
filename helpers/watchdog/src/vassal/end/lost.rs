//! A mountpoint is lost, or the app: the vassal has to be started anew, and systemd does that.

use super::super::state::Vassal;
use crate::app::connections;
use crate::liveness::verdict::Verdict as AppVerdict;
use crate::mountpoints::verdict::Verdict;
use crate::processes::reaper::{reap, take_signals};
use crate::processes::tree;
use crate::shutdown::left_behind::LeftBehind;
use nix::poll::{PollFd, PollFlags};
use nix::unistd::Pid;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_state::health::State;
use vassal_sys::SysError;
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;
use vassal_sys::mountinfo::Mount;
use vassal_systemd::exit;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::notify::DELIVERY_LIMIT;

/// How long systemd's answer to `WATCHDOG=trigger`, SIGKILL, may take after it has read that, before the watchdog ends by itself.
const TRIGGER_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks whether it has: nothing tells of that.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Vassal {
    /// A mountpoint is lost: processes that wait for its daemon are released, journal and systemd are told, and systemd kills the unit.
    /// The host's own filesystems are left as they are, as other processes of the host wait for them, too.
    pub(crate) fn lost(&mut self, index: usize, verdict: Verdict) -> Result<u8, SysError> {
        let ready_for = self.ready_for();
        // Before it is released, and gives a wrong answer.
        self.freeze();
        self.let_go();
        let behind = self.release(index, verdict);
        let listeners = behind.as_ref().map(|_| self.shutdown().listening());
        // Held until systemd's SIGKILL: see `connections`.
        let _connections = self.shutdown().cut_apps_off();
        let cause = self
            .reporter
            .verdict(&self.mountpoints[index], verdict, ready_for);
        self.record_lost(index, verdict);
        self.save_what_can_be(index, verdict, &cause);
        behind.iter().for_each(LeftBehind::kill);
        let stuck = behind.filter(|_| !self.shutdown().kill_all());
        let main = stuck.and_then(|behind| {
            listeners.iter().flatten().for_each(connections::give_up);
            or_reported(behind.leave(&self.host_proc, &self.reporter, &cause))
        });
        if main.is_none() {
            self.reporter.trigger(&cause);
        }
        self.wait_for_kill(main)?;
        Ok(exit::FAILED)
    }

    /// The app is lost: it serves, and is not well. It is ended as when a mountpoint is lost; the filesystems are not, and save what was
    /// written.
    pub(crate) fn app_lost(&mut self, verdict: AppVerdict) -> Result<u8, SysError> {
        let ready_for = self.ready_for();
        self.freeze();
        self.let_go();
        let _connections = self.shutdown().cut_apps_off();
        let cause = self.reporter.app_verdict(&self.app, verdict, ready_for);
        self.record_is(State::Lost);
        self.rescue_others(None, &cause);
        self.note_what_is_left(|_| true);
        self.shutdown().kill_all();
        self.reporter.trigger(&cause);
        self.wait_for_kill(None)?;
        Ok(exit::FAILED)
    }

    /// Ends the connection of a filesystem that leaves processes waiting, if it is the vassal's; of one of the host's, the cgroup to leave
    /// behind what does not end.
    fn release(&self, index: usize, verdict: Verdict) -> Option<LeftBehind> {
        if !verdict.leaves_waiting() {
            return None;
        }
        let mountpoint = &self.mountpoints[index];
        self.shutdown().abort(&mountpoint.watched.mount);
        mountpoint.is_hosts().then(|| self.put_aside()).flatten()
    }

    /// Waits for the daemons that can still save what was written: that of a filesystem which has been unmounted, and those of the vassal's
    /// others, which are unmounted for that. What is left then is noted.
    fn save_what_can_be(&self, index: usize, verdict: Verdict, cause: &str) {
        let mountpoint = &self.mountpoints[index];
        let lost = &mountpoint.watched.mount;
        if verdict == Verdict::Gone && mountpoint.may_hold_unsaved() {
            self.reporter.status_is(cause);
            self.unrequested_shutdown().wait_for_unmounted();
        }
        // One that has moved can still be unmounted, where it is now, and its daemon saves then.
        let is_lost = verdict != Verdict::Moved;
        self.rescue_others(is_lost.then_some(lost), cause);
        // The verdict has told of the one that is lost.
        self.note_what_is_left(|mount| mount.device() != lost.device());
    }

    /// Unmounts the vassal's filesystems but `lost`, whose daemons save then, and waits for them.
    fn rescue_others(&self, lost: Option<&Mount>, cause: &str) {
        let others = self.shutdown().others(lost);
        if !others.is_empty() {
            self.reporter.status_is(cause);
            self.unrequested_shutdown().rescue(others);
        }
    }

    /// Takes note of which of the filesystems that are left would lose something now, of those that `counts`.
    fn note_what_is_left(&self, counts: impl Fn(&Mount) -> bool) {
        match self.table.own(&self.proc, Mount::may_hold_unsaved) {
            Ok(left) => self.note_unsaved(left.iter().filter(|mount| counts(mount))),
            // What was noted before stays, and systemd is to kill the unit all the same.
            Err(error) => log(Priority::Warning, &error.to_string()),
        }
    }

    /// Waits for systemd's SIGKILL: until it has read the message, and then for as long as it may take to act on it. Where `main`
    /// has taken this process's place, for the end of that.
    fn wait_for_kill(&self, main: Option<Pid>) -> Result<(), SysError> {
        let begun = Instant::now();
        let mut read_at = None;
        loop {
            self.reporter.flush();
            if read_at.is_none() && self.reporter.notifier.is_read() {
                read_at = Some(Instant::now());
            }
            let end = read_at.map_or(begun + DELIVERY_LIMIT, |read_at| read_at + TRIGGER_LIMIT);
            let deadline = Deadline::at(end);
            if deadline.is_over() {
                return Ok(());
            }
            let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            deadline
                .poll(&mut fds, LOOK_AGAIN)
                .context(|| "wait for the end")?;
            take_signals(&self.signals);
            let (ended, _) = reap(&self.proc);
            if ended.iter().any(|child| Some(child.pid) == main) {
                return Ok(());
            }
        }
    }

    /// Puts every process where it can be left behind, should it not end.
    fn put_aside(&self) -> Option<LeftBehind> {
        let behind = LeftBehind::make(&self.proc, &self.host_proc);
        // Without a PID namespace those of others are in sight, too, and ours need not be our children.
        let all = tree::all(&self.proc, true);
        let ours = match self.handoff.is_init {
            true => all,
            false => tree::descendants(&self.proc, &all, &[Pid::this()]),
        };
        or_reported(behind.and_then(|behind| behind.take(ours).map(|()| behind)))
    }
}

fn or_reported<T>(done: Result<T, SysError>) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) => {
            let message = format!("{error}: the restart waits for the host's mount, if a process does");
            log(Priority::Warning, &message);
            None
        }
    }
}
