//! Keeps the vassal's health record up to date. It is written when something in it has changed, and with every
//! keep-alive, so that a reader can see that it is maintained. This causes no additional wakeup.

use crate::app::running::Running;
use crate::limits;
use crate::liveness::check::Check as AppCheck;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::mountpoints::verdict::Verdict;
use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::fstatat;
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::time::{Instant, SystemTime};
use vassal_escape::printable;
use vassal_state::handoff::Handoff;
use vassal_state::health::{Check, Health, Mount, Place, Processes, Program, State};
use vassal_state::limit_hits::LimitHits;
use vassal_state::restart_record::RestartRecord;
use vassal_sys::proc::Proc;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::verdicts;

/// The facts for a record.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The vassal's state.
    pub state: State,
    /// The app, which a reload may have replaced.
    pub app: &'a Running,
    /// Its mountpoints.
    pub mountpoints: &'a [Mountpoint],
    /// The known FUSE daemons.
    pub daemons: &'a [Pid],
    /// When the last completed reload was requested.
    pub reloaded: Option<SystemTime>,
    /// The host's proc, beside which its control groups are.
    pub host_proc: &'a Proc,
}

/// The writer of the record.
#[derive(Debug)]
pub struct Recorder {
    place: Option<Place>,
    record: Health,
    /// When each mountpoint had last answered at the time of the last write; `None` before the first write.
    written: Option<Vec<Option<Instant>>>,
    is_due: bool,
}

impl Recorder {
    /// The writer of the record of the vassal of `handoff` in `directory`, if there is one.
    pub fn new(
        handoff: &Handoff,
        directory: Option<OwnedFd>,
        host_proc: &Proc,
        sockets: Vec<String>,
    ) -> Self {
        let instance = handoff.unit.strip_prefix("vassal@").unwrap_or(&handoff.unit);
        let instance = instance.strip_suffix(".service").unwrap_or(instance);
        let record = Health {
            loaded: Some(handoff.loaded),
            pid: readlinkat(host_proc, "self")
                .ok()
                .and_then(|number| number.to_str()?.parse().ok()),
            cgroup: cgroup(host_proc),
            program: program(host_proc),
            sockets,
            ..Health::new(handoff.vassal.clone(), handoff.unit.clone(), State::Starting)
        };
        Self {
            place: directory.map(|directory| Place::inherited(directory, instance)),
            record,
            written: None,
            is_due: false,
        }
    }

    /// A keep-alive is sent: the record is due to be written, too.
    pub fn is_kept_alive(&mut self) {
        self.is_due = true;
    }

    /// Writes the record if it has changed or is due. Gives the hits of limits, if there are new ones.
    pub fn follow(&mut self, now: Now<'_>, restarts: impl FnOnce() -> RestartRecord) -> Option<LimitHits> {
        let answered = now.mountpoints.iter().map(Mountpoint::answered_at);
        let is_as_written = |written: &Vec<Option<Instant>>| answered.eq(written.iter().copied());
        let is_same = self.record.state == now.state
            && self.record.processes.app == Some(now.app.app.pid)
            && self.record.check.as_ref().map(|check| check.failures) == now.app.check.as_ref().map(failures)
            && self.written.as_ref().is_some_and(is_as_written);
        if is_same && !self.is_due {
            return None;
        }
        self.is_due = false;
        self.write(now, &restarts(), |_, _| {})
    }

    /// Writes that the mountpoint `index` is lost. Gives the hits of limits, if there are new ones.
    pub fn lost(
        &mut self,
        now: Now<'_>,
        restarts: &RestartRecord,
        index: usize,
        verdict: Verdict,
    ) -> Option<LimitHits> {
        self.write(now, restarts, |number, mount| {
            if number == index {
                mount.verdict = verdict.row().word;
            }
        })
    }

    /// Removes the record, because the vassal has been stopped.
    pub fn stopped(&self) {
        if let Some(Err(error)) = self.place.as_ref().map(Place::remove) {
            log(Priority::Warning, &format!("{error}, ignoring"));
        }
    }

    fn write(
        &mut self,
        now: Now<'_>,
        restarts: &RestartRecord,
        change: impl Fn(usize, &mut Mount),
    ) -> Option<LimitHits> {
        let place = self.place.as_ref()?;
        let Now {
            state,
            app,
            mountpoints,
            daemons,
            reloaded,
            host_proc,
        } = now;
        let time = SystemTime::now();
        let record = &mut self.record;
        let goes_on = |state| matches!(state, State::Serving | State::Reloading);
        if record.state != state && !(goes_on(record.state) && goes_on(state)) {
            record.since = time;
        }
        record.state = state;
        record.restarts = restarts.restarts;
        record.attempts = restarts.attempts;
        record.cause.clone_from(&restarts.cause);
        record.limits.clone_from(&restarts.limits);
        let is_news = record
            .cgroup
            .as_deref()
            .is_some_and(|path| limits::count(&mut record.limits, host_proc, path, time));
        record.loaded = reloaded.or(record.loaded);
        record.processes = Processes {
            command: app.app.command.clone(),
            app: Some(app.app.pid),
            daemons: daemons.iter().map(|pid| pid.as_raw()).collect(),
        };
        record.check = app.check.as_ref().map(|each| check(each, time));
        record.mounts = mountpoints.iter().map(|each| mount(each, time)).collect();
        for (index, mount) in record.mounts.iter_mut().enumerate() {
            change(index, mount);
        }
        self.written = Some(mountpoints.iter().map(Mountpoint::answered_at).collect());
        if let Some(error) = place.put(&record.json(time)) {
            let message = format!("{error}, ignoring: until it can be, the record is out of date");
            log(Priority::Warning, &message);
        }
        is_news.then(|| record.limits.clone())
    }
}

fn failures(check: &AppCheck) -> u32 {
    check.failed().0
}

fn check(check: &AppCheck, time: SystemTime) -> Check {
    let rule = check.rule();
    let verdict = match (failures(check), check.answered()) {
        (failed, _) if failed >= rule.failures => verdicts::SICK.word,
        (1.., _) => "failing",
        (0, Some(_)) => "healthy",
        (0, None) => "unasked",
    };
    Check {
        verdict,
        failures: failures(check),
        answered: check.answered().map(|(when, took)| (time - when.elapsed(), took)),
        deadline: rule.deadline,
    }
}

fn mount(mountpoint: &Mountpoint, time: SystemTime) -> Mount {
    let answered = mountpoint.answered();
    Mount {
        path: mountpoint.shown_path(),
        fstype: mountpoint.shown_type(),
        verdict: answered.map_or("unprobed", |_| "healthy"),
        answered: answered.map(|(when, took)| (time - when.elapsed(), took)),
        deadline: mountpoint.schedule.timeout,
    }
}

/// The cgroup of this process, which is the unit's (cgroups(7)).
fn cgroup(host_proc: &Proc) -> Option<String> {
    let text = host_proc.text("self/cgroup")?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(printable(path.as_bytes()))
}

/// The program that this process runs.
fn program(host_proc: &Proc) -> Option<Program> {
    let file = fstatat(host_proc, "self/exe", AtFlags::empty()).ok()?;
    Some(Program {
        version: env!("CARGO_PKG_VERSION"),
        device: file.st_dev,
        inode: file.st_ino,
    })
}
