//! Takes a vassal over from `vassal-enter`.

use super::freezer::Freezer;
use super::poller::Poller;
use super::state::{Stage, Vassal};
use crate::app::drain;
use crate::app::readying::Readying;
use crate::app::reload::{Reloads, Sockets};
use crate::app::running::Running;
use crate::app::succession::Overlap;
use crate::hang::asleep_since;
use crate::hang::monitor::Monitor;
use crate::health::Recorder;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::mountpoints::schedule::{Schedule, deadline};
use crate::mountpoints::table::Table;
use crate::mountpoints::throttle::Throttle;
use crate::processes::unknown_exits::UnknownExits;
use crate::report::{Reporter, history};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::chdir;
use std::fs::File;
use std::time::{Duration, Instant};
use vassal_state::descriptors::{Descriptors, Name};
use vassal_state::handoff::{Handoff, Watched};
use vassal_state::request::Links;
use vassal_state::restart_record::Store;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, fds, signals};
use vassal_systemd::journal::{Journal, relay};
use vassal_systemd::lines;

impl Vassal {
    /// Takes the vassal over from `vassal-enter`.
    ///
    /// # Errors
    /// A missing descriptor; when proc cannot be read.
    pub fn take_over(mut handoff: Handoff) -> Result<Self, SysError> {
        let signals = prepare_process()?;
        let proc = Proc::from(handoff.fds.need(Name::Proc)?);
        let mountinfo = proc.mountinfo()?;
        let host_mounts = File::from(handoff.fds.need(Name::HostMounts)?);
        let table = Table::new(&handoff, host_mounts);
        // How a filesystem is asked depends on whether it belongs to the vassal.
        table.look(&proc, |_| false)?;
        let reporter = reporter(&mut handoff)?;
        let sockets = sockets(&handoff, &proc)?;
        let mountpoints = mountpoints(&handoff, &table);
        let fds = &mut handoff.fds;
        let now = Instant::now();
        let host_proc = Proc::from(fds.need(Name::HostProc)?);
        let health = fds.take(Name::Health)?;
        let reloads = reloads(fds)?;
        let addresses = reloads.as_ref().map(Reloads::addresses).unwrap_or_default();
        let fusectl = fds.take(Name::Fusectl)?;
        let log = fds.take(Name::Log)?;
        let place = fds.take(Name::Place)?.map(File::from);
        let atexit = fds.take(Name::Enter)?.zip(fds.take(Name::Atexit)?);
        let links = links(fds)?;
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
            app: Running::new(handoff.app.clone(), links),
            overlap: Overlap::default(),
            sockets,
            reloads,
            freezer: Freezer::default(),
            turnover: None,
            unknown_exits: UnknownExits::default(),
            awake: now,
            readying: Readying::of(&handoff.app, now),
            stage: Stage::Starting,
            keep_alive_due: now + handoff.keep_alive,
            place,
            handoff,
        };
        if let Some(socket) = vassal.reporter.journal.socket() {
            lines::use_when_shut_down(socket, vassal.handoff.vassal.clone())?;
        }
        relay(&vassal.handoff.unsent.lines);
        vassal.listen()?;
        Ok(vassal)
    }
}

/// Prepares this process: its signals are read from the returned descriptor, it has a name, and its working directory
/// is on no filesystem that can hang.
fn prepare_process() -> Result<SignalFd, SysError> {
    let signals = signals::take(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP])?;
    // Before Linux 6.14 a program executed by descriptor has a number as its name.
    prctl::set_name(c"vassal-watchdog").context(|| "set the process name")?;
    // As far as that is possible: `/` itself may be one (ARCHITECTURE D7).
    chdir("/").context(|| "change to '/'")?;
    Ok(signals)
}

/// The connections to systemd and journald, with the messages that vassal-enter could not send, and the restart record.
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
        differs: None,
        record,
    })
}

/// The watched mountpoints with their schedules.
fn mountpoints(handoff: &Handoff, table: &Table) -> Vec<Mountpoint> {
    let mountpoint = |watched: &Watched| {
        let deadline = deadline(&watched.mount.fstype, handoff.deadline);
        let schedule = Schedule::new(handoff.interval, deadline);
        Mountpoint::new(watched.clone(), schedule, table.is_own(&watched.mount))
    };
    handoff.watched.iter().map(mountpoint).collect()
}

/// The monitor of requests, with the shortest deadline of `mountpoints`; `told` is the deadline in the file, or zero.
fn monitor(mountpoints: &[Mountpoint], told: Duration, proc: &Proc) -> Monitor {
    let deadlines = mountpoints.iter().map(|mountpoint| mountpoint.schedule.deadline);
    let shortest = deadlines.min().unwrap_or_else(|| deadline(b"", told));
    Monitor::new(shortest, mountpoints.len(), asleep_since::is_told(proc))
}

/// The connections between the app and the watchdog.
fn links(fds: &mut Descriptors) -> Result<Links, SysError> {
    let (emperor, config) = (fds.take(Name::Emperor)?, fds.take(Name::Config)?);
    let uwsgi = emperor.zip(config).zip(fds.take(Name::Pushed)?);
    Ok(match (uwsgi, fds.take(Name::PayloadNotify)?) {
        (Some(((emperor, config), pushed)), _) => Links::Uwsgi {
            emperor,
            config,
            pushed,
        },
        (None, Some(socket)) => Links::Notify(socket),
        (None, None) => Links::None,
    })
}

/// The listening sockets that outlive the app.
fn sockets(handoff: &Handoff, proc: &Proc) -> Result<Sockets, SysError> {
    let own = handoff.sockets.iter().map(|number| fds::adopt(*number));
    let own = own.collect::<Result<Vec<_>, _>>()?;
    Ok(Sockets {
        names: drain::names(proc, &own),
        fds: own,
    })
}

fn reloads(fds: &mut Descriptors) -> Result<Option<Reloads>, SysError> {
    let (record, requests) = (fds.take(Name::Control)?, fds.take(Name::Requests)?);
    let ends = record.zip(requests).zip(fds.take(Name::Requester)?);
    Ok(ends.map(|((record, requests), requester)| Reloads::new(record, requests, requester)))
}
