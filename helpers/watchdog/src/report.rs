//! Reports of the watchdog: to systemd, to the journal, and for the next start.

use crate::app::running::Running;
use crate::liveness::check::Check;
use crate::liveness::verdict::Verdict as AppVerdict;
use crate::mountpoints::mountpoint::Mountpoint;
use crate::mountpoints::verdict::Verdict;
use sd_notify::NotifyState;
use std::time::Duration;
use vassal_escape::shortened;
use vassal_state::limit_hits::LimitHits;
use vassal_state::restart_record::{End, RestartRecord, SETTLED, Store};
use vassal_sys::SysError;
use vassal_systemd::events::{APP_ENDED, MessageId, SERVING};
use vassal_systemd::journal::{Event, Journal, Priority, log};
use vassal_systemd::lines;
use vassal_systemd::notify::{DELIVERY_LIMIT, Notifier};
use vassal_systemd::status;

/// The longest status line.
const STATUS_LIMIT: usize = 1000;
/// How long the watchdog waits at its end for journald to take its last events.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);
/// A vassal whose mountpoint fails at least this long after it was ready has not failed to start: the daemon is to
/// blame and not the configuration. So the next start is immediate, unless this has happened again and again.
const PROVEN: Duration = Duration::from_secs(1);

/// How long systemd may take to learn the unit's new main process.
const HEARD_LIMIT: Duration = Duration::from_secs(5);

/// The three recipients of reports, and what is remembered for them.
#[derive(Debug)]
pub struct Reporter {
    /// The vassal's name.
    pub vassal: String,
    /// The unit's name.
    pub unit: String,
    /// The connection to systemd.
    pub notifier: Notifier,
    /// The connection to journald.
    pub journal: Journal,
    /// The restart record.
    pub record: Option<Store>,
    /// The sentence about earlier runs, which no longer changes: [`history`].
    pub history: String,
    /// Since when, and why, the vassal's file differs from what runs.
    pub differs: Option<(String, String)>,
}

/// The sentence about earlier runs by `record`: `2 restarts, last: /app dead (ENOTCONN)`
pub fn history(record: Option<&Store>) -> String {
    let record = record.map(Store::read).unwrap_or_default();
    match record.restarts {
        0 => status::NO_RESTARTS.with(&[]),
        1 => status::ONE_RESTART.with(&[("cause", &record.cause)]),
        count => status::RESTARTS.with(&[("count", &count), ("cause", &record.cause)]),
    }
}

/// The sentence about the app's health: `python3 healthy (asked 0.4 s ago, 812 us)`
fn health(command: &str, check: &Check) -> String {
    let (failed, sign) = check.failed();
    match (failed, check.answered()) {
        (0, None) => status::APP_NOT_ASKED.with(&[("command", &command)]),
        (0, Some((when, took))) => status::APP_HEALTHY.with(&[
            ("command", &command),
            ("age", &format!("{:.1}", when.elapsed().as_secs_f32())),
            ("time", &took.as_micros()),
        ]),
        (failed, _) => status::APP_FAILING.with(&[
            ("command", &command),
            ("sign", &sign),
            ("count", &failed),
            ("limit", &check.rule().failures),
        ]),
    }
}

/// Details for the journal, which follow the verdict on `mountpoint`: what else is known about a hang, and what to do
/// if it is none; what becomes of written data. They are not for the status line, which every user may read, because
/// they may contain a file's path.
fn details(mountpoint: &Mountpoint, verdict: Verdict) -> String {
    let hint = verdict
        .missed_deadline(mountpoint.schedule.timeout)
        .map(|deadline| {
            let operation = mountpoint.operation.as_deref().unwrap_or("statfs");
            let deadline = deadline.as_secs_f32();
            format!(": {operation}; slow, not hung? set mountpoint-deadline to more than {deadline} s")
        });
    let loss = match () {
        () if verdict.loses_nothing() => "",
        () if verdict.leaves_waiting() && mountpoint.is_hosts() => {
            "; it is a mount of the host's and left as it is"
        }
        () if mountpoint.may_hold_unsaved() => "; what was written there and not saved is lost",
        () => "",
    };
    hint.unwrap_or_default() + loss
}

impl Reporter {
    /// Records in the restart record that the vassal serves.
    pub fn served(&self) {
        self.remember(RestartRecord::served);
    }

    /// Reports to systemd that the vassal serves.
    pub fn ready(&self, mountpoints: &[Mountpoint], app: &Running) {
        let status = self.status(mountpoints, app);
        self.notify(&[
            NotifyState::Ready,
            NotifyState::Status(&status),
            NotifyState::Watchdog,
        ]);
        // After a restart, its cause is repeated. As a warning, because journald's rate limit counts each priority
        // separately: a flood of the app's lines that has suppressed the verdict does not suppress this one.
        let priority = match self
            .record
            .as_ref()
            .is_some_and(|record| record.read().is_restart)
        {
            true => Priority::Warning,
            false => Priority::Notice,
        };
        self.event(priority, SERVING, &format!("{}: {status}", self.vassal), &[]);
    }

