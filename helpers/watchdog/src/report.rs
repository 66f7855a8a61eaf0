//! What the watchdog reports: to systemd, to the journal, and to the next start.

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

/// The most that is put into one status line.
const STATUS_LIMIT: usize = 1000;
/// How long the end of a vassal waits for journald to take its last words.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);
/// A vassal whose mountpoint fails this long after it was ready has not failed to start: that was the daemon's fault
/// and not the configuration's, and the next start comes at once, unless that has been so again and again.
const PROVEN: Duration = Duration::from_secs(1);

/// How long systemd may take to hear which process is the unit's main one.
const HEARD_LIMIT: Duration = Duration::from_secs(5);

/// The three listeners.
#[derive(Debug)]
pub struct Reporter {
    /// The vassal's name.
    pub vassal: String,
    /// The unit's name.
    pub unit: String,
    /// systemd.
    pub notifier: Notifier,
    /// journald.
    pub journal: Journal,
    /// The restart record.
    pub record: Option<Store>,
    /// What it says of earlier runs, which no longer changes: [`history`].
    pub history: String,
    /// Since when the file of the vassal says something else than what runs, and why.
    pub differs: Option<(String, String)>,
}

/// What `record` says of earlier runs: `2 restarts, last: /app dead (ENOTCONN)`
pub fn history(record: Option<&Store>) -> String {
    let record = record.map(Store::read).unwrap_or_default();
    match record.restarts {
        0 => status::NO_RESTARTS.with(&[]),
        1 => status::ONE_RESTART.with(&[("cause", &record.cause)]),
        count => status::RESTARTS.with(&[("count", &count), ("cause", &record.cause)]),
    }
}

/// `python3 healthy (asked 0.4 s ago, 812 us)`
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

/// What the line in the journal says behind the verdict on `mountpoint`: what else is known of a hang, and what to do when it is none; what
/// becomes of what was written. Not for the status line, which every user may read: the path of a file can be in it.
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
    /// Takes note that the vassal has come to serve.
    pub fn served(&self) {
        self.remember(RestartRecord::served);
    }

    /// Says to systemd that the vassal serves.
    pub fn ready(&self, mountpoints: &[Mountpoint], app: &Running) {
        let status = self.status(mountpoints, app);
        self.notify(&[
            NotifyState::Ready,
            NotifyState::Status(&status),
            NotifyState::Watchdog,
        ]);
        // After a restart it repeats why. journald counts warnings apart from what an app says without a priority, so a flood that
        // has drowned the verdict does not drown this, too.
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

    /// Keeps systemd's own watchdog quiet, and the status line fresh.
    pub fn keep_alive(&self, mountpoints: &[Mountpoint], app: &Running) {
        let status = self.status(mountpoints, app);
        self.notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    }

    /// The vassal stops.
    pub fn stopping(&self, command: &str) {
        let status = status::STOPPING.with(&[("command", &command)]);
        self.notify(&[NotifyState::Stopping, NotifyState::Status(&status)]);
    }

    /// The stop goes on, and systemd is to wait for `limit` from now, whatever its unit says.
    pub fn still_stopping(&self, limit: Duration, status: Option<&str>) {
        let limit = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
        let limit = [NotifyState::ExtendTimeoutUsec(limit)];
        let status = status.map(NotifyState::Status);
        self.notify(&Vec::from_iter(limit.into_iter().chain(status)));
    }

    /// One that has ended or is lost still saves what was written: no watchdog of systemd's is to end that.
    pub fn still_ending(&self) {
        self.notify(&[NotifyState::Watchdog]);
    }

    /// The file of the vassal says something else than what runs: since when, if that is news, and why; nothing, when `why` is
    /// empty.
    pub fn differs(&mut self, since: String, why: String) {
        let before = self.differs.take().map(|(since, _)| since);
        self.differs = (!why.is_empty()).then(|| (before.unwrap_or(since), why));
    }

    /// A status line of a vassal that does not serve.
    pub fn status_is(&self, status: &str) {
        self.notify(&[NotifyState::Status(status)]);
    }

    /// What the restart record says.
    pub fn remembered(&self) -> RestartRecord {
        self.record.as_ref().map(Store::read).unwrap_or_default()
    }

    /// Limits were met.
    pub fn limits_met(&self, limits: LimitHits) {
        self.remember(|record| record.limits = limits);
    }

    /// The vassal has run long enough for its next failure to be a first one.
    pub fn settled(&self) {
        self.remember(RestartRecord::settled);
    }

    /// The vassal that served has been stopped, and everything is saved.
    pub fn stopped(&self) {
        self.remember(RestartRecord::stopped);
        self.status_is(status::STOPPED.0);
    }

    /// The same for one that did not serve yet: whether an administrator has stopped it or it has used up its time, the next
    /// start can tell.
    pub fn cut_short(&self) {
        self.unsaved("");
        self.status_is(status::CUT_SHORT.0);
    }

    /// The filesystems on `mountpoints`, one a line, may hold what is not saved yet: the next start tells that it is lost,
    /// if it finds this still so.
    pub fn unsaved(&self, mountpoints: &str) {
        if self.known_unsaved() != mountpoints {
            self.remember(|record| record.unsaved = mountpoints.to_owned());
        }
    }

    /// What [`Reporter::unsaved`] was last told.
    pub fn known_unsaved(&self) -> String {
        self.remembered().unsaved
    }

    /// A mountpoint is lost: tells the journal and the next start. The cause, for [`Reporter::trigger`].
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

    /// The app is lost: tells the journal and the next start. The cause, for [`Reporter::trigger`].
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

    /// Has systemd kill and restart the unit, with `Result=watchdog` and `cause` for its status.
    pub fn trigger(&self, cause: &str) {
        self.notify(&[NotifyState::Status(cause), NotifyState::WatchdogTrigger]);
    }

    /// The unit's main process is now this one, by its number on the host, and systemd has heard it.
    ///
    /// # Errors
    /// When systemd has not.
    pub fn main_process_is(&self, number: u32, cause: &str) -> Result<(), SysError> {
        let states = [NotifyState::MainPid(number), NotifyState::Status(cause)];
        self.notifier.send(&states)?;
        self.notifier.barrier(HEARD_LIMIT)
    }

    /// The app has ended by itself; `reason` tells whether it may have said more.
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

    /// Sends what could not be sent before, as far as there is room for it now.
    pub fn flush(&self) {
        self.report_failure(self.notifier.flush());
        self.journal.flush();
        lines::flush();
    }

    /// The vassal has ended: what was said and not sent is waited for. While systemd does not read, it does nothing with the vassal
    /// either; a journald that does not read is not waited for that long.
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

    /// `serving; /app healthy (fuse.fuse-zip, probed 0.4 s ago, 210 us); 2 restarts, last: /app dead (ENOTCONN)`
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
        // journald finds the unit by the sender's process id, which may be gone when it reads the last event of a run;
        // journalctl -u takes this field of root's for it (journalctl(1)).
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
