//! The last step: everything the watchdog needs, and the exec that puts it in this process's place.

use crate::app::channel::AppChannel;
use crate::failure::Failure;
use crate::hooks::atexit_record::Record;
use crate::hooks::output::HookOutput;
use crate::inside::prepared::{Prepared, Started};
use nix::fcntl::AtFlags;
use nix::unistd::execveat;
use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::restart_only;
use vassal_state::codec::leave;
use vassal_state::handoff::{Descriptors, Handoff};
use vassal_state::health::Place;
use vassal_state::reload_channel::{Control, endless_pipe};
use vassal_state::unsent::Unsent;
use vassal_sys::caps;
use vassal_sys::error::Context;

/// Leaves everything to `vassal-watchdog` and becomes it, through a descriptor: its path is the old root's.
///
/// # Errors
/// `EMFILE`, `ENOMEM`, what execveat(2) says.
pub fn become_watchdog(
    prepared: &Prepared<'_>,
    proc: &OwnedFd,
    log: HookOutput,
    app_channel: AppChannel,
    started: &Started,
) -> Result<Infallible, Failure> {
    let invocation = prepared.invocation;
    let settings = &prepared.plan.settings;
    let survivor = log.into_survivor();
    let atexit = started.record.as_ref().map(Record::store).transpose()?;
    let enter = atexit.as_ref().map(|_| prepared.programs.enter.as_fd());
    let (emperor, config, pushed, payload_notify) = match &app_channel {
        AppChannel::Uwsgi {
            emperor,
            config,
            pushed,
            ..
        } => (Some(emperor), Some(config), Some(pushed), None),
        AppChannel::Notify(socket, _) => (None, None, None, Some(socket)),
        AppChannel::None => (None, None, None, None),
    };
    let (request, answer) = (endless_pipe(proc)?, endless_pipe(proc)?);
    let control = Control {
        keys: leave(started.keys.as_ref().map(|keys| keys.directory.as_fd()))?,
        copies: started
            .keys
            .as_ref()
            .map_or_else(Vec::new, |keys| keys.names.clone()),
        ..control(prepared, pushed, [&request, &answer])
    };
    let control = control.store()?;
    let mut handoff = Handoff {
        vassal: invocation.display_name(),
        unit: invocation.vassal.unit(),
        payload: started.payload.as_raw(),
        command: command(&prepared.plan.payload),
        app_hint: prepared.plan.app_hint.clone().unwrap_or_default(),
        is_init: prepared.plan.namespaces.pid,
        owns_mounts: prepared.plan.owns_mounts,
        foreign: started.foreign.clone(),
        watched: started.watched.clone(),
        readiness: app_channel.readiness(&prepared.plan.ready),
        stop_signal: settings.stop_signal,
        reload_signal: settings.reload_signal.unwrap_or(0),
        stop_limit: settings.stop_limit,
        atexit_limit: settings.atexit_limit,
        interval: settings.interval.unwrap_or_default(),
        deadline: settings.deadline.unwrap_or_default(),
        keep_alive: invocation.keep_alive,
        loaded: prepared.loaded,
        fds: Descriptors {
            notify: leave(invocation.notifier.socket())?,
            journal: leave(invocation.journal.socket())?,
            fusectl: leave(invocation.fusectl.as_ref().map(AsFd::as_fd))?,
            restart_record: leave(Some(invocation.record.file().as_fd()))?,
            log: leave(survivor.as_ref().map(AsFd::as_fd))?,
            emperor: leave(emperor.map(AsFd::as_fd))?,
            config: leave(config.map(AsFd::as_fd))?,
            pushed: leave(pushed.map(AsFd::as_fd))?,
            payload_notify: leave(payload_notify.map(AsFd::as_fd))?,
            proc: leave(Some(proc.as_fd()))?,
            host_mounts: leave(Some(prepared.host_mounts.as_fd()))?,
            host_proc: leave(Some(prepared.host_proc.as_fd()))?,
            enter: leave(enter)?,
            atexit: leave(atexit.as_ref().map(AsFd::as_fd))?,
            control: leave(Some(control.as_fd()))?,
            request: leave(Some(request.as_fd()))?,
            answer: leave(Some(answer.as_fd()))?,
            health: leave(invocation.health.as_ref().map(Place::directory))?,
        },
        unsent: Unsent::default(),
    };
    // As late as possible: the end of the process before this one is work, which the app would have to wait for.
    invocation.notifier.dismiss()?;
    handoff.unsent = Unsent::of(&invocation.notifier, &invocation.journal)?;
    let record = handoff.store()?;
    let number = leave(Some(record.as_fd()))?.unwrap_or_default();
    if !started.has_roots_hooks {
        caps::limit_bounding_set(caps::OF_WATCHDOG)?;
    }
    execute(&prepared.programs.watchdog, number, &handoff.vassal)
}

/// What a reload has to know of this start.
fn control(prepared: &Prepared<'_>, pushed: Option<&OwnedFd>, pipes: [&OwnedFd; 2]) -> Control {
    let plan = prepared.plan;
    let [request, answer] = pipes.map(AsRawFd::as_raw_fd);
    let sockets = plan.listeners.iter().zip(&prepared.sockets);
    let variables = plan.operations.iter();
    let variables = variables.filter_map(|operation| match &operation.action {
        Action::SetEnvironment(name, value) if operation.phase == Phase::Settings => {
            Some((name.clone(), value.clone()))
        }
        _ => None,
    });
    let lasting = restart_only::parts(prepared.vassal).into_iter();
    Control {
        request,
        answer,
        pushed: pushed.map(AsRawFd::as_raw_fd),
        sockets: sockets
            .map(|(listener, open)| (listener.address.to_string(), open.fd.as_raw_fd()))
            .collect(),
        lasting: lasting.map(|(name, value)| (name.to_owned(), value)).collect(),
        environment: variables.collect(),
        ..Control::default()
    }
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

/// What the payload is called in messages: the last part of its program's path.
fn command(payload: &Payload) -> String {
    match payload {
        Payload::Uwsgi { .. } => "uwsgi".into(),
        Payload::Command { command, .. } => {
            let mut words = command
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty() && *word != b"exec");
            let program = words.next().unwrap_or_default();
            let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            vassal_escape::shortened(&vassal_escape::printable(name), 60)
        }
    }
}
