//! `vassal-enter --reload`, which `systemctl reload vassal@NAME` runs in the host's namespaces. It reads the file as
//! uWSGI would at a reload (`if-reload`), starts the next app beside the present one ([`successor`]) or gives the
//! present one its new configuration, waits until the app serves, and reports what would need a restart. A failure
//! leaves everything as it is.

mod join;
mod successor;
mod utc;

use crate::app::channel::configuration as configuration_of;
use crate::environment::{Inherited, inherited};
use crate::failure::{Failure, ServiceFailure};
use crate::handed_over::keys;
use crate::handed_over::renew;
use crate::invocation::vassal_of;
use crate::start::last_words;
use crate::start::source;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::env;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::SystemTime;
use successor::{Beside, Outcome, hear};
use utc::utc;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::vassals::EMPEROR_FILE;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::read;
use vassal_config::vassal::read::Vassal;
use vassal_config::vassal::reload::overlap::{Decision, decide};
use vassal_config::vassal::reload::restart_only;
use vassal_config::vassal::settings::Reload;
use vassal_escape::unit_name::escape;
use vassal_state::reload_channel::Watchdog;
use vassal_state::reload_outcome;
use vassal_state::request::{Answer, Request, pair};
use vassal_sys::error::Context;
use vassal_sys::signals;
use vassal_systemd::journal::{Priority, log};

/// The variable that makes `if-reload` true (REL-3).
const IS_RELOAD: &[u8] = b"UWSGI_RELOADS";

/// Reloads the vassal of the unit instance `instance`, and leaves the result for vassal-emperor.
///
/// # Errors
/// Errors in the file; an app that cannot be reloaded, or does not serve afterwards.
pub fn run(instance: &[u8]) -> Result<(), Failure> {
    // Done first, so that a stop during a reload is never reported as a failure.
    let stop = signals::take(&[Signal::SIGTERM])?;
    let name = vassal_of(instance)?;
    let reloaded = running(&name, &stop);
    leave_outcome(&name, &reloaded);
    reloaded.map(|parts| log_differences(&name, &parts))
}

/// Reloads the vassal whose watchdog is `$MAINPID`. Returns the settings that differ and need a restart.
fn running(name: &VassalName, stop: &SignalFd) -> Result<Vec<&'static str>, Failure> {
    let main = env::var("MAINPID").ok().and_then(|number| number.parse().ok());
    let main = main.ok_or(ServiceFailure::NoMainProcess)?;
    let watchdog = Watchdog::find(Pid::from_raw(main))?;
    let reloaded = reload(&watchdog, name, stop);
    let why = match &reloaded {
        Ok(parts) if parts.is_empty() => String::new(),
        Ok(parts) => format!("a restart takes: {}", parts.join(", ")),
        Err(failure) => format!("a reload failed: {}", failure.public()),
    };
    differ(&watchdog, why)?;
    reloaded
}

/// Leaves the result for vassal-emperor, which reads it when systemd's job has ended.
fn leave_outcome(name: &VassalName, reloaded: &Result<Vec<&'static str>, Failure>) {
    let outcome = match reloaded {
        Ok(parts) => reload_outcome::Outcome {
            code: 0,
            text: parts.join(", "),
            public: parts.join(", "),
        },
        Err(failure) => reload_outcome::Outcome {
            code: failure.code(),
            text: failure.to_string(),
            public: failure.public().to_string(),
        },
    };
    let place = Path::new(reload_outcome::DIRECTORY);
    if let Err(error) = reload_outcome::leave(place, &escape(name.bytes()), &outcome) {
        log(Priority::Warning, &format!("{error}, ignoring"));
    }
}

/// Reloads, and returns the settings that differ and need a restart.
fn reload(watchdog: &Watchdog, name: &VassalName, stop: &SignalFd) -> Result<Vec<&'static str>, Failure> {
    let environment = inherited();
    let emperor = source::read_emperor(Path::new(EMPEROR_FILE), &environment)?;
    let found = source::find_file(&emperor, name, || {})?.ok_or_else(|| source::missing(&emperor, name))?;
    let read = |environment: Inherited| read::read(&emperor, name, &found.world(environment));
    let started = read(environment.clone())?;
    let reloaded = read(
        [&environment[..], &[(IS_RELOAD.to_vec(), b"1".to_vec())]]
            .concat()
            .into(),
    )?;
    for warning in &reloaded.warnings {
        log(Priority::Warning, &warning.to_string());
    }
    std::env::set_current_dir(&found.directory)
        .context(|| format!("change to '{}'", found.directory.display()))?;
    renew::keys(watchdog, &reloaded.plan)?;
    let decision = decide_for(watchdog, &reloaded.plan);
    match decision.reload {
        Reload::Overlap => {
            overlap(&Beside {
                watchdog,
                name,
                emperor: &emperor,
                started: &started,
                reloaded: &reloaded,
                stop,
            })?;
        }
        Reload::InPlace => in_place(watchdog, &decision, &reloaded, stop)?,
    }
    Ok(changed(watchdog, &started, decision.reload))
}

/// Decides how to reload. If the watchdog lacks a socket of the file, only uWSGI itself can bind it, in place.
fn decide_for(watchdog: &Watchdog, plan: &Plan) -> Decision {
    let known = &watchdog.control.sockets;
    let is_new = |address: String| !known.iter().any(|kept| kept.address == address);
    let mut listeners = plan.listeners.iter();
    let new = listeners.find(|listener| is_new(listener.address.to_string()));
    match (new, decide(plan)) {
        (Some(listener), decision) if decision.reload == Reload::Overlap => Decision {
            reload: Reload::InPlace,
            reason: format!("{} is not bound yet", listener.address),
            origin: Some(listener.origin.clone()),
        },
        (_, decision) => decision,
    }
}

