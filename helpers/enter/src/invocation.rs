//! What systemd passes to this process: the vassal's name, the environment, descriptors.

use crate::environment::{Inherited, inherited};
use crate::failure::{Failure, FileFailure};
use crate::health;
use sd_notify::NotifyState;
use std::env;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use vassal_config::emperor::name::VassalName;
use vassal_config::hooks::action::Action;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_config::vassal::socket::ON_DEMAND;
use vassal_escape::unit_name::{escape, unescape};
use vassal_escape::{printable, shortened};
use vassal_state::health::{Health, Place, State};
use vassal_state::restart_record;
use vassal_state::restart_record::{Follows, Next, RestartRecord, Store};
use vassal_sys::{SysError, fds, fusectl};
use vassal_systemd::journal::{Journal, Priority, log};
use vassal_systemd::lines;
use vassal_systemd::notify::{DELIVERY_LIMIT, Notifier};

/// How long a failing start waits for journald to take the reason.
pub const LAST_LINE_LIMIT: Duration = Duration::from_secs(5);
/// The time for the start itself, added to that of pauses and hooks when systemd is asked for more time. It is the
/// default of `TimeoutStartSec=`.
pub const START_LIMIT: Duration = Duration::from_secs(90);
/// The first descriptor that systemd passes (sd_listen_fds(3)).
const LISTEN_START: RawFd = 3;
/// The longest failure in `STATUS=`; the journal has all of it.
const STATUS_LIMIT: usize = 400;

/// A call of this program by systemd.
#[derive(Debug)]
pub struct Invocation {
    /// The vassal.
    pub vassal: VassalName,
    /// The environment without systemd's own variables.
    pub environment: Inherited,
    /// The connection to systemd.
    pub notifier: Notifier,
    /// The connection to journald.
    pub journal: Journal,
    /// /sys/fs/fuse/connections, if it is mounted.
    pub fusectl: Option<OwnedFd>,
    /// `WatchdogSec=`, zero without one.
    pub watchdog: Duration,
    /// The restart record: what is remembered from earlier starts.
    pub record: Store,
    /// The place of the health record.
    pub health: Option<Place>,
    /// Whether a retry of this vassal is waiting (vassal-retry@.service), which this start makes superfluous.
    pub replaces_retry: bool,
    /// Whether the vassal is on demand: systemd listens on its socket, and the first connection starts it.
    pub is_on_demand: bool,
    /// Descriptors from the FD store, and the on-demand socket, with their names.
    pub stored: Vec<(String, OwnedFd)>,
}

impl Invocation {
    /// Takes over everything that systemd has passed, and makes sure that later programs inherit nothing else.
    ///
    /// # Errors
    /// A name that is not a vassal's; a lack of descriptors or memory.
    pub fn from_systemd(instance: &[u8]) -> Result<Self, Failure> {
        let vassal = vassal_of(instance);
        let stored = stored_descriptors()?;
        fds::cloexec_from(LISTEN_START)?;
        let address = env::var_os("NOTIFY_SOCKET").map(OsStringExt::into_vec);
        let notifier = Notifier::connect(address.as_deref())?;
        notifier.gather();
        let (records, stored): (Vec<_>, Vec<_>) = stored
            .into_iter()
            .partition(|(name, _)| name == restart_record::NAME);
        let is_on_demand = stored.iter().any(|(name, _)| name == ON_DEMAND);
        let (record, next) = match (records.into_iter().next(), &vassal) {
            (Some((_, fd)), _) => (Store::inherited(fd), Next::Restart),
            (None, Ok(vassal)) => new_record(&notifier, vassal, is_on_demand)?,
            // Such a unit is not tried again.
            (None, Err(_)) => (Store::in_memory()?, Next::Restart),
        };
        let vassal = vassal.inspect_err(|failure| report_to_systemd(&notifier, &record, failure))?;
        // Without systemd nothing would ever remove the record.
        let health = notifier.socket().and_then(|_| health::place(&vassal));
        let journal = Journal::connect("vassal-enter");
        if let Some(socket) = journal.socket() {
            lines::use_when_shut_down(socket, vassal.identifier())?;
        }
        Ok(Self {
            health,
            vassal,
            environment: inherited(),
            notifier,
            journal,
            fusectl: fusectl::connections(),
            watchdog: Duration::from_micros(number("WATCHDOG_USEC").unwrap_or(0)),
            record,
            replaces_retry: next == Next::Retry,
            is_on_demand,
            stored,
        })
    }

    /// The vassal's name for messages.
    pub fn display_name(&self) -> String {
        printable(self.vassal.bytes())
    }

    /// Removes the records of a vassal that does not exist; otherwise one would remain for every name that was ever
    /// tried.
    pub fn forget(&self) {
        let forgotten =
            restart_record::forget(Path::new(restart_record::DIRECTORY), &escape(self.vassal.bytes()));
        if let Err(error) = forgotten {
            self.warn(&format!("{error}, ignoring"));
        }
    }

    /// Reports `failure` once: in the journal, in `systemctl status`, and to the next attempt.
    pub fn report(&self, failure: &Failure) {
        report_to_systemd(&self.notifier, &self.record, failure);
        // Logged after that: `systemctl status` shows the lines since systemd saw the unit start, and on a busy host it
        // may see that only after this process has failed (measured: one line in seven was left out).
        log(Priority::Error, &failure.to_string());
        self.health_is(State::Failed, &self.record.read(), None);
    }

