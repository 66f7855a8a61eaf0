//! How a vassal's life ends: a mountpoint is lost, the app has ended, systemd stops it.

use super::state::{Stage, Vassal};
use crate::app::connections;
use crate::mountpoints::verdict::Verdict;
use crate::processes::reaper::{Ended, reap, take_signals};
use crate::processes::tree;
use crate::shutdown::left_behind::LeftBehind;
use crate::shutdown::{Shutdown, TimeoutExtension};
use nix::poll::{PollFd, PollFlags};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use vassal_escape::printable;
use vassal_state::health::State;
use vassal_state::restart_record::{End, SEE_ABOVE};
use vassal_sys::SysError;
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;
use vassal_sys::mountinfo::Mount;
use vassal_systemd::exit;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::notify::DELIVERY_LIMIT;
use vassal_systemd::status;

/// How long systemd's answer to `WATCHDOG=trigger`, SIGKILL, may take after it has read that, before the watchdog ends by itself.
const TRIGGER_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks whether it has: nothing tells of that.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The code with which uWSGI ends when need-app is set and there is none.
const NO_APP: i32 = 22;

impl Vassal {
    /// A mountpoint is lost: processes that wait for its daemon are released, journal and systemd are told, and systemd kills the unit.
    /// The host's own filesystems are left as they are, as other processes of the host wait for them, too.
    pub(super) fn lost(&mut self, index: usize, verdict: Verdict) -> Result<u8, SysError> {
        let ready_for = self.ready_for();
        // Before it is released, and gives a wrong answer.
        self.freeze();
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
        let others = self.shutdown().others(is_lost.then_some(lost));
        if !others.is_empty() {
            self.reporter.status_is(cause);
            self.unrequested_shutdown().rescue(others);
        }
        // The verdict has told of the one that is lost.
        match self.table.own(&self.proc, Mount::may_hold_unsaved) {
            Ok(left) => self.note_unsaved(left.iter().filter(|mount| mount.device() != lost.device())),
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

    pub(super) fn ready_for(&self) -> Option<Duration> {
        match self.stage {
            Stage::Serving { since, .. } => Some(since.elapsed()),
            Stage::Starting => None,
        }
    }

    /// Whether an app that has a heartbeat has been without one for too long; one that stands still cannot send it.
    pub(super) fn has_missed_heartbeat(&self) -> bool {
        let due = self.app.heartbeat.due(self.handoff.heartbeat);
        due.is_some_and(|due| due <= Instant::now()) && self.freezer.until().is_none()
    }

    /// The app has got stuck: it is killed, what else there is ends in order, and systemd is told as by a watchdog of its own.
    pub(super) fn heartbeat_missed(&mut self) -> Result<u8, SysError> {
        let ready_for = self.ready_for();
        let message = status::NO_HEARTBEAT.with(&[
            ("command", &self.app.app.command),
            ("seconds", &self.handoff.heartbeat.as_secs()),
        ]);
        let _connections = self.shutdown().cut_apps_off();
        self.reporter.app_ended(&message, End::Reported, ready_for);
        self.record_is(State::Failed);
        self.unrequested_shutdown().finish();
        self.reporter.unsaved("");
        self.reporter.trigger(&message);
        self.wait_for_kill(None)?;
        Ok(exit::FAILED)
    }

    pub(super) fn app_ended(&mut self, how: Ended) -> u8 {
        if let (true, Stage::Serving { .. }, Ended::Exited(0)) = (self.handoff.is_on_demand, self.stage, how)
        {
            self.unrequested_shutdown().finish();
            return self.waits_for_connection();
        }
        let message = self.end_of_app(how);
        // What a signal ends has had no say, and a hint is better than any words.
        let reason = match how {
            Ended::Exited(_) if self.app.app.hint.is_empty() => End::App,
            Ended::Exited(_) | Ended::Killed(_) => End::Reported,
        };
        self.reporter.app_ended(&message, reason, self.ready_for());
        self.record_is(State::Failed);
        self.unrequested_shutdown().finish();
        // Whatever was not saved in order has been told.
        self.reporter.unsaved("");
        exit::FAILED
    }

    /// What is said of the app's end.
    fn end_of_app(&self, how: Ended) -> String {
        let command = &self.app.app.command;
        match (self.stage, how) {
            (Stage::Starting, Ended::Exited(NO_APP)) if self.app.uwsgi.is_some() => {
                let reason = match self.app.app.hint.as_str() {
                    "" => SEE_ABOVE,
                    hint => hint,
                };
                status::NO_APP.with(&[("command", command), ("code", &NO_APP), ("reason", &reason)])
            }
            (Stage::Starting, how) => {
                status::ENDED_EARLY.with(&[("command", command), ("end", &how), ("reason", &SEE_ABOVE)])
            }
            (Stage::Serving { .. }, how) => status::ENDED.with(&[("command", command), ("end", &how)]),
        }
    }

    pub(super) fn stop(&mut self) -> u8 {
        self.thaw();
        let status = status::STOPPING.with(&[("command", &self.app.app.command)]);
        self.record_is(State::Stopping);
        self.stop_apps_and_finish(Some(status));
        match self.stage {
            Stage::Starting => self.reporter.cut_short(),
            Stage::Serving { .. } => self.reporter.stopped(),
        }
        self.health.stopped();
        0
    }

    /// The app asks to be stopped, which is an end by the app, and no administrator's: it is counted and started again like any
    /// other, after a pause where there have been many.
    pub(super) fn app_wants_stop(&mut self) -> u8 {
        self.thaw();
        if self.handoff.is_on_demand {
            self.reporter.status_is(status::IDLE.0);
            self.stop_apps_and_finish(None);
            return self.waits_for_connection();
        }
        let ready_for = self.ready_for();
        let command = &self.app.app.command;
        self.reporter.stopping(command);
        let message = status::ASKED_TO_STOP.with(&[("command", command)]);
        self.reporter.app_ended(&message, End::Reported, ready_for);
        self.record_is(State::Failed);
        self.stop_apps_and_finish(None);
        self.reporter.unsaved("");
        exit::FAILED
    }

    /// Nobody has used the app for a while, and it has ended in order: the next connection starts it again.
    fn waits_for_connection(&mut self) -> u8 {
        self.reporter.stopped();
        self.health.stopped();
        exit::GOOD
    }

    /// `status` is what a stop says once it takes long; nothing where it was said.
    fn stop_apps_and_finish(&mut self, status: Option<String>) {
        // It has not served: nothing of it is missed. systemd ends who waits for an answer, or this process's end does.
        let _answers = self.end_successor();
        let (app, before) = (self.app.take(), self.overlap.take_retiring());
        let extension = match status {
            Some(status) => TimeoutExtension::of_stop(&self.reporter, status),
            None => TimeoutExtension::new(&self.reporter),
        };
        let shutdown = Shutdown {
            extension: Some(extension),
            ..self.shutdown()
        };
        shutdown.stop_apps(app, before);
        shutdown.finish();
    }

    /// Takes note of which of `mounts` would lose something if everything were killed now: the vassal's own.
    pub(super) fn note_unsaved<'a>(&self, mounts: impl Iterator<Item = &'a Mount>) {
        let paths: Vec<_> = mounts
            .filter(|mount| mount.may_hold_unsaved() && self.table.is_own(mount))
            .map(|mount| printable(&mount.mountpoint))
            .collect();
        self.reporter.unsaved(&paths.join("\n"));
    }

    /// What the report of a process's end says beyond a verdict: what is lost with a daemon whose mountpoint is not watched.
    pub(super) fn loss_of(&self, was_daemon: bool) -> String {
        let unsaved = self.reporter.known_unsaved();
        let is_checked = |path: &&str| self.mountpoints.iter().any(|each| each.shown_path() == **path);
        let places: Vec<_> = unsaved.lines().filter(|path| !is_checked(path)).collect();
        if !was_daemon || places.is_empty() {
            return String::new();
        }
        let places = places.join("' or '");
        format!("; if it served '{places}', what was written there and not saved is lost")
    }

    /// The same where systemd has not asked for it, and measures meanwhile what it measures of a vassal that starts or serves.
    fn unrequested_shutdown(&self) -> Shutdown<'_> {
        let reporter = &self.reporter;
        Shutdown {
            extension: match self.stage {
                Stage::Starting => Some(TimeoutExtension::new(reporter)),
                Stage::Serving { .. } => TimeoutExtension::of_serving(reporter, self.handoff.keep_alive),
            },
            ..self.shutdown()
        }
    }

    pub(super) fn shutdown(&self) -> Shutdown<'_> {
        Shutdown {
            handoff: &self.handoff,
            proc: &self.proc,
            table: &self.table,
            signals: &self.signals,
            fusectl: self.fusectl.as_ref(),
            atexit: self.atexit.as_ref().map(|(program, record)| (program, record)),
            daemons: RefCell::new(self.freezer.daemons().to_vec()),
            unsaved: self.reporter.known_unsaved(),
            extension: None,
            reporter: &self.reporter,
            apps: self.apps(),
            sockets: &self.sockets,
        }
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
