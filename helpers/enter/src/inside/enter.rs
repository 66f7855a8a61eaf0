//! Inside the namespaces: from the clone to the watchdog.

use crate::app::channel;
use crate::app::launch::{Launch, Pace};
use crate::app::supervise::{Bound, Control, Outcome, Supervisor};
use crate::failure::{AppFailure, Failure, HookFailure};
use crate::handed_over::files;
use crate::handed_over::keys;
use crate::handed_over::keys::Keys;
use crate::hooks::atexit_record::Record;
use crate::hooks::output::HookOutput;
use crate::hooks::own_root::OwnRoot;
use crate::hooks::refusal::place as place_of;
use crate::hooks::run::RootHooks;
use crate::hooks::session::Session;
use crate::inside::handoff;
use crate::inside::prepared::{Prepared, Started};
use crate::invocation::Invocation;
use crate::mountpoints;
use crate::namespaces;
use crate::sockets::open::Open;
use crate::sockets::store;
use crate::sockets::unix;
use crate::stop::Stop;
use crate::user::{Lookup, resolve};
use nix::unistd::Pid;
use std::convert::Infallible;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_config::vassal::socket::{Address, Listener};
use vassal_state::handoff::Watched;
use vassal_sys::clone::{Side, fork};
use vassal_sys::mounts;

/// Sets the namespaces up, runs the phases, starts the app, and becomes the watchdog.
///
/// # Errors
/// The first step that fails.
pub fn enter(mut prepared: Prepared<'_>) -> Result<Infallible, Failure> {
    // Here: root in the host, the only process of new namespaces, its mounts still the host's peers.
    let proc = namespaces::isolate(prepared.plan.namespaces).map_err(Failure::Namespace)?;
    // Here: root inside, no mount shared with anybody, no process of the host in sight.
    let plan = prepared.plan;
    let foreign = mountpoints::devices(&proc)?;
    let mut log = HookOutput::new()?;
    let (as_root, as_user) = split(plan.split_emperors().1);
    let stop = Stop::here(&prepared.stop, prepared.invocation.health.as_ref());
    let mut session = Session::of_start(plan, prepared.invocation.environment.to_vec(), &proc, &stop);
    let hooks = RootHooks {
        log: &mut log,
        stop: &stop,
        limit: plan.settings.hook_limit,
    };
    run_as_root(hooks, as_root, &mut session, plan, || {
        bind_as_root(&mut prepared.sockets, plan, prepared.invocation, &proc)
    })?;
    let credentials = match (&prepared.credentials, &session.own_root) {
        (Some(credentials), _) => credentials.clone(),
        (None, Some(own)) => own.credentials(plan, &proc)?,
        (None, None) => resolve(&plan.identity, Lookup::OwnRoot, &proc)?,
    };
    files::prepare(plan, as_user, &credentials)?;
    let keys = Keys::make(&prepared.key_copies, &credentials)?;
    if let Some(keys) = &keys {
        place_keys(keys, plan, as_user)?;
    }
    let app_channel = channel::make(plan, &prepared.sockets, keys.as_ref())?;
    let pace = pace(as_user, plan, &session);
    let launch = Launch {
        operations: as_user,
        credentials: &credentials,
        environment: session.apps_environment(),
        own_environment: app_channel.environment(plan),
        sockets: &prepared.sockets,
        keys: keys.as_ref(),
        plan,
        wrapper: prepared.emperor.wrapper.as_deref(),
        file: prepared.invocation.vassal.file(),
        kept: app_channel.payloads_descriptors(&prepared.sockets),
        proc: &proc,
        log: log.writer(),
        output: session.output.as_ref().map(AsFd::as_fd),
        stream: prepared.stream.as_ref(),
        pace,
    };
    let watched = match pace {
        Pace::AtOnce => Some(find_mounts(prepared.invocation, plan, &proc)?),
        Pace::WhenTold => None,
    };
    let (payload, control) = fork_app(launch)?;
    session.write_pid(payload)?;
    let supervisor = Supervisor {
        control: &control,
        operations: as_user,
        log: &mut log,
        stop: &stop,
        limit: plan.settings.hook_limit,
        bound: Vec::new(),
    };
    let (watched, bound) = let_go(supervisor, prepared.invocation, plan, &proc, watched)?;
    keep_bound(&mut prepared.sockets, plan, prepared.invocation, bound)?;
    // Here: the app runs as its user; what is left is root, and becomes the watchdog.
    let record = Record::of(plan, &credentials, session.apps_environment());
    let started = Started {
        payload,
        watched,
        foreign,
        has_roots_hooks: record.is_some() && credentials.stays_root(),
        record,
        keys,
    };
    handoff::become_watchdog(&prepared, &proc, log, app_channel, &started)
}

/// Mounts the copies of keys, or makes sure that the app's process can.
fn place_keys(keys: &Keys, plan: &Plan, as_user: &[Operation]) -> Result<(), Failure> {
    let has_hooks = as_user
        .iter()
        .any(|operation| operation.action != Action::BecomeUser);
    match plan.owns_mounts {
        true => keys.mount(plan),
        false => keys::refuse_mounts(plan, has_hooks),
    }
}

