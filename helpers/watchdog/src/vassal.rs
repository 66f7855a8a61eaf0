//! The life of a vassal from its app's start to its end: one loop, which waits for descriptors and for nothing else.

mod end;
mod freeze;
mod wait;

use crate::deafen::{Listener, order_when_deaf};
use crate::emperor_protocol::{Message, Order, Uwsgi};
use crate::evidence::Finding;
use crate::judge::{Silence, Verdict, judge_mounts};
use crate::mountpoint::{Answer, Mountpoint};
use crate::obituary::Obituaries;
use crate::payload_notify::PayloadNotify;
use crate::probe::{Probe, Question};
use crate::reaper::{Child, Ended, drain};
use crate::reload::Reloads;
use crate::report::{Reporter, history};
use crate::rhythm::{Rhythm, have_daemons, shows_by_itself};
use crate::slept;
use crate::unanswered::{DOUBTFUL, Scene, Unanswered};
use freeze::Freezer;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, chdir, read};
use std::fs::File;
use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, Instant};
use vassal_sys::error::Step;
use vassal_sys::handoff::{Handoff, Readiness};
use vassal_sys::journal::{Journal, Priority, line, pass_on};
use vassal_sys::memo::{SETTLED, Store};
use vassal_sys::{SysError, fds, mountinfo, mounts, signals};
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
    mountinfo: File,
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
    obituaries: Obituaries,
    /// When the last wait was over.
    awake: Instant,
    /// The app has said that it serves.
    accepting: bool,
    /// A process that tries to connect to the app, or when the next one is due.
    connecting: Result<Probe, Instant>,
    stage: Stage,
    keep_alive_due: Instant,
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
        let rhythm = Rhythm::new(handoff.interval, handoff.deadline);
        let now = Instant::now();
        let fusectl = taken(numbers.fusectl)?;
        let unanswered = Unanswered::new(handoff.deadline, handoff.watched.len(), slept::is_told(&proc));
        let mut vassal = Self {
            reporter,
            ears: Ears::new()?,
            signals,
            mountinfo,
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
            mountpoints: handoff
                .watched
                .iter()
                .map(|watched| Mountpoint::new(watched.clone(), rhythm))
                .collect(),
            unanswered,
            freezer: Freezer::default(),
            obituaries: Obituaries::default(),
            awake: Instant::now(),
            accepting: handoff.readiness == Readiness::Started,
            connecting: Err(now),
            stage: Stage::Starting,
            keep_alive_due: now + handoff.keep_alive,
            handoff,
        };
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
        if let Some(code) = self.children()?.or(self.look_at_mounts()?) {
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
        Ok(None)
    }

    /// The vassal serves, and its daemons are as they will stay: unless the file says how often, those of which they tell
    /// are asked seldom.
    fn settle_rhythm(&mut self) -> Result<(), SysError> {
        if !self.handoff.interval.is_zero() {
            return Ok(());
        }
        let all = mountinfo::read(&self.mountinfo).step(|| "read mountinfo")?;
        let daemons = self.freezer.daemons().len();
        let are_children = self.fusectl.is_some() && have_daemons(daemons, &self.handoff, &all);
        for Mountpoint { watched, rhythm, .. } in &mut self.mountpoints {
            let is_foreign = self.handoff.foreign.contains(&watched.mount.device());
            if shows_by_itself(&watched.mount, is_foreign, are_children) {
                *rhythm = rhythm.seldom();
            }
        }
        Ok(())
    }

    fn look_at_requests(&mut self) -> Result<(), SysError> {
        let (Some(fusectl), true) = (&self.fusectl, self.watches_requests()) else {
            return Ok(());
        };
        let scene = Scene {
            fusectl,
            proc: &self.proc,
            is_init: self.handoff.is_init,
            mountpoints: &self.mountpoints,
        };
        if let Some(since) = self.unanswered.tick(scene, self.awake)? {
            let mountpoints = self.mountpoints.iter_mut();
            mountpoints.for_each(|mountpoint| mountpoint.ask_if_silent_since(since));
        }
        Ok(())
    }

    fn watches_requests(&self) -> bool {
        self.fusectl.is_some() && self.watches_fuse()
    }

    fn watches_fuse(&self) -> bool {
        self.mountpoints.iter().any(|each| each.watched.mount.is_fuse())
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
                // The status line says that it reloads.
                self.keep_alive_due = self.awake;
            }
            return None;
        }
        if self.unanswered.is_proof(pid) {
            let finding = self.unanswered.take_proof(how.code(), self.awake);
            return self.judge_finding(finding).map(Meaning::Lost);
        }
        match self.whose(pid, how) {
            Some((index, Answer::Bad(verdict))) => return Some(Meaning::Lost((index, verdict))),
            Some((_, Answer::Good | Answer::NotMine)) => {}
            None => strangers.push(child),
        }
        None
    }

    /// Asks the mountpoints whose time has come; one that has been silent for too long.
    fn ask(&mut self) -> Result<Option<Loss>, SysError> {
        for (index, mountpoint) in self.mountpoints.iter_mut().enumerate() {
            if let Some(verdict) = mountpoint.tick(&self.proc, self.awake)? {
                return Ok(Some((index, verdict)));
            }
        }
        Ok(None)
    }

    /// A thread has waited for the deadline. The filesystem it waits for hangs; and when nothing names that, one does
    /// that is just being asked and does not answer either.
    fn judge_finding(&self, finding: Finding) -> Option<Loss> {
        let is_silent = |mountpoint: &Mountpoint| mountpoint.is_silent_for(DOUBTFUL, &self.proc);
        match finding {
            Finding::Nothing => None,
            Finding::Mountpoint(index) => {
                let silence = match is_silent(&self.mountpoints[index]) {
                    true => Silence::Probe,
                    false => Silence::Request(self.handoff.deadline),
                };
                Some((index, Verdict::Hung(silence)))
            }
            Finding::Unnamed => {
                let index = self.mountpoints.iter().position(is_silent)?;
                Some((index, Verdict::Hung(Silence::Probe)))
            }
        }
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

    fn look_at_mounts(&mut self) -> Result<Option<u8>, SysError> {
        let now = mountinfo::read(&self.mountinfo).step(|| "read mountinfo")?;
        self.note_unsaved(now.iter());
        let judge = |mountpoint: &Mountpoint| judge_mounts(&mountpoint.watched.mount, &now);
        let found = self
            .mountpoints
            .iter()
            .enumerate()
            .find_map(|(index, each)| Some((index, judge(each)?)));
        found
            .map(|(index, verdict)| self.lost(index, verdict))
            .transpose()
    }

    /// Hears uWSGI; whether it wants to be stopped.
    fn hear_uwsgi(&mut self) -> bool {
        let Some(uwsgi) = &mut self.uwsgi else {
            return false;
        };
        let mut wants_stop = false;
        for message in uwsgi.messages() {
            match message {
                Message::Accepting => {
                    self.accepting = true;
                    if self.reloads.as_mut().is_some_and(Reloads::finish) {
                        self.reporter.keep_alive(&self.mountpoints);
                    }
                }
                Message::WantsConfiguration => {
                    // An app that cannot be given it says so itself, and nothing of an app's ends its watchdog.
                    if let Err(error) = uwsgi.push_again() {
                        line(Priority::Warning, &error.to_string());
                    }
                }
                Message::WantsStop => wants_stop = true,
                Message::Other => {}
            }
        }
        if uwsgi.socket().is_none() {
            self.listen_anew();
        }
        wants_stop
    }

    /// Passes a reload on to an app that serves.
    fn reload(&mut self) {
        let Some(reloads) = self.reloads.as_mut().filter(|reloads| reloads.is_wanted()) else {
            return;
        };
        let serves = matches!(self.stage, Stage::Serving { .. });
        let signal = Signal::try_from(self.handoff.reload_signal).ok();
        let payload = Pid::from_raw(self.handoff.payload);
        let listener = Listener {
            app: payload,
            sockets: &reloads.sockets(),
            proc: &self.proc,
        };
        match (&self.uwsgi, signal) {
            (Some(uwsgi), _) if serves => {
                let order = |emperor| order_when_deaf(&listener, emperor, Order::Reload).ok();
                match uwsgi.socket().and_then(order) {
                    Some(messenger) => {
                        reloads.begin(Some(messenger));
                        self.reporter
                            .status_is("reloading; waiting for uwsgi to accept requests again");
                    }
                    None => reloads.refuse(),
                }
            }
            (None, Some(signal)) if serves && kill(payload, signal).is_ok() => {
                reloads.begin(None);
                reloads.finish();
            }
            _ => reloads.refuse(),
        }
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
