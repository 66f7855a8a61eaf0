//! Decides when an attempt that follows failed ones is made. systemd restarts the unit at once, so that a first restart
//! costs no time. While a vassal has failed for only a few seconds, the pause is made here, inside the unit, and the
//! sockets stay open. After that the unit fails, so that units ordered after it can go on, and [`crate::start::retry`]
//! tries again (ARCHITECTURE D11).

use crate::failure::Failure;
use crate::health;
use crate::invocation::{Invocation, START_LIMIT};
use crate::start::pause::{Pause, pause};
use crate::start::query::systemctl;
use crate::start::{last_words, retry, source};
use nix::sys::signal::Signal;
use sd_notify::NotifyState;
use std::time::{Duration, SystemTime};
use vassal_state::health::State;
use vassal_state::restart_record;
use vassal_state::restart_record::{Next, RestartRecord, since_boot};
use vassal_sys::error::Context;
use vassal_sys::signals;
use vassal_systemd::status;

/// What this start has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Make an attempt.
    Go,
    /// Fail; vassal-retry@.service tries again.
    Later,
    /// End, because systemd wants the vassal stopped. The next start begins a new series.
    Stopped,
}

/// Waits until this attempt may begin, and counts it. The wait is cut short when a mount of the host's returns whose
/// loss has ended the last attempt.
///
/// # Errors
/// When the signals cannot be read or the record cannot be written.
pub fn wait_for_turn(invocation: &Invocation) -> Result<Turn, Failure> {
    let mut record = invocation.record.read();
    if record.was_cut_short() && !was_restarted_by_systemd(invocation) {
        record.stopped();
    }
    let (now, pauses) = (since_boot(), source::pauses(&record, &invocation.environment));
    let since = record.since_begun(now);
    let turn = record.turn(now, pauses);
    last_words::add(&mut record, turn, &invocation.vassal.unit());
    let time = match turn {
        // The next connection starts a failed vassal on demand, perhaps much later, so its pauses are always made here.
        restart_record::Turn::After(time) | restart_record::Turn::Later(time) if invocation.is_on_demand => {
            time.saturating_sub(since)
        }
        restart_record::Turn::After(time) => time,
        restart_record::Turn::Later(time) => match leave_outside(invocation, &mut record)? {
            Outside::Waits => {
                let status = waiting(&record, time);
                invocation.notifier.send(&[NotifyState::Status(&status)])?;
                invocation.health_is(State::Waiting, &record, Some(SystemTime::now() + time));
                return Ok(Turn::Later);
            }
            Outside::Stopped => return stopped(invocation),
            Outside::Cannot => time,
        },
    };
    if !time.is_zero() && wait(invocation, &record, time)? == Pause::Stopped {
        return stopped(invocation);
    }
    record.begin(time, since_boot());
    invocation.record.write(&record)?;
    invocation.health_is(State::Starting, &record, None);
    Ok(Turn::Go)
}

fn stopped(invocation: &Invocation) -> Result<Turn, Failure> {
    invocation.record.update(RestartRecord::stopped)?;
    health::remove(invocation.health.as_ref());
    invocation
        .notifier
        .send(&[NotifyState::Status(status::STOPPED.0)])?;
    Ok(Turn::Stopped)
}

/// The result of leaving the pause to vassal-retry@.service.
enum Outside {
    Waits,
    Cannot,
    Stopped,
}

/// Lets vassal-retry@.service make the pause. A request to stop is noticed meanwhile; if systemd handles it before it
/// starts the retry, the retry has to find out that it is not wanted.
fn leave_outside(invocation: &Invocation, record: &mut RestartRecord) -> Result<Outside, Failure> {
    let stop = signals::take(&[Signal::SIGTERM])?;
    let can_wait = can_wait_outside(invocation, record);
    let is_stopped = is_to_stop(&invocation.vassal.unit());
    if stop.read_signal().context(|| "read signals")?.is_some() || is_stopped {
        return Ok(Outside::Stopped);
    }
    signals::reset()?;
    Ok(match can_wait {
        true => Outside::Waits,
        false => Outside::Cannot,
    })
}

/// Whether systemd has queued a stop of `unit`; it may not have sent the signal yet.
fn is_to_stop(unit: &str) -> bool {
    let jobs = systemctl(&["list-jobs", "--no-legend", "--full", "--plain", "--", unit]);
    let jobs = jobs.unwrap_or_default();
    let jobs = String::from_utf8_lossy(&jobs);
    // The columns are the job's number, its unit, its type and its state.
    let mut types = jobs.lines().filter_map(|job| job.split_whitespace().nth(2));
    types.any(|kind| matches!(kind, "stop" | "restart"))
}

/// Starts vassal-retry@.service. If that is impossible the pause is made here, which is better than none.
fn can_wait_outside(invocation: &Invocation, record: &mut RestartRecord) -> bool {
    // The unit has been started again after exit code `LATER`, so it lacks RestartPreventExitStatus= and would never
    // fail.
    if record.next == Next::Retry {
        return false;
    }
    let arranged = retry::arrange(invocation, record);
    if let Err(error) = &arranged {
        let unit = retry::unit(&invocation.vassal);
        invocation.warn(&format!("cannot start '{unit}': {error}; waiting here"));
    }
    arranged.is_ok()
}

fn wait(invocation: &Invocation, record: &RestartRecord, time: Duration) -> Result<Pause, Failure> {
    let limit = u32::try_from((time + START_LIMIT).as_micros()).unwrap_or(u32::MAX);
    invocation.notifier.send(&[
        NotifyState::Status(&waiting(record, time)),
        NotifyState::ExtendTimeoutUsec(limit),
    ])?;
    invocation.health_is(State::Waiting, record, Some(SystemTime::now() + time));
    let ended = pause(time, &record.cause, Some(&invocation.notifier))?;
    if ended == Pause::Over {
        let number = record.attempts.saturating_add(1);
        let status = status::ATTEMPT.with(&[("number", &number), ("cause", &record.cause)]);
        invocation.notifier.send(&[NotifyState::Status(&status)])?;
    }
    Ok(ended)
}

fn waiting(record: &RestartRecord, time: Duration) -> String {
    status::WAITING.with(&[
        ("seconds", &time.as_secs()),
        ("number", &record.attempts.saturating_add(1)),
        ("cause", &record.cause),
    ])
}

/// Whether systemd restarted the unit by itself, and not an administrator with `systemctl restart` while the vassal was
/// not ready, which begins a new series. Nothing that systemd passes to this process tells the two apart, so systemctl
/// is asked, which costs a process; therefore only in this case.
fn was_restarted_by_systemd(invocation: &Invocation) -> bool {
    let unit = invocation.vassal.unit();
    let answer = systemctl(&["show", "--property=NRestarts", "--value", "--", &unit]);
    // Without an answer a series of failures goes on.
    answer.map_or(true, |answer| answer.trim_ascii() != b"0")
}
