//! What the watchdog says, and to whom: systemd, the journal, and the next start.

use crate::mountpoints::mountpoint::Mountpoint;
use crate::mountpoints::verdict::{Silence, Verdict};
use sd_notify::NotifyState;
use std::time::Duration;
use vassal_escape::shortened;
use vassal_state::restart_record::{End, RestartRecord, SETTLED, Store};
use vassal_sys::SysError;
use vassal_systemd::journal::{Event, Journal, Priority, log};
use vassal_systemd::lines;
use vassal_systemd::notify::{DELIVERY_LIMIT, Notifier};

/// A vassal serves (units/vassal.catalog).
const SERVING: &str = "432e5f4d6e814274ae80f8c9e6ea7cdf";
/// A vassal's app has ended by itself.
const APP_ENDED: &str = "e9cbe4dd51554c349c33af94ff46dad2";
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
}

/// What `record` says of earlier runs: `2 restarts, last: /app dead (ENOTCONN)`
pub fn history(record: Option<&Store>) -> String {
    let record = record.map(Store::read).unwrap_or_default();
    match record.restarts {
        0 => "no restarts".into(),
        1 => format!("1 restart: {}", record.cause),
        count => format!("{count} restarts, last: {}", record.cause),
    }
}

/// What is lost with a mountpoint.
fn loss(mountpoint: &Mountpoint) -> &'static str {
    match mountpoint.may_hold_unsaved() {
        true => "; what was written there and not saved is lost",
        false => "",
    }
}

/// What else is known of a hang, and what to do when it is none. Not for the status line, which everybody may read: the
/// path of a file can be in it.
fn details(mountpoint: &Mountpoint, verdict: Verdict) -> String {
    match verdict {
        Verdict::Hung(silence) => {
            let operation = mountpoint.operation.as_deref().unwrap_or("statfs");
            let deadline = match silence {
                Silence::Probe => mountpoint.schedule.timeout,
                Silence::Request(deadline) => deadline,
            };
            let deadline = deadline.as_secs_f32();
            format!(": {operation}; slow, not hung? set mountpoint-deadline to more than {deadline} s")
        }
        Verdict::Dead(_) | Verdict::Gone | Verdict::Replaced | Verdict::Moved | Verdict::Disturbed(..) => {
            String::new()
        }
    }
}

impl Reporter {
    /// Says to systemd that the vassal serves.
    pub fn ready(&self, mountpoints: &[Mountpoint]) {
        self.remember(RestartRecord::served);
        let status = self.status(mountpoints);
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
    pub fn keep_alive(&self, mountpoints: &[Mountpoint]) {
        let status = self.status(mountpoints);
        self.notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    }

    /// The vassal stops.
    pub fn stopping(&self, command: &str) {
        let status = format!("stopping; waiting for {command}");
        self.notify(&[NotifyState::Stopping, NotifyState::Status(&status)]);
    }

    /// The stop goes on, and systemd is to wait for `limit` from now, whatever its unit says.
    pub fn still_stopping(&self, limit: Duration) {
        let limit = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
        self.notify(&[NotifyState::ExtendTimeoutUsec(limit)]);
    }

    /// One that has ended or is lost still saves what was written: no watchdog of systemd's is to end that.
    pub fn still_ending(&self) {
        self.notify(&[NotifyState::Watchdog]);
    }

    /// A status line of a vassal that does not serve.
    pub fn status_is(&self, status: &str) {
        self.notify(&[NotifyState::Status(status)]);
    }

    /// What the restart record says.
    pub fn remembered(&self) -> RestartRecord {
        self.record.as_ref().map(Store::read).unwrap_or_default()
    }

    /// The vassal has run long enough for its next failure to be a first one.
    pub fn settled(&self) {
        self.remember(RestartRecord::settled);
    }

    /// The vassal that served has been stopped, and everything is saved.
    pub fn stopped(&self) {
        self.remember(RestartRecord::stopped);
        self.status_is("stopped");
    }

    /// The same for one that did not serve yet: whether an administrator has stopped it or it has used up its time, the next
    /// start can tell.
    pub fn cut_short(&self) {
        self.unsaved("");
        self.status_is("stopped before it served");
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
        let cause = format!("{path} {verdict}");
        let loss = match verdict {
            // Its daemon saves now, or when it is unmounted with the others.
            Verdict::Gone | Verdict::Moved => "",
            Verdict::Hung(_) | Verdict::Disturbed(..) if mountpoint.is_hosts() => {
                "; it is a mount of the host's and left as it is"
            }
            Verdict::Dead(_) | Verdict::Hung(_) | Verdict::Replaced | Verdict::Disturbed(..) => {
                loss(mountpoint)
            }
        };
        let (origin, details) = (&mountpoint.watched.origin, details(mountpoint, verdict));
        let line = format!("{origin}: mountpoint-check: {cause}{details}{loss}");
        self.ended(&cause, ready_for, PROVEN);
        let errno = match verdict {
            Verdict::Dead(errno) => (errno as i32).to_string(),
            Verdict::Hung(_)
            | Verdict::Gone
            | Verdict::Replaced
            | Verdict::Moved
            | Verdict::Disturbed(..) => String::new(),
        };
        let fields = [
            ("VASSAL_MOUNTPOINT", path.as_str()),
            ("VASSAL_VERDICT", verdict.word()),
            ("ERRNO", &errno),
        ];
        let fields = if errno.is_empty() {
            &fields[..2]
        } else {
            &fields[..]
        };
        self.event(Priority::Error, verdict.message_id(), &line, fields);
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
    fn status(&self, mountpoints: &[Mountpoint]) -> String {
        let mut parts = vec!["serving".to_owned()];
        parts.extend(mountpoints.iter().map(Mountpoint::sentence));
        parts.push(self.history.clone());
        shortened(&parts.join("; "), STATUS_LIMIT)
    }

    fn remember(&self, change: impl FnOnce(&mut RestartRecord)) {
        if let Some(Err(error)) = self.record.as_ref().map(|record| record.update(change)) {
            log(Priority::Warning, &error.to_string());
        }
    }

    fn event(&self, priority: Priority, id: &str, message: &str, fields: &[(&str, &str)]) {
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
