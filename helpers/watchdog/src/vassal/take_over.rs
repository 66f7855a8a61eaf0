//! A vassal is taken over from `vassal-enter`.

use super::freezer::Freezer;
use super::poller::Poller;
use super::state::{Stage, Vassal};
use crate::app::notify::PayloadNotify;
use crate::app::reload::Reloads;
use crate::app::uwsgi::Uwsgi;
use crate::hang::asleep_since;
use crate::hang::monitor::Monitor;
use crate::health::Recorder;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::mountpoints::schedule::{Schedule, deadline};
use crate::mountpoints::table::Table;
use crate::mountpoints::throttle::Throttle;
use crate::processes::probe::Attempt;
use crate::processes::unknown_exits::UnknownExits;
use crate::report::{Reporter, history};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::chdir;
use std::fs::File;
use std::time::{Duration, Instant};
use vassal_state::descriptors::{Descriptors, Name};
use vassal_state::handoff::{Handoff, Readiness, Watched};
use vassal_state::restart_record::Store;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, signals};
use vassal_systemd::journal::{Journal, relay};

impl Vassal {
    /// Takes the vassal over from `vassal-enter`.
    ///
    /// # Errors
    /// A descriptor that is not there; a proc that does not answer.
    pub fn take_over(mut handoff: Handoff) -> Result<Self, SysError> {
        let signals = prepare_process()?;
        let proc = Proc::from(handoff.fds.need(Name::Proc)?);
        let mountinfo = proc.mountinfo()?;
        let host_mounts = File::from(handoff.fds.need(Name::HostMounts)?);
        let table = Table::new(&handoff, host_mounts);
        // Whose the watched filesystems are decides how they are asked.
        table.look(&proc, |_| false)?;
        let reporter = reporter(&mut handoff)?;
        let mountpoints: Vec<_> = handoff
            .watched
            .iter()
            .map(|each| mountpoint(each, &handoff, &table))
            .collect();
        let fds = &mut handoff.fds;
        let now = Instant::now();
        let host_proc = Proc::from(fds.need(Name::HostProc)?);
        let health = fds.take(Name::Health)?;
        let reloads = reloads(fds)?;
        let addresses = reloads.as_ref().map(Reloads::addresses).unwrap_or_default();
        let fusectl = fds.take(Name::Fusectl)?;
        let log = fds.take(Name::Log)?;
        let atexit = fds.take(Name::Enter)?.zip(fds.take(Name::Atexit)?);
        let uwsgi = uwsgi(fds)?;
        let payload_notify = fds.take(Name::PayloadNotify)?.map(PayloadNotify::new);
        let mut vassal = Self {
            health: Recorder::new(&handoff, health, &host_proc, addresses),
            reporter,
            poller: Poller::new()?,
            signals,
            mountinfo,
            monitor: monitor(&mountpoints, handoff.deadline, &proc),
            mountpoints,
            table,
            host_proc,
            throttle: Throttle::default(),
            mounts_paused_until: None,
            proc,
            fusectl,
            log,
            atexit,
            uwsgi,
            payload_notify,
            reloads,
            freezer: Freezer::default(),
            turnover: None,
            unknown_exits: UnknownExits::default(),
            awake: now,
            accepting: handoff.readiness == Readiness::Started,
            connecting: Attempt::Due(now),
            stage: Stage::Starting,
            keep_alive_due: now + handoff.keep_alive,
            handoff,
        };
        relay(&vassal.handoff.unsent.lines);
        vassal.listen()?;
        Ok(vassal)
    }
}

/// The signals that are waited for from here on, of a process that has a name and stands on no filesystem that can hang.
fn prepare_process() -> Result<SignalFd, SysError> {
    let signals = signals::take(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP])?;
    // An exec by descriptor leaves a number for a name on kernels before 6.14.
    prctl::set_name(c"vassal-watchdog").context(|| "set the process name")?;
    // As far as there is a choice (ARCHITECTURE D7).
    chdir("/").context(|| "change to '/'")?;
    Ok(signals)
}

/// The connections to systemd and journald, with what vassal-enter could not send, and the restart record.
fn reporter(handoff: &mut Handoff) -> Result<Reporter, SysError> {
    let Handoff { fds, unsent, .. } = handoff;
    let record = fds.take(Name::RestartRecord)?.map(Store::inherited);
    let journal = fds.take(Name::Journal)?;
    Ok(Reporter {
        vassal: handoff.vassal.clone(),
        unit: handoff.unit.clone(),
        notifier: unsent.notifier(fds.take(Name::Notify)?)?,
        journal: Journal::inherited(journal, "vassal-watchdog", unsent.events.clone()),
        history: history(record.as_ref()),
        record,
    })
}

fn mountpoint(watched: &Watched, handoff: &Handoff, table: &Table) -> Mountpoint {
    let deadline = deadline(&watched.mount.fstype, handoff.deadline);
    let schedule = Schedule::new(handoff.interval, deadline);
    Mountpoint::new(watched.clone(), schedule, table.is_own(&watched.mount))
}

/// The monitor of requests to `mountpoints`, by the shortest of their deadlines; `told` is the file's, zero for none.
fn monitor(mountpoints: &[Mountpoint], told: Duration, proc: &Proc) -> Monitor {
    let deadlines = mountpoints.iter().map(|mountpoint| mountpoint.schedule.deadline);
    let shortest = deadlines.min().unwrap_or_else(|| deadline(b"", told));
    Monitor::new(shortest, mountpoints.len(), asleep_since::is_told(proc))
}

fn uwsgi(fds: &mut Descriptors) -> Result<Option<Uwsgi>, SysError> {
    let (emperor, config) = (fds.take(Name::Emperor)?, fds.take(Name::Config)?);
    let sockets = emperor.zip(config).zip(fds.take(Name::Pushed)?);
    Ok(sockets.map(|((emperor, config), pushed)| Uwsgi::new(emperor, config, pushed)))
}

fn reloads(fds: &mut Descriptors) -> Result<Option<Reloads>, SysError> {
    let (record, request) = (fds.take(Name::Control)?, fds.take(Name::Request)?);
    let pipes = record.zip(request).zip(fds.take(Name::Answer)?);
    Ok(pipes.map(|((record, request), answer)| Reloads::new(record, request, answer)))
}