    /// Sends a keep-alive and a new status line.
    pub fn keep_alive(&self, mountpoints: &[Mountpoint], app: &Running) {
        let status = self.status(mountpoints, app);
        self.notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    }

    /// Reports that the vassal is being stopped.
    pub fn stopping(&self, command: &str) {
        let status = status::STOPPING.with(&[("command", &command)]);
        self.notify(&[NotifyState::Stopping, NotifyState::Status(&status)]);
    }

    /// Reports that the stop continues, and asks systemd to wait for `limit` from now, whatever its unit says.
    pub fn still_stopping(&self, limit: Duration, status: Option<&str>) {
        let limit = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
        let limit = [NotifyState::ExtendTimeoutUsec(limit)];
        let status = status.map(NotifyState::Status);
        self.notify(&Vec::from_iter(limit.into_iter().chain(status)));
    }

    /// Sends a keep-alive for a vassal that has ended or is lost and still saves data, so that systemd's watchdog does
    /// not end that.
    pub fn still_ending(&self) {
        self.notify(&[NotifyState::Watchdog]);
    }

    /// Records that the vassal's file differs from what runs since `since`, and why. An empty `why` means that it does
    /// not differ any more. If it differed before, the earlier time is kept.
    pub fn differs(&mut self, since: String, why: String) {
        let before = self.differs.take().map(|(since, _)| since);
        self.differs = (!why.is_empty()).then(|| (before.unwrap_or(since), why));
    }

    /// Sets the status line of a vassal that does not serve.
    pub fn status_is(&self, status: &str) {
        self.notify(&[NotifyState::Status(status)]);
    }

    /// The content of the restart record.
    pub fn remembered(&self) -> RestartRecord {
        self.record.as_ref().map(Store::read).unwrap_or_default()
    }

    /// Limits were met.
    pub fn limits_met(&self, limits: LimitHits) {
        self.remember(|record| record.limits = limits);
    }

    /// Records that the vassal has run so long that its next failure counts as a first one.
    pub fn settled(&self) {
        self.remember(RestartRecord::settled);
    }

    /// Records that a vassal which served was stopped, and that everything is saved.
    pub fn stopped(&self) {
        self.remember(RestartRecord::stopped);
        self.status_is(status::STOPPED.0);
    }

    /// Records that a vassal which did not serve yet was stopped: by an administrator, or because its time was over.
    /// The next start can tell which.
    pub fn cut_short(&self) {
        self.unsaved("");
        self.status_is(status::CUT_SHORT.0);
    }

    /// Records that the filesystems on `mountpoints` (one a line) may hold unsaved data. If the next start finds the
    /// list unchanged, it reports the data as lost.
    pub fn unsaved(&self, mountpoints: &str) {
        if self.known_unsaved() != mountpoints {
            self.remember(|record| record.unsaved = mountpoints.to_owned());
        }
    }

    /// The list last given to [`Reporter::unsaved`].
    pub fn known_unsaved(&self) -> String {
        self.remembered().unsaved
    }

    /// Reports that a mountpoint is lost to the journal and for the next start. Returns the cause, for
    /// [`Reporter::trigger`].
    pub fn verdict(&self, mountpoint: &Mountpoint, verdict: Verdict, ready_for: Option<Duration>) -> String {
        let path = mountpoint.shown_path();
        let cause = status::LOST.with(&[("path", &path), ("verdict", &verdict)]);
        let (origin, details) = (&mountpoint.watched.origin, details(mountpoint, verdict));
        let line = format!("{origin}: mountpoint-check: {cause}{details}");
        self.ended(&cause, ready_for, PROVEN);
        let errno = verdict.errno().map(|errno| (errno as i32).to_string());
        let mut fields = vec![
            ("VASSAL_MOUNTPOINT", path.as_str()),
            ("VASSAL_VERDICT", verdict.row().word),
        ];
        fields.extend(errno.iter().map(|errno| ("ERRNO", errno.as_str())));
        self.event(Priority::Error, verdict.row().event, &line, &fields);
        cause
    }

