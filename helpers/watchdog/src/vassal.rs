//! The life of a vassal from its app's start to its end: one loop, which waits for descriptors and for nothing else.

mod ask;
mod end;
mod freeze;
mod turnover;
mod wait;

use crate::app::farewell::Farewell;
use crate::app::notify::PayloadNotify;
use crate::app::reload::Reloads;
use crate::app::uwsgi::{Message, Uwsgi};
use crate::deaths::Obituaries;
use crate::hang::asleep_since;
use crate::hang::monitor::Unanswered;
use crate::mountpoints::mountpoint::{Answer, Mountpoint};
use crate::mountpoints::probe::{Probe, Question};
use crate::mountpoints::schedule::{Rhythm, deadline};
use crate::mountpoints::settle::Gather;
use crate::mountpoints::table::Table;
use crate::mountpoints::verdict::Verdict;
use crate::processes::reaper::{Child, Ended, drain};
use crate::report::{Reporter, history};
use freeze::Freezer;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, chdir, read};
use std::fs::File;
use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, Instant};
use vassal_state::handoff::{Handoff, Readiness, Watched};
use vassal_state::restart_record::{SETTLED, Store};
use vassal_sys::error::Step;
use vassal_sys::{SysError, byte_locks, fds, mounts, signals};
use vassal_systemd::journal::{Journal, Priority, line, pass_on};
use vassal_systemd::lines;
use wait::Ears;

/// The time between two tries to connect to an app that has not said otherwise that it serves.
const CONNECT_AGAIN: Duration = Duration::from_millis(20);
const LOG_CHUNK: usize = 4096;

/// How far the vassal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The app has not yet said that it serves, or a mountpoint has not yet answered.
    Starting,
    /// systemd knows that it serves, since then.
    Serving { since: Instant, settled: bool },
}

/// The number of a mountpoint, and what has become of it.
type Loss = (usize, Verdict);

/// What the end of a child means.
#[derive(Debug)]
enum Meaning {
    /// It was the app.
    AppEnded(Ended),
    /// It has shown that a mountpoint is lost.
    Lost(Loss),
}

/// A vassal and everything that belongs to it.
#[derive(Debug)]
pub struct Vassal {
    handoff: Handoff,
    reporter: Reporter,
    ears: Ears,
    signals: SignalFd,
    /// Tells that the table has changed.
    mountinfo: File,
    table: Table,
    /// The host's proc.
    host_proc: OwnedFd,
    gather: Gather,
    /// Until when its changes are not heard.
    deaf_until: Option<Instant>,
    proc: OwnedFd,
    fusectl: Option<OwnedFd>,
    log: Option<OwnedFd>,
    atexit: Option<(OwnedFd, OwnedFd)>,
    uwsgi: Option<Uwsgi>,
    payload_notify: Option<PayloadNotify>,
    reloads: Option<Reloads>,
    mountpoints: Vec<Mountpoint>,
    unanswered: Unanswered,
    freezer: Freezer,
    turnover: Option<Farewell>,
    obituaries: Obituaries,
    /// When the last wait was over.
    awake: Instant,
    /// The app has said that it serves.
    accepting: bool,
    /// A process that tries to connect to the app, or when the next one is due.
    connecting: Result<Probe, Instant>,
    stage: Stage,
    keep_alive_due: Instant,
    /// The place among the starts of this moment (vassal-enter, start/queue.rs).
    place: Option<File>,
}

fn mountpoint(watched: &Watched, handoff: &Handoff, table: &Table) -> Mountpoint {
    let deadline = deadline(&watched.mount.fstype, handoff.deadline);
    let rhythm = Rhythm::new(handoff.interval, deadline);
    Mountpoint::new(watched.clone(), rhythm, table.is_own(&watched.mount))
}