/// The steps before the change of user, with the sockets that root binds among them.
fn run_as_root(
    mut hooks: RootHooks<'_>,
    steps: &[Operation],
    session: &mut Session<'_>,
    plan: &Plan,
    bind: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let before = |phase: Phase| steps.partition_point(|step| step.phase < phase);
    let (unshare, jail) = (before(Phase::Unshare), before(Phase::Jail));
    hooks.run(&steps[..unshare], session)?;
    bind()?;
    hooks.run(&steps[unshare..jail], session)?;
    // Here: still in the host's root directory, where layers and the host's names can be looked up.
    session.own_root = OwnRoot::judge(plan, session.proc)?;
    hooks.run(&steps[jail..], session)?;
    old_root_is_gone(&steps[jail..], session)
}

/// Where a hook has unmounted the old root, nothing may have been in the way: not even what a tenant had mounted over it.
fn old_root_is_gone(steps: &[Operation], session: &mut Session<'_>) -> Result<(), Failure> {
    let Some(old) = session.old_root.take() else {
        return Ok(());
    };
    let place = steps.iter().find_map(|step| match &step.action {
        Action::PivotRoot(new, old) => {
            let (new, old) = (
                Path::new(OsStr::from_bytes(new)),
                Path::new(OsStr::from_bytes(old)),
            );
            Some(Path::new("/").join(old.strip_prefix(new).ok()?))
        }
        _ => None,
    });
    let is_asked = |step: &&Operation| match &step.action {
        Action::Umount(target, _) => place.as_deref() == Some(Path::new(OsStr::from_bytes(target))),
        _ => false,
    };
    match steps.iter().find(is_asked) {
        Some(step) if mounts::is_mounted(&old) => {
            Err(Failure::from(HookFailure::OldRootMounted).at(&place_of(step)))
        }
        _ => Ok(()),
    }
}

/// The unix sockets that the app's process has bound are kept from now on.
fn keep_bound(
    sockets: &mut [Open],
    plan: &Plan,
    invocation: &Invocation,
    bound: Bound,
) -> Result<(), Failure> {
    for (index, file) in bound {
        let listener = plan.listeners.get(index);
        let address = listener.map(|listener| &listener.address);
        if let (Some(open), Some(Address::Unix(path))) = (sockets.get_mut(index), address) {
            store::renew(open, path, file, invocation)?;
        }
    }
    Ok(())
}

/// Forks the process that becomes the app.
fn fork_app(launch: Launch<'_>) -> Result<(Pid, Control), Failure> {
    let (control, theirs) = Control::pair()?;
    match fork()? {
        Side::Parent(payload) => Ok((payload, control)),
        Side::Child => {
            drop(control);
            launch.run(&theirs)
        }
    }
}

/// `chown-socket`: the unix sockets are root's to bind, before anything about the root directory changes.
fn bind_as_root(
    sockets: &mut [Open],
    plan: &Plan,
    invocation: &Invocation,
    proc: &OwnedFd,
) -> Result<(), Failure> {
    if plan.unix.owner.is_none() {
        return Ok(());
    }
    for (open, listener) in sockets.iter_mut().zip(&plan.listeners) {
        let Address::Unix(path) = &listener.address else {
            continue;
        };
        if let Some(file) = unix::settle(open, listener, &plan.unix, proc)? {
            store::renew(open, path, file, invocation)?;
        }
    }
    Ok(())
}

/// Whether the app's process has to say something, or to wait for something, before it becomes the app.
fn pace(as_user: &[Operation], plan: &Plan, session: &Session<'_>) -> Pace {
    let is_hook = |operation: &Operation| operation.action != Action::BecomeUser;
    let is_unix = |listener: &Listener| matches!(listener.address, Address::Unix(_));
    let binds = plan.unix.owner.is_none() && plan.listeners.iter().any(is_unix);
    match binds || !session.pidfiles.is_empty() || as_user.iter().any(is_hook) {
        true => Pace::WhenTold,
        false => Pace::AtOnce,
    }
}

/// Takes note of the mountpoints as they are now.
fn find_mounts(invocation: &Invocation, plan: &Plan, proc: &OwnedFd) -> Result<Vec<Watched>, Failure> {
    mountpoints::resolve(&plan.watch, proc).map_err(|failure| proven(failure, invocation))
}

/// Waits for the as-user hooks, takes note of the mountpoints, unless that has been done, and lets the process become
/// the app.
fn let_go(
    mut supervisor: Supervisor<'_>,
    invocation: &Invocation,
    plan: &Plan,
    proc: &OwnedFd,
    watched: Option<Vec<Watched>>,
) -> Result<(Vec<Watched>, Bound), Failure> {
    let watched = match watched {
        Some(watched) => watched,
        None => {
            let watched = match supervisor.wait()? {
                Outcome::Ready => find_mounts(invocation, plan, proc)?,
                Outcome::Gone => {
                    return Err(AppFailure::Killed.into());
                }
                Outcome::Stopped => supervisor.stop.obey(),
            };
            supervisor.control.go()?;
            watched
        }
    };
    match supervisor.wait()? {
        Outcome::Ready | Outcome::Gone => Ok((watched, supervisor.bound)),
        Outcome::Stopped => supervisor.stop.obey(),
    }
}

/// A vassal that has served since it was started has no wrong configuration: what is not there comes again, such as the
/// mount of a daemon outside, which its own unit is about to make.
fn proven(failure: Failure, invocation: &Invocation) -> Failure {
    match invocation.record.read().has_served {
        false => failure,
        true => Failure::Proven(Box::new(failure)),
    }
}

fn split(operations: &[Operation]) -> (&[Operation], &[Operation]) {
    let is_change = |operation: &Operation| operation.action == Action::BecomeUser;
    operations.split_at(operations.iter().position(is_change).unwrap_or(operations.len()))
}
