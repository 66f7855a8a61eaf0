//! The last step of a start: collects what the watchdog needs, and executes the watchdog in this process.

use crate::app::channel::AppChannel;
use crate::app::liveness;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::hooks::atexit_record::Record;
use crate::hooks::output::HookOutput;
use crate::inside::prepared::{Prepared, Started};
use crate::sockets::open::Open;
use nix::fcntl::AtFlags;
use nix::unistd::{Pid, Uid, execveat};
use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::reload::restart_only;
use vassal_config::vassal::socket::Listener;
use vassal_state::app::App;
use vassal_state::codec::leave;
use vassal_state::descriptors::{Descriptors, Name};
use vassal_state::handoff::Handoff;
use vassal_state::health::Place;
use vassal_state::reload_channel::{Control, Kept};
use vassal_state::request;
use vassal_state::unsent::Unsent;
use vassal_sys::creds::Credentials;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, caps};

/// How many keep-alives systemd gets within `WatchdogSec=`.
const KEEP_ALIVES: u32 = 3;

/// Hands everything over to `vassal-watchdog` and executes it by descriptor, because its path belongs to the old root.
///
/// # Errors
/// `EMFILE`, `ENOMEM`; any error of execveat(2).
pub fn become_watchdog(
    prepared: &Prepared<'_>,
    proc: &Proc,
    log: HookOutput,
    app_channel: AppChannel,
    started: &Started<'_>,
) -> Result<Infallible, Failure> {
    let invocation = prepared.invocation;
    let made = Made::for_watchdog(prepared, proc, log, started)?;
    let fds = descriptors(prepared, proc, &app_channel, &made)?;
    let mut handoff = handoff(prepared, &app_channel, started, fds)?;
    // As late as possible: the exit of the previous process takes processor time that the app needs.
    invocation.notifier.dismiss()?;
    handoff.unsent = Unsent::of(&invocation.notifier, &invocation.journal)?;
    let record = handoff.store()?;
    let number = leave(Some(record.as_fd()))?.unwrap_or_default();
    if !started.has_roots_hooks {
        caps::limit_bounding_set(caps::OF_WATCHDOG)?;
    }
    execute(&prepared.programs.watchdog, number, &handoff.vassal)
}

/// Descriptors that are created for the watchdog.
struct Made {
    log: Option<OwnedFd>,
    atexit: Option<OwnedFd>,
    control: OwnedFd,
    /// The watchdog's end of the socket for reloads, and the end that reloads copy.
    requests: OwnedFd,
    requester: OwnedFd,
}

impl Made {
    fn for_watchdog(
        prepared: &Prepared<'_>,
        proc: &Proc,
        log: HookOutput,
        started: &Started<'_>,
    ) -> Result<Self, SysError> {
        let log = log.into_survivor();
        let atexit = started.record.as_ref().map(Record::store).transpose()?;
        let (requests, requester) = request::pair()?;
        let control = Control {
            requester: requester.as_raw_fd(),
            proc: proc.as_fd().as_raw_fd(),
            keys: leave(started.keys.as_ref().map(|keys| keys.directory.as_fd()))?,
            ..control(prepared, started)
        };
        Ok(Self {
            log,
            atexit,
            control: control.store()?,
            requests,
            requester,
        })
    }
}