impl Vassal {
    /// Takes the vassal over from `vassal-enter`.
    ///
    /// # Errors
    /// A descriptor that is not there; a proc that does not answer.
    pub fn take_over(handoff: Handoff) -> Result<Self, SysError> {
        let signals = signals::take(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP])?;
        // An exec by descriptor leaves a number for a name on kernels before 6.14.
        prctl::set_name(c"vassal-watchdog").step(|| "set the process name")?;
        // Not on a filesystem that can hang (ARCHITECTURE D7), as far as there is a choice.
        chdir("/").step(|| "change to '/'")?;
        let taken = |fd: Option<RawFd>| fd.map(fds::adopt).transpose();
        let numbers = &handoff.fds;
        let proc = fds::adopt(numbers.proc.unwrap_or(-1))?;
        let mountinfo = mounts::open_below(&proc, "self/mountinfo")?;
        let host = fds::adopt(numbers.host_mounts.unwrap_or(-1))?;
        let table = Table::new(&handoff, File::from(host));
        // Whose the watched filesystems are decides how they are asked.
        table.look(&proc, |_| false)?;
        let memo = taken(numbers.memo)?.map(Store::inherited);
        let reporter = Reporter {
            vassal: handoff.vassal.clone(),
            unit: handoff.unit.clone(),
            notifier: handoff.unsent.notifier(taken(numbers.notify)?)?,
            journal: Journal::inherited(
                taken(numbers.journal)?,
                "vassal-watchdog",
                handoff.unsent.events.clone(),
            ),
            history: history(memo.as_ref()),
            memo,
        };
        let uwsgi = match (
            taken(numbers.emperor)?,
            taken(numbers.config)?,
            taken(numbers.pushed)?,
        ) {
            (Some(emperor), Some(config), Some(pushed)) => Some(Uwsgi::new(emperor, config, pushed)),
            _ => None,
        };
        let mountpoints: Vec<_> = handoff
            .watched
            .iter()
            .map(|each| mountpoint(each, &handoff, &table))
            .collect();
        let deadlines = mountpoints.iter().map(|mountpoint| mountpoint.rhythm.deadline);
        let shortest = deadlines.min().unwrap_or_else(|| deadline(b"", handoff.deadline));
        let now = Instant::now();
        let fusectl = taken(numbers.fusectl)?;
        let unanswered = Unanswered::new(shortest, mountpoints.len(), asleep_since::is_told(&proc));
        let mut vassal = Self {
            reporter,
            ears: Ears::new()?,
            signals,
            mountinfo,
            mountpoints,
            table,
            host_proc: fds::adopt(numbers.host_proc.unwrap_or(-1))?,
            gather: Gather::default(),
            deaf_until: None,
            proc,
            fusectl,
            log: taken(numbers.log)?,
            atexit: taken(numbers.enter)?.zip(taken(numbers.atexit)?),
            uwsgi,
            payload_notify: taken(numbers.payload_notify)?.map(PayloadNotify::new),
            reloads: match (
                taken(numbers.control)?,
                taken(numbers.request)?,
                taken(numbers.answer)?,
            ) {
                (Some(record), Some(request), Some(answer)) => Some(Reloads::new(record, request, answer)),
                _ => None,
            },
            unanswered,
            freezer: Freezer::default(),
            turnover: None,
            obituaries: Obituaries::default(),
            awake: Instant::now(),
            accepting: handoff.readiness == Readiness::Started,
            connecting: Err(now),
            stage: Stage::Starting,
            keep_alive_due: now + handoff.keep_alive,
            place: taken(numbers.place)?.map(File::from),
            handoff,
        };
        if let Some(socket) = vassal.reporter.journal.socket() {
            lines::use_when_shut_down(socket, vassal.handoff.vassal.clone())?;
        }
        pass_on(&vassal.handoff.unsent.lines);
        vassal.listen()?;
        Ok(vassal)
    }

    /// Watches until the end; the exit code.
    ///
    /// # Errors
    /// A kernel that does not let us wait.
    pub fn watch(mut self) -> Result<u8, SysError> {
        let code = self.live();
        self.obituaries.finish();
        self.reporter.deliver();
        code
    }

    fn live(&mut self) -> Result<u8, SysError> {
        if !self.accepting {
            self.reporter.status_is(&format!(
                "starting; waiting for {} to accept requests",
                self.handoff.command
            ));
        }
        // What has happened since vassal-enter looked.
        if let Some(code) = self.children()? {
            return Ok(code);
        }
        if let Some(code) = self.look_at_mounts()? {
            return Ok(code);
        }
        loop {
            if let Some(code) = self.tick()? {
                return Ok(code);
            }
            let events = self.wait()?;
            if events.log {
                self.relay_log();
            }
            if events.signals {
                if drain(&self.signals)
                    .iter()
                    .any(|signal| matches!(signal, Signal::SIGTERM | Signal::SIGINT))
                {
                    return Ok(self.stop());
                }
                if let Some(code) = self.children()? {
                    return Ok(code);
                }
            }
            if events.mounts {
                if let Some(code) = self.look_at_mounts()? {
                    return Ok(code);
                }
                self.gather_changes()?;
            }
            if events.uwsgi && self.hear_uwsgi() {
                return Ok(self.app_wants_stop());
            }
            if events.reload {
                self.reload();
            }
            let notify = self.payload_notify.as_mut();
            self.accepting |= notify.is_some_and(PayloadNotify::says_ready);
        }
    }

    /// What is due by the clock, and what follows from what was heard.
    fn tick(&mut self) -> Result<Option<u8>, SysError> {
        if let Some((index, verdict)) = self.ask()? {
            return self.lost(index, verdict).map(Some);
        }
        self.thaw_in_time();
        if self.follow_reload() {
            return Ok(Some(self.app_wants_stop()));
        }
        self.hear_changes_in_time();
        self.look_at_requests()?;
        let now = Instant::now();
        self.obituaries.sum_up(now);
        if let (Stage::Starting, Readiness::Connect(address), Err(due)) =
            (self.stage, &self.handoff.readiness, &self.connecting)
        {
            if !self.accepting && now >= *due {
                let probe = Probe::send(Question::Accepts(address))?;
                self.connecting = probe.ok_or(now + CONNECT_AGAIN);
            }
        }
        match self.stage {
            Stage::Starting if self.accepting && self.mountpoints.iter().all(Mountpoint::has_answered) => {
                self.reporter.ready(&self.mountpoints);
                self.know_daemons();
                self.settle_rhythm()?;
                self.stage = Stage::Serving {
                    since: now,
                    settled: false,
                };
                self.keep_alive_due = now + self.handoff.keep_alive;
            }
            Stage::Serving {
                since,
                settled: false,
            } if now >= since + SETTLED => {
                self.reporter.settled();
                self.stage = Stage::Serving { since, settled: true };
            }
            Stage::Starting | Stage::Serving { .. } => {}
        }
        if self.is_keep_alive_due(now) {
            // One that systemd has not read yet counts from when it does.
            if self.reporter.notifier.is_read() {
                self.reporter.keep_alive(&self.mountpoints);
            }
            self.keep_alive_due = now + self.handoff.keep_alive;
        }
        self.leave_place();
        Ok(None)
    }

    /// Another vassal may start now that this one serves; not before systemd's queue has what it says about that, or the starts
    /// would fill it.
    fn leave_place(&mut self) {
        let serves = matches!(self.stage, Stage::Serving { .. });
        if let Some(place) = self.place.take_if(|_| serves && self.reporter.notifier.is_sent()) {
            // The app's process may still have the file, too.
            if let Err(error) = byte_locks::unlock_all(&place) {
                line(Priority::Warning, &error.to_string());
            }
        }
    }

    fn keeps_alive(&self) -> bool {
        !self.handoff.keep_alive.is_zero() && matches!(self.stage, Stage::Serving { .. })
    }

    /// Reaps, and finds out what each end means; a child of nobody's, or one that did not even end, may have been a
    /// FUSE daemon: every mountpoint is asked at once, and only then anything is said.
    fn children(&mut self) -> Result<Option<u8>, SysError> {
        let (ended, daemons) = self.reap();
        let has_ended = !ended.is_empty();
        let mut strangers = Vec::new();
        let mut meaning = ended
            .into_iter()
            .find_map(|child| self.meaning(child, &mut strangers));
        if meaning.is_none() && (!has_ended || !strangers.is_empty()) {
            self.mountpoints.iter_mut().for_each(Mountpoint::ask_now);
            meaning = self.ask()?.map(Meaning::Lost);
        }
        for Child { pid, how, name } in strangers {
            // Perhaps a FUSE daemon that no mountpoint-check names.
            if let Some(name) = name {
                let loss = self.loss_of(daemons.contains(&pid));
                let what = format!("{name} (process {pid}) {how}{loss}");
                match loss.is_empty() {
                    true => self.obituaries.tell(what, self.awake),
                    false => line(Priority::Warning, &what),
                }
            }
        }
        match meaning {
            None => Ok(None),
            Some(Meaning::AppEnded(how)) => Ok(Some(self.app_ended(how))),
            Some(Meaning::Lost((index, verdict))) => self.lost(index, verdict).map(Some),
        }
    }

    /// What it means for the vassal that `child` has ended, if anything; one that nobody knows goes to `strangers`.
    fn meaning(&mut self, child: Child, strangers: &mut Vec<Child>) -> Option<Meaning> {
        let Child { pid, how, .. } = child;
        if pid.as_raw() == self.handoff.payload {
            return Some(Meaning::AppEnded(how));
        }
        if self.connecting.as_ref().is_ok_and(|probe| probe.pid == pid) {
            self.accepting |= how.code() == Some(0);
            self.connecting = Err(Instant::now() + CONNECT_AGAIN);
            return None;
        }
        if self
            .reloads
            .as_mut()
            .is_some_and(|reloads| reloads.take_messenger(pid, how.code()))
        {
            if how.code() != Some(0) {
                self.turnover = None;
                // The status line says that it reloads.
                self.keep_alive_due = self.awake;
            }
            return None;
        }
        if self.unanswered.is_proof(pid) {
            let finding = self.unanswered.take_proof(how.code(), self.awake);
            let operation = self.unanswered.operation();
            let loss = self.judge_finding(finding);
            if let Some((index, _)) = loss {
                self.mountpoints[index].operation = operation;
            }
            return loss.map(Meaning::Lost);
        }
        let mut mountpoints = self.mountpoints.iter_mut();
        if mountpoints.any(|mountpoint| mountpoint.take_witness(pid, how.code(), self.awake)) {
            return None;
        }
        match self.whose(pid, how) {
            Some((index, Answer::Bad(verdict))) => return Some(Meaning::Lost((index, verdict))),
            Some((index, Answer::Elsewhere(sent, verdict))) => {
                return self.judge_elsewhere(index, sent, verdict).map(Meaning::Lost);
            }
            Some((_, Answer::Good | Answer::NotMine)) => {}
            None => strangers.push(child),
        }
        None
    }

    fn whose(&mut self, pid: Pid, how: Ended) -> Option<(usize, Answer)> {
        self.mountpoints
            .iter_mut()
            .enumerate()
            .find_map(
                |(index, mountpoint)| match mountpoint.take_answer(pid, how.code()) {
                    Answer::NotMine => None,
                    answer => Some((index, answer)),
                },
            )
    }

    /// Hears uWSGI; whether it wants to be stopped.
    fn hear_uwsgi(&mut self) -> bool {
        let Some(uwsgi) = &mut self.uwsgi else {
            return false;
        };
        let has_workers = self.handoff.readiness == Readiness::Accepting;
        let (mut wants_stop, mut is_loaded) = (false, false);
        for message in uwsgi.messages() {
            match message {
                Message::Accepting => {
                    self.turnover = None;
                    is_loaded = true;
                }
                Message::Loaded => is_loaded |= !has_workers,
                Message::WantsConfiguration => {
                    self.turnover = None;
                    // An app that cannot be given it says so itself, and nothing of an app's ends its watchdog.
                    if let Err(error) = uwsgi.push_again() {
                        line(Priority::Warning, &error.to_string());
                    }
                    // The last that is heard of the reload of a uWSGI without workers.
                    is_loaded |= !has_workers;
                }
                Message::WantsStop => wants_stop = true,
                Message::Other => {}
            }
        }
        if is_loaded {
            self.accepting |= matches!(self.handoff.readiness, Readiness::Loaded | Readiness::Accepting);
            if self.reloads.as_mut().is_some_and(Reloads::finish) {
                self.reporter.keep_alive(&self.mountpoints);
            }
        }
        if uwsgi.socket().is_none() {
            self.listen_anew();
        }
        wants_stop
    }

    /// Passes on what a background process of a hook says.
    fn relay_log(&mut self) {
        let mut chunk = [0; LOG_CHUNK];
        match self.log.as_ref().map(|log| read(log, &mut chunk)) {
            Some(Ok(length @ 1..)) => pass_on(&chunk[..length]),
            Some(Err(Errno::EAGAIN | Errno::EINTR)) => {}
            Some(Ok(0) | Err(_)) | None => {
                self.log = None;
                self.listen_anew();
            }
        }
    }
}