/// Starts the next app beside the present one.
fn overlap(beside: &Beside<'_>) -> Result<(), Failure> {
    let Outcome { process, refused } = beside.start()?;
    match refused {
        None => Ok(()),
        Some(reason) => {
            let said = process.and_then(last_words::of_process);
            let said = said.map_or_else(String::new, |said| format!("; its last words: {said}"));
            Err(ServiceFailure::GoesOn { reason, said }.into())
        }
    }
}

/// Lets the present app reload itself.
fn in_place(
    watchdog: &Watchdog,
    decision: &Decision,
    reloaded: &Vassal,
    stop: &SignalFd,
) -> Result<(), Failure> {
    let Decision { reason, origin, .. } = decision;
    let place = origin
        .as_ref()
        .map_or_else(String::new, |origin| format!("{origin}: "));
    log(Priority::Info, &format!("{place}reload in place: {reason}"));
    let pushed = match &reloaded.plan.payload {
        Payload::Uwsgi { entries, .. } => Some(memory(&configuration(watchdog, entries, &reloaded.plan)?)?),
        Payload::Command { .. } => None,
    };
    let (answers, answered) = pair()?;
    let requester = watchdog.copy_of(watchdog.control.requester)?;
    Request::InPlace { pushed }.send(&requester, &answered)?;
    drop((answered, requester));
    match hear(&answers, stop)? {
        Some(Answer::Known | Answer::Done) => Ok(()),
        Some(Answer::Refused(reason)) => Err(ServiceFailure::Refused { reason }.into()),
        // The watchdog has ended, and the vassal with it; systemd restarts it.
        None => Err(ServiceFailure::Ended.into()),
    }
}

/// The configuration for uWSGI when it asks. It refers to the sockets that uWSGI already has.
fn configuration(watchdog: &Watchdog, entries: &[Entry], plan: &Plan) -> Result<Vec<u8>, Failure> {
    let number = |address: String| {
        let mut sockets = watchdog.control.sockets.iter();
        sockets
            .find(|kept| kept.address == address)
            .map(|kept| kept.inside)
    };
    let listeners = plan.listeners.iter();
    let sockets = listeners.filter_map(|listener| Some((listener, number(listener.address.to_string())?)));
    let changed = changed_variables(&watchdog.control.settings, plan);
    let key = |path: &[u8]| keys::instead(&watchdog.control.copies, path);
    configuration_of(&[entries, &changed].concat(), plan, sockets, key)
}

fn memory(message: &[u8]) -> Result<OwnedFd, Failure> {
    let step = || "keep the configuration";
    let mut file = File::from(memfd_create(c"vassal-config", MFdFlags::MFD_CLOEXEC).context(step)?);
    file.write_all(message).context(step)?;
    Ok(file.into())
}

/// The `env` lines that were changed. Unchanged variables are left alone, because hooks may have changed them in the
/// app's environment.
fn changed_variables(before: &[(Vec<u8>, Vec<u8>)], plan: &Plan) -> Vec<Entry> {
    let settings = plan.operations.iter();
    let settings = settings.filter(|operation| operation.phase == Phase::Settings);
    let entry = |(name, value): (&Vec<u8>, &Vec<u8>), origin| {
        let is_new = !before.iter().any(|(known, old)| known == name && old == value);
        is_new.then(|| {
            Entry::new(
                b"env".to_vec(),
                Some([name.as_slice(), b"=", value].concat()),
                origin,
            )
        })
    };
    settings
        .filter_map(|operation| match (&operation.action, &operation.origin) {
            (Action::SetEnvironment(name, value), Some(origin)) => entry((name, value), origin.clone()),
            _ => None,
        })
        .collect()
}

/// The settings of the file that are not in effect in the running vassal.
fn changed(watchdog: &Watchdog, started: &Vassal, reload: Reload) -> Vec<&'static str> {
    let before = &watchdog.control.restart_only;
    let is_taken = |part: &str| reload == Reload::Overlap && restart_only::is_programs(part);
    let parts = restart_only::parts(started).into_iter();
    let mut changed: Vec<&str> = parts
        .filter(|(part, now)| before.iter().any(|(known, was)| known == part && was != now))
        .map(|(part, _)| part)
        .filter(|part| !is_taken(part))
        .collect();
    let listeners = started.plan.listeners.iter();
    let now: Vec<String> = listeners.map(|listener| listener.address.to_string()).collect();
    let open = &watchdog.control.sockets;
    if now.len() != open.len() || open.iter().any(|kept| !now.contains(&kept.address)) {
        changed.push("sockets");
    }
    changed
}

/// Makes the status line say what of the file is not in effect.
fn differ(watchdog: &Watchdog, why: String) -> Result<(), Failure> {
    let (_answers, answered) = pair()?;
    let requester = watchdog.copy_of(watchdog.control.requester);
    // A watchdog that has ended has no status line.
    if let Ok(requester) = requester {
        let since = utc(SystemTime::now());
        Request::Differs { since, why }.send(&requester, &answered)?;
    }
    Ok(())
}

/// Logs one line about the settings that are not in effect.
fn log_differences(name: &VassalName, changed: &[&str]) {
    let unit = name.unit();
    if changed.is_empty() {
        log(Priority::Info, "reloaded");
    } else {
        let parts = changed.join(", ");
        let message =
            format!("reloaded; restart needed for what has changed in: {parts} (systemctl restart {unit})");
        log(Priority::Warning, &message);
    }
}
