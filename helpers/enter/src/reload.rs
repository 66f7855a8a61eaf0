//! `vassal-enter --reload`: what `systemctl reload vassal@NAME` runs, in the host's namespaces. It reads the file again
//! as uWSGI would at a reload (`if-reload`), gives the running app its new configuration, waits until it serves, and
//! says what would take a restart. An error leaves everything as it is.

use crate::app::channel::configuration as configuration_of;
use crate::environment::{Inherited, inherited};
use crate::failure::{Failure, ServiceFailure};
use crate::handed_over::keys;
use crate::handed_over::renew;
use crate::invocation::vassal_of;
use crate::start::source;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, read};
use std::env;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::vassals::EMPEROR_FILE;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::read;
use vassal_config::vassal::read::Vassal;
use vassal_config::vassal::restart_only;
use vassal_escape::unit_name::escape;
use vassal_state::reload_channel::{DONE, RELOAD, Watchdog};
use vassal_state::reload_outcome::{self, Outcome};
use vassal_sys::error::Context;
use vassal_systemd::journal::{Priority, log};

/// Its presence is what makes `if-reload` true (REL-3).
const IS_RELOAD: &[u8] = b"UWSGI_RELOADS";
/// How long the app may take, less than `TimeoutStartSec=`, which counts for a reload, too: uWSGI gives its workers 60 s
/// to finish (worker-reload-mercy).
const LIMIT: Duration = Duration::from_secs(85);

/// Reloads the vassal of the unit instance `instance`, and leaves what came of it to vassal-emperor.
///
/// # Errors
/// What is wrong in the file; an app that cannot be reloaded, or does not come back.
pub fn run(instance: &[u8]) -> Result<(), Failure> {
    let name = vassal_of(instance)?;
    let reloaded = reload(&name);
    let outcome = match &reloaded {
        Ok(changed) => Outcome {
            code: 0,
            text: changed.join(", "),
            public: changed.join(", "),
        },
        Err(failure) => Outcome {
            code: failure.code(),
            text: failure.to_string(),
            public: failure.public().to_string(),
        },
    };
    let place = Path::new(reload_outcome::DIRECTORY);
    if let Err(error) = reload_outcome::leave(place, &escape(name.bytes()), &outcome) {
        log(Priority::Warning, &format!("{error}, ignoring"));
    }
    reloaded.map(drop)
}

/// The parts of the file that only a restart changes, where they have changed.
fn reload(name: &VassalName) -> Result<Vec<&'static str>, Failure> {
    let main = env::var("MAINPID").ok().and_then(|number| number.parse().ok());
    let main = main.ok_or(ServiceFailure::NoMainProcess)?;
    let watchdog = Watchdog::find(Pid::from_raw(main))?;
    let environment = inherited();
    let emperor = source::read_emperor(Path::new(EMPEROR_FILE), &environment)?;
    let found = source::find_file(&emperor, name)?.ok_or_else(|| source::missing(&emperor, name))?;
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
    renew::keys(&watchdog, &reloaded.plan)?;
    let before = match &reloaded.plan.payload {
        Payload::Uwsgi { entries, .. } => Some(exchange(
            &watchdog,
            &configuration(&watchdog, entries, &reloaded.plan)?,
        )?),
        Payload::Command { .. } => None,
    };
    if let Err(failure) = ask(&watchdog) {
        if let Some(before) = before {
            exchange(&watchdog, &before)?;
        }
        return Err(failure);
    }
    Ok(report(&watchdog, name, &started))
}

/// What uWSGI is to be given when it asks. Its sockets are those it has.
fn configuration(watchdog: &Watchdog, entries: &[Entry], plan: &Plan) -> Result<Vec<u8>, Failure> {
    let number = |address: String| {
        let mut sockets = watchdog.control.sockets.iter();
        sockets
            .find(|(open, _)| *open == address)
            .map(|(_, number)| *number)
    };
    let listeners = plan.listeners.iter();
    let sockets = listeners.filter_map(|listener| Some((listener, number(listener.address.to_string())?)));
    let changed = changed_variables(&watchdog.control.environment, plan);
    let key = |path: &[u8]| keys::instead(&watchdog.control.copies, path);
    configuration_of(&[entries, &changed].concat(), plan, sockets, key)
}

/// Puts `message` in the place of what uWSGI would be given, and returns that.
fn exchange(watchdog: &Watchdog, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut file = watchdog.pushed()?;
    let step = || "replace the app's configuration";
    let mut before = Vec::new();
    file.read_to_end(&mut before).context(step)?;
    file.set_len(0).context(step)?;
    file.write_all_at(message, 0).context(step)?;
    Ok(before)
}

/// The `env` lines that are not as they were: the others are in the app's environment, where hooks may have changed them.
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

/// Has the watchdog pass the reload on, and waits until the app serves again.
fn ask(watchdog: &Watchdog) -> Result<(), Failure> {
    let (mut request, answers) = watchdog.pipes()?;
    // What an earlier reload did not wait for.
    while read(&answers, &mut [0; 16]).is_ok_and(|length| length > 0) {}
    request.write_all(&[RELOAD]).context(|| "ask for a reload")?;
    drop(request);
    match answer(&answers)? {
        Some(DONE) => Ok(()),
        Some(_) => Err(ServiceFailure::NoReload.into()),
        None => Err(ServiceFailure::NotServing { limit: LIMIT }.into()),
    }
}

fn answer(answers: &OwnedFd) -> Result<Option<u8>, Failure> {
    let end = Instant::now() + LIMIT;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(answers.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).context(|| "wait for the app")?;
        let mut byte = [0];
        match read(answers, &mut byte) {
            Ok(1) => return Ok(Some(byte[0])),
            // The watchdog is gone, and with it the vassal: systemd starts it again.
            Ok(_) => return Err(ServiceFailure::Ended.into()),
            Err(_) => {}
        }
    }
}

/// One line for what is in the file and not in the running vassal.
fn report(watchdog: &Watchdog, name: &VassalName, started: &Vassal) -> Vec<&'static str> {
    let before = &watchdog.control.lasting;
    let parts = restart_only::parts(started).into_iter();
    let mut changed: Vec<&'static str> = parts
        .filter(|(part, now)| before.iter().any(|(known, was)| known == part && was != now))
        .map(|(part, _)| part)
        .collect();
    let listeners = started.plan.listeners.iter();
    let now: Vec<String> = listeners.map(|listener| listener.address.to_string()).collect();
    let open = &watchdog.control.sockets;
    if now.len() != open.len() || open.iter().any(|(address, _)| !now.contains(address)) {
        changed.push("sockets");
    }
    let unit = name.unit();
    if changed.is_empty() {
        log(Priority::Info, "reloaded");
    } else {
        let parts = changed.join(", ");
        let message =
            format!("reloaded; restart needed for what has changed in: {parts} (systemctl restart {unit})");
        log(Priority::Warning, &message);
    }
    changed
}