/// All descriptors that the watchdog gets.
fn descriptors(
    prepared: &Prepared<'_>,
    proc: &Proc,
    app_channel: &AppChannel,
    made: &Made,
) -> Result<Descriptors, SysError> {
    let invocation = prepared.invocation;
    let atexit = made.atexit.as_ref().map(AsFd::as_fd);
    let place = prepared.place.as_ref().map(|place| place.file().as_fd());
    let rows = [
        (Name::Notify, invocation.notifier.socket()),
        (Name::Journal, invocation.journal.socket()),
        (Name::Fusectl, invocation.fusectl.as_ref().map(AsFd::as_fd)),
        (Name::RestartRecord, Some(invocation.record.file().as_fd())),
        (Name::Log, made.log.as_ref().map(AsFd::as_fd)),
        (Name::Proc, Some(proc.as_fd())),
        (Name::HostMounts, Some(prepared.host_mounts.as_fd())),
        (Name::HostProc, Some(prepared.host_proc.as_fd())),
        (Name::Enter, atexit.map(|_| prepared.programs.enter.as_fd())),
        (Name::Atexit, atexit),
        (Name::Control, Some(made.control.as_fd())),
        (Name::Requests, Some(made.requests.as_fd())),
        (Name::Requester, Some(made.requester.as_fd())),
        (Name::Place, place),
        (Name::Health, invocation.health.as_ref().map(Place::directory)),
    ];
    Descriptors::of(rows.into_iter().chain(of_app(app_channel)))
}

/// The watchdog's ends of the app's connections.
fn of_app(channel: &AppChannel) -> Vec<(Name, Option<BorrowedFd<'_>>)> {
    match channel {
        AppChannel::Uwsgi {
            emperor,
            config,
            pushed,
            ..
        } => vec![
            (Name::Emperor, Some(emperor.as_fd())),
            (Name::Config, Some(config.as_fd())),
            (Name::Pushed, Some(pushed.as_fd())),
        ],
        AppChannel::Notify(socket, _) => vec![(Name::PayloadNotify, Some(socket.as_fd()))],
        AppChannel::None => Vec::new(),
    }
}

/// The record for the watchdog.
fn handoff(
    prepared: &Prepared<'_>,
    app_channel: &AppChannel,
    started: &Started<'_>,
    fds: Descriptors,
) -> Result<Handoff, SysError> {
    let invocation = prepared.invocation;
    let settings = &prepared.plan.settings;
    let mut sockets = prepared.sockets.iter();
    Ok(Handoff {
        vassal: invocation.display_name(),
        unit: invocation.vassal.unit(),
        app: app(
            prepared.plan,
            app_channel,
            (started.payload, started.credentials),
            invocation.watchdog,
        ),
        sockets: sockets.try_fold(Vec::new(), |mut numbers, open| {
            numbers.extend(leave(Some(open.fd.as_fd()))?);
            Ok::<_, SysError>(numbers)
        })?,
        is_init: prepared.plan.namespaces.pid,
        owns_mounts: prepared.plan.owns_mounts,
        foreign: started.foreign.clone(),
        watched: started.watched.clone(),
        atexit_limit: settings.atexit_limit,
        interval: settings.interval.unwrap_or_default(),
        deadline: settings.deadline.unwrap_or_default(),
        is_on_demand: invocation.is_on_demand,
        keep_alive: invocation.watchdog / KEEP_ALIVES,
        loaded: prepared.loaded,
        fds,
        unsent: Unsent::default(),
    })
}

/// The app as the watchdog has to know it; `watchdog` is the unit's `WatchdogSec=`.
pub fn app(plan: &Plan, channel: &AppChannel, (pid, user): (Pid, &Credentials), watchdog: Duration) -> App {
    let settings = &plan.settings;
    let uid = user.uid.map(Uid::as_raw);
    App {
        pid: pid.as_raw(),
        command: command(&plan.payload),
        hint: plan.app_hint.clone().unwrap_or_default(),
        readiness: channel.readiness(plan),
        stop_signal: settings.stop_signal,
        reload_signal: settings.reload_signal.unwrap_or(0),
        stop_limit: settings.stop_limit,
        health: liveness::health(plan),
        heartbeat: liveness::heartbeat(plan, channel, watchdog).or_else(|| liveness::of_uwsgi(plan)),
        sender: uid.filter(|_| !plan.namespaces.pid),
    }
}

