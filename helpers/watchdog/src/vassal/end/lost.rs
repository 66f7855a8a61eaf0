//! A mountpoint or the app is lost: systemd has to kill and restart the vassal.

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

/// How long systemd may take to answer `WATCHDOG=trigger` with SIGKILL after it has read it; then the watchdog ends by
/// itself.
const TRIGGER_LIMIT: Duration = Duration::from_secs(5);
/// The time between two checks whether systemd has read it, for which there is no event.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Vassal {
    /// A mountpoint is lost. Processes that wait for its daemon are released, the journal and systemd are told, and
    /// systemd kills the unit. The host's own filesystems are not touched, because other processes of the host use
    /// them.
    pub(crate) fn lost(&mut self, index: usize, verdict: Verdict) -> Result<u8, SysError> {
        let ready_for = self.ready_for();
        // Before its processes are released and give wrong answers.
        self.freeze();
        self.let_go();
        let behind = self.release(index, verdict);
        let listeners = behind.as_ref().map(|_| self.shutdown().listening());
        // Kept open until systemd's SIGKILL, see `connections`.
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

    /// The app is lost: it serves, but it is not well. It is killed as for a lost mountpoint. The filesystems are all
    /// right, so they are unmounted in order and their daemons store what was written.
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

    /// Aborts the connection of a filesystem for which processes may wait, if it belongs to the vassal. If it is the
    /// host's, returns the cgroup in which the processes can be left behind.
    fn release(&self, index: usize, verdict: Verdict) -> Option<LeftBehind> {
        if !verdict.leaves_waiting() {
            return None;
        }
        let mountpoint = &self.mountpoints[index];
        self.shutdown().abort(&mountpoint.watched.mount);
        mountpoint.is_hosts().then(|| self.put_aside()).flatten()
    }

    /// Waits for the daemons that can still store what was written: that of a filesystem which has been unmounted, and
    /// those of the vassal's other filesystems, which are unmounted now. Then records what is left unsaved.
    fn save_what_can_be(&self, index: usize, verdict: Verdict, cause: &str) {
        let mountpoint = &self.mountpoints[index];
        let lost = &mountpoint.watched.mount;
        if verdict == Verdict::Gone && mountpoint.may_hold_unsaved() {
            self.reporter.status_is(cause);
            self.unrequested_shutdown().wait_for_unmounted();
        }
        // A filesystem that has moved can be unmounted at its new place, and its daemon stores what was written.
        let is_lost = verdict != Verdict::Moved;
        self.rescue_others(is_lost.then_some(lost), cause);
        // The loss of this one is reported with the verdict.
        self.note_what_is_left(|mount| mount.device() != lost.device());
    }

    /// Unmounts the vassal's filesystems except `lost`, and waits until their daemons have stored what was written.
    fn rescue_others(&self, lost: Option<&Mount>, cause: &str) {
        let others = self.shutdown().others(lost);
        if !others.is_empty() {
            self.reporter.status_is(cause);
            self.unrequested_shutdown().rescue(others);
        }
    }

    /// Records which of the remaining filesystems would lose data now; only those for which `counts` is true.
    fn note_what_is_left(&self, counts: impl Fn(&Mount) -> bool) {
        match self.table.own(&self.proc, Mount::may_hold_unsaved) {
            Ok(left) => self.note_unsaved(left.iter().filter(|mount| counts(mount))),
            // The earlier list remains, and systemd has to kill the unit anyway.
            Err(error) => log(Priority::Warning, &error.to_string()),
        }
    }

    /// Waits for systemd's SIGKILL: until it has read the message, and then up to [`TRIGGER_LIMIT`]. If `main` has
    /// become the main process, waits for its end instead.
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

    /// Prepares a cgroup and moves all processes into it, so that those that do not end can be left behind.
    fn put_aside(&self) -> Option<LeftBehind> {
        let behind = LeftBehind::make(&self.proc, &self.host_proc);
        // Without a PID namespace the processes of others are visible, too, and ours need not be the watchdog's
        // children.
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