    /// Reports that the app is lost to the journal and for the next start. Returns the cause, for
    /// [`Reporter::trigger`].
    pub fn app_verdict(&self, app: &Running, verdict: AppVerdict, ready_for: Option<Duration>) -> String {
        let command = &app.app.command;
        let cause = status::APP_LOST.with(&[("command", command), ("verdict", &verdict)]);
        let line = match (verdict, &app.check, &app.heartbeat) {
            (AppVerdict::Sick(..), Some(check), _) => format!("{}: health: {cause}", check.rule().origin),
            (AppVerdict::Silent(_), _, Some(heartbeat)) => match heartbeat.origin() {
                Some(origin) => format!("{origin}: watchdog: {cause}"),
                None => format!(
                    "{}: {cause}; it has sent it before (watchdog = off in [vassal], if it need not go on)",
                    self.vassal
                ),
            },
            _ => format!("{}: {cause}", self.vassal),
        };
        self.ended(&cause, ready_for, PROVEN);
        let fields = [("VASSAL_VERDICT", verdict.row().word)];
        self.event(Priority::Error, verdict.row().event, &line, &fields);
        cause
    }

    /// Makes systemd kill and restart the unit, with `Result=watchdog` and `cause` in its status.
    pub fn trigger(&self, cause: &str) {
        self.notify(&[NotifyState::Status(cause), NotifyState::WatchdogTrigger]);
    }

    /// Makes this process the unit's main process; `number` is its number on the host. Waits until systemd has read it.
    ///
    /// # Errors
    /// When systemd has not read it in time.
    pub fn main_process_is(&self, number: u32, cause: &str) -> Result<(), SysError> {
        let states = [NotifyState::MainPid(number), NotifyState::Status(cause)];
        self.notifier.send(&states)?;
        self.notifier.barrier(HEARD_LIMIT)
    }

    /// Reports that the app has ended by itself; `reason` says whether its last words may be in the journal.
    pub fn app_ended(&self, message: &str, reason: End, ready_for: Option<Duration>) {
        self.ended(message, ready_for, SETTLED);
        self.remember(|record| record.end = reason);
        self.event(
            Priority::Error,
            APP_ENDED,
            &format!("{}: {message}", self.vassal),
            &[],
        );
        self.status_is(message);
    }

    /// Sends unsent messages, as far as there is room.
    pub fn flush(&self) {
        self.report_failure(self.notifier.flush());
        self.journal.flush();
        lines::flush();
    }

    /// Waits at the end of the vassal until all messages are sent. A systemd that does not read does nothing about the
    /// vassal either, so waiting for it delays nothing; for a journald that does not read the wait is short.
    pub fn deliver(&self) {
        self.journal.flush();
        self.report_failure(self.notifier.deliver(DELIVERY_LIMIT, None));
        self.report_failure(self.journal.deliver(LAST_WORDS_LIMIT));
        self.report_failure(lines::deliver(LAST_WORDS_LIMIT));
    }

    fn report_failure<T>(&self, result: Result<T, SysError>) {
        if let Err(error) = result {
            log(Priority::Warning, &error.to_string());
        }
    }

    fn ended(&self, cause: &str, ready_for: Option<Duration>, proven: Duration) {
        self.remember(|record| record.failed(cause, ready_for.unwrap_or_default(), proven));
    }

    /// The status line: `serving; /app healthy (fuse.fuse-zip, probed 0.4 s ago, 210 us); 2 restarts, last: /app dead
    /// (ENOTCONN)`
    fn status(&self, mountpoints: &[Mountpoint], app: &Running) -> String {
        let health = app
            .check
            .as_ref()
            .map(|check| health(&app.app.command, check) + "; ");
        let mounts = mountpoints.iter().map(|mountpoint| mountpoint.sentence() + "; ");
        let mounts: String = mounts.collect();
        let differs = self.differs.as_ref().map(|(since, why)| {
            let values: [(&str, &dyn std::fmt::Display); 2] = [("since", since), ("why", why)];
            status::DIFFERS.with(&values) + "; "
        });
        let differs = differs.unwrap_or_default();
        let status = status::SERVING.with(&[
            ("mounts", &mounts),
            ("health", &health.unwrap_or_default()),
            ("differs", &differs),
            ("restarts", &self.history),
        ]);
        shortened(&status, STATUS_LIMIT)
    }

    fn remember(&self, change: impl FnOnce(&mut RestartRecord)) {
        if let Some(Err(error)) = self.record.as_ref().map(|record| record.update(change)) {
            log(Priority::Warning, &error.to_string());
        }
    }

    fn event(&self, priority: Priority, id: MessageId, message: &str, fields: &[(&str, &str)]) {
        // journald finds the unit by the sender's process id, but the sender of the last event may have ended when
        // journald reads it. journalctl -u accepts these fields instead if root sends them (journalctl(1)).
        let own = [
            ("VASSAL", self.vassal.as_str()),
            ("OBJECT_SYSTEMD_UNIT", self.unit.as_str()),
        ];
        let fields = [&own[..], fields].concat();
        self.journal.write(&Event {
            priority,
            id,
            message,
            fields: &fields,
        });
    }

    fn notify(&self, states: &[NotifyState<'_>]) {
        self.report_failure(self.notifier.send(states));
    }
}
