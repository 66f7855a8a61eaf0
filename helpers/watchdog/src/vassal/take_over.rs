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
use nix::unistd::chdir;
use std::fs::File;
use std::os::fd::RawFd;
use std::time::Instant;
use vassal_state::handoff::{Handoff, Readiness, Watched};
use vassal_state::restart_record::Store;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, fds, signals};
use vassal_systemd::journal::{Journal, relay};

fn mountpoint(watched: &Watched, handoff: &Handoff, table: &Table) -> Mountpoint {
    let deadline = deadline(&watched.mount.fstype, handoff.deadline);
    let schedule = Schedule::new(handoff.interval, deadline);
    Mountpoint::new(watched.clone(), schedule, table.is_own(&watched.mount))
}

impl Vassal {
    /// Takes the vassal over from `vassal-enter`.
    ///
    /// # Errors
    /// A descriptor that is not there; a proc that does not answer.
    pub fn take_over(handoff: Handoff) -> Result<Self, SysError> {
        let signals = signals::take(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP])?;
        // An exec by descriptor leaves a number for a name on kernels before 6.14.
        prctl::set_name(c"vassal-watchdog").context(|| "set the process name")?;
        // Not on a filesystem that can hang (ARCHITECTURE D7), as far as there is a choice.
        chdir("/").context(|| "change to '/'")?;
        let taken = |fd: Option<RawFd>| fd.map(fds::adopt).transpose();
        let numbers = &handoff.fds;
        let proc = Proc::from(fds::adopt(numbers.proc.unwrap_or(-1))?);
        let mountinfo = proc.mountinfo()?;
        let host = fds::adopt(numbers.host_mounts.unwrap_or(-1))?;
        let table = Table::new(&handoff, File::from(host));
        // Whose the watched filesystems are decides how they are asked.
        table.look(&proc, |_| false)?;
        let restart_record = taken(numbers.restart_record)?.map(Store::inherited);
        let reporter = Reporter {
            vassal: handoff.vassal.clone(),
            unit: handoff.unit.clone(),
            notifier: handoff.unsent.notifier(taken(numbers.notify)?)?,
            journal: Journal::inherited(
                taken(numbers.journal)?,
                "vassal-watchdog",
                handoff.unsent.events.clone(),
            ),
            history: history(restart_record.as_ref()),
            record: restart_record,
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
        let deadlines = mountpoints.iter().map(|mountpoint| mountpoint.schedule.deadline);
        let shortest = deadlines.min().unwrap_or_else(|| deadline(b"", handoff.deadline));
        let now = Instant::now();
        let fusectl = taken(numbers.fusectl)?;
        let monitor = Monitor::new(shortest, mountpoints.len(), asleep_since::is_told(&proc));
        let host_proc = Proc::from(fds::adopt(numbers.host_proc.unwrap_or(-1))?);
        let reloads = match (
            taken(numbers.control)?,
            taken(numbers.request)?,
            taken(numbers.answer)?,
        ) {
            (Some(record), Some(request), Some(answer)) => Some(Reloads::new(record, request, answer)),
            _ => None,
        };
        let addresses = reloads.as_ref().map(Reloads::addresses).unwrap_or_default();
        let mut vassal = Self {
            health: Recorder::new(&handoff, taken(numbers.health)?, &host_proc, addresses),
            reporter,
            poller: Poller::new()?,
            signals,
            mountinfo,
            mountpoints,
            table,
            host_proc,
            throttle: Throttle::default(),
            mounts_paused_until: None,
            proc,
            fusectl,
            log: taken(numbers.log)?,
            atexit: taken(numbers.enter)?.zip(taken(numbers.atexit)?),
            uwsgi,
            payload_notify: taken(numbers.payload_notify)?.map(PayloadNotify::new),
            reloads,
            monitor,
            freezer: Freezer::default(),
            turnover: None,
            unknown_exits: UnknownExits::default(),
            awake: Instant::now(),
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