/// The record for reloads.
fn control(prepared: &Prepared<'_>, started: &Started<'_>) -> Control {
    let sockets = prepared.plan.listeners.iter().zip(&prepared.sockets);
    let kept = |(listener, open): (&Listener, &Open)| Kept {
        address: listener.address.to_string(),
        number: open.fd.as_raw_fd(),
        inside: open.fd.as_raw_fd(),
    };
    let restart_only = restart_only::parts(prepared.vassal).into_iter();
    let keys = started.keys.as_ref();
    Control {
        sockets: sockets.map(kept).collect(),
        restart_only: restart_only
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        settings: settings(prepared.plan),
        environment: started.environment.clone(),
        // The app's process was forked in this process's directory.
        directory: std::env::current_dir()
            .unwrap_or_default()
            .into_os_string()
            .into_vec(),
        credentials: started.credentials.clone(),
        copies: keys.map_or_else(Vec::new, |keys| keys.names.clone()),
        watchdog: prepared.invocation.watchdog,
        ..Control::default()
    }
}

/// The `env` lines of `plan`.
pub fn settings(plan: &Plan) -> Environment {
    let settings = plan.operations.iter();
    let settings = settings.filter_map(|operation| match &operation.action {
        Action::SetEnvironment(name, value) if operation.phase == Phase::Settings => {
            Some((name.clone(), value.clone()))
        }
        _ => None,
    });
    settings.collect()
}

fn execute(watchdog: &OwnedFd, record: i32, vassal: &str) -> Result<Infallible, Failure> {
    let name = CString::new(vassal).unwrap_or_default();
    let number = CString::new(record.to_string()).unwrap_or_default();
    let arguments: [&CStr; 3] = [c"vassal-watchdog", &number, &name];
    let environment: [&CStr; 0] = [];
    execveat(watchdog, c"", &arguments, &environment, AtFlags::AT_EMPTY_PATH)
        .context(|| "become vassal-watchdog")
        .map_err(Failure::from)
}

/// The name of the payload for messages: the last component of its program's path.
fn command(payload: &Payload) -> String {
    match payload {
        Payload::Uwsgi { .. } => "uwsgi".into(),
        Payload::Command { command, .. } => {
            let name = program(command);
            vassal_escape::shortened(&vassal_escape::printable(name), 60)
        }
    }
}

/// The program that `command` starts, which everybody may read. Variables before it are skipped, because their values
/// may come from a file that only root may read. If such a value contains a quote, only a shell could tell where it
/// ends, so the answer is `sh`.
fn program(command: &[u8]) -> &[u8] {
    const QUOTES: &[u8] = b"'\"\\`$";
    let words = command.split(u8::is_ascii_whitespace);
    let mut words = words
        .filter(|word| !word.is_empty() && *word != b"exec")
        .peekable();
    while let Some(variable) = words.next_if(|word| is_variable(word)) {
        if variable.iter().any(|byte| QUOTES.contains(byte)) {
            return b"sh";
        }
    }
    let program = words.next().unwrap_or_default();
    program.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Whether the word has the form `NAME=VALUE`.
fn is_variable(word: &[u8]) -> bool {
    let mut sides = word.splitn(2, |byte| *byte == b'=');
    let name = sides.next().unwrap_or_default();
    let is_name = name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    is_name && !name.is_empty() && sides.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_is_told_and_no_value_of_a_variable() {
        const CASES: &[(&str, &str)] = &[
            ("exec /srv/app/serve --token=x", "serve"),
            ("TOKEN=a/b exec /srv/app/serve", "serve"),
            ("exec TOKEN=a OTHER= serve", "serve"),
            ("TOKEN=\"a b\" serve", "sh"),
            ("TOKEN=$(cat /x) serve", "sh"),
            ("a-b=c", "a-b=c"),
            ("", ""),
        ];
        for (command, expected) in CASES {
            assert_eq!(program(command.as_bytes()), expected.as_bytes(), "{command}");
        }
    }
}