    /// Writes the vassal's state into the health record, with the restart record's account of earlier runs.
    pub fn health_is(&self, state: State, record: &RestartRecord, next_attempt: Option<SystemTime>) {
        let health = Health {
            restarts: record.restarts,
            attempts: record.attempts,
            cause: record.cause.clone(),
            limits: record.limits.clone(),
            next_attempt,
            ..Health::new(self.display_name(), self.vassal.unit(), state)
        };
        health::put(self.health.as_ref(), &health);
    }

    /// Sends messages that are still unsent, before this process ends without a successor.
    pub fn deliver_pending(&self) {
        let delivered = self.notifier.deliver(DELIVERY_LIMIT, None).map(drop);
        let kept = self.journal.deliver(LAST_LINE_LIMIT);
        for error in [delivered.err(), kept.err()].into_iter().flatten() {
            log(Priority::Warning, &error.to_string());
        }
    }

    /// Asks systemd for enough time for `plan`: each hook may take its whole limit, which the unit's own limit does not
    /// consider.
    ///
    /// # Errors
    /// When systemd cannot be notified.
    pub fn ask_for_time(&self, plan: &Plan) -> Result<(), SysError> {
        let limit = plan.settings.hook_limit;
        let most = |operation: &Operation| match &operation.action {
            Action::Exec { .. } => Some(limit),
            Action::WaitFor(_, _, own) => Some(own.unwrap_or(limit)),
            Action::Sleep(time) => Some(*time),
            _ => None,
        };
        let hooks: Duration = plan.operations.iter().filter_map(most).sum();
        if hooks.is_zero() {
            return Ok(());
        }
        let time = u32::try_from((START_LIMIT + hooks).as_micros()).unwrap_or(u32::MAX);
        self.notifier.send(&[NotifyState::ExtendTimeoutUsec(time)])
    }

    /// Reports that the vassal runs, but not as its file says.
    pub fn warn(&self, message: &str) {
        log(Priority::Warning, message);
    }
}

fn report_to_systemd(notifier: &Notifier, record: &Store, failure: &Failure) {
    // Only the public part: any user may read it, now and later as the cause of a restart.
    let status = shortened(&failure.public().to_string(), STATUS_LIMIT);
    // A failing start ends after this; if the status cannot be sent, the journal still has the failure.
    let delivered = notifier.send(&[NotifyState::Status(&status)]);
    let kept = record.update(|record| record.start_failed(&status));
    // Right after the clone, systemd may not have read yet which process is the main one. If that process is gone by
    // the time it reads it, the result is a protocol failure, and the unit is restarted whatever the exit code. A
    // systemd that does not read does not restart it either, so waiting delays nothing.
    let read = notifier.barrier(DELIVERY_LIMIT);
    for error in [delivered.err(), kept.err(), read.err()].into_iter().flatten() {
        log(Priority::Warning, &error.to_string());
    }
}

/// Makes the record of a start that found none in the FD store. If the unit's runtime directory cannot tell a restart
/// from a new start, the record is put into the FD store for the next start.
fn new_record(
    notifier: &Notifier,
    vassal: &VassalName,
    is_on_demand: bool,
) -> Result<(Store, Next), Failure> {
    // Without systemd there is no next start.
    if notifier.socket().is_none() {
        return Ok((Store::in_memory()?, Next::Restart));
    }
    let follows = Follows::ask(vassal.bytes());
    let goes_on = is_on_demand || follows == Follows::Run;
    let name = escape(vassal.bytes());
    let (record, next, has_file) = match Store::create(Path::new(restart_record::DIRECTORY), &name, goes_on) {
        Ok((record, next)) => (record, next, true),
        Err(error) => {
            log(
                Priority::Warning,
                &format!("{error}, ignoring: after a kill nothing will tell what is lost"),
            );
            (Store::in_memory()?, Next::Restart, false)
        }
    };
    if follows == Follows::Unknown || !has_file {
        notifier.store(restart_record::NAME, record.file().as_fd())?;
    }
    Ok((record, next))
}

/// The vassal of a unit's instance. Only one escaped form of a name is accepted: two units of one vassal would run its
/// app twice.
///
/// # Errors
/// Why the instance is not a vassal.
pub fn vassal_of(instance: &[u8]) -> Result<VassalName, Failure> {
    let name = unescape(instance);
    let vassal = match VassalName::parse(&name) {
        Ok(vassal) => vassal,
        Err(unfit) => return Err(FileFailure::NotAVassal { name, unfit }.into()),
    };
    if escape(&name).as_bytes() != instance {
        let (instance, unit) = (instance.to_vec(), vassal.unit());
        return Err(FileFailure::OtherUnit { instance, name, unit }.into());
    }
    Ok(vassal)
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// The descriptors of the FD store (sd_listen_fds(3)), if they are for this process.
fn stored_descriptors() -> Result<Vec<(String, OwnedFd)>, Failure> {
    if number("LISTEN_PID") != Some(u64::from(std::process::id())) {
        return Ok(Vec::new());
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(str::to_owned);
    let count = number("LISTEN_FDS").unwrap_or(0) as RawFd;
    (LISTEN_START..LISTEN_START + count)
        .map(|fd| Ok((names.next().unwrap_or_default(), fds::adopt(fd)?)))
        .collect()
}
