//! Compiles an evaluated file into a plan.

use crate::diagnostic::{Diagnostic, quote};
use crate::emperor::settings::Emperor;
use crate::hooks::action::Action;
use crate::hooks::hook::Hook;
use crate::hooks::phase::{Phase, hook_option};
use crate::language::evaluation::entry::{Entry, has};
use crate::options::disposition::Disposition;
use crate::options::id::Id;
use crate::users::identity::Identity;
use crate::vassal::address::{Address, UnixOptions};
use crate::vassal::key_files::key_files;
use crate::vassal::logs;
use crate::vassal::payload;
use crate::vassal::payload::Payload;
use crate::vassal::plan::{Operation, Plan, Watch};
use crate::vassal::root_files;
use crate::vassal::settings::liveness::Watchdog;
use crate::vassal::settings::{Ready, Settings, Socket};
use crate::vassal::socket;
use crate::vassal::socket::{Found, Listener, leave_shared, line_of, listeners};
use crate::vassal::steps;
use crate::vassal::workers;
use vassal_escape::printable;

/// The lines of a file, sorted by their dispositions.
#[derive(Debug, Default)]
struct Sorted {
    hooks: Vec<Hook>,
    ours: Vec<Entry>,
    watch: Vec<Watch>,
    left: Vec<Entry>,
    warnings: Vec<Diagnostic>,
    errors: Vec<Diagnostic>,
}

/// Compiles `[uwsgi]`, given by its effects ([`crate::language::evaluation::evaluate::Evaluation::effects`]), and the
/// settings into a plan. Also returns warnings about things that work, but not as written.
///
/// # Errors
/// All lines that cannot be carried out.
pub fn compile(
    entries: &[Entry],
    settings: Settings,
    emperor: &Emperor,
) -> Result<(Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut sorted = sort(entries);
    sorted.hooks.splice(0..0, emperor.hooks.iter().cloned());
    let identity = user(entries, emperor, &mut sorted);
    let steps = steps::of(&sorted.ours, emperor.namespaces, &mut sorted.errors);
    let (mut operations, atexit) = order(&mut sorted, &steps);
    if emperor.owns(&identity) {
        give_hooks_to_the_user(&mut operations);
    }
    if !sorted.errors.is_empty() {
        return Err(sorted.errors);
    }
    add_on_demand_socket(&settings, &mut sorted.left);
    let app_hint = payload::app_hint(&sorted.left);
    let payload = payload::of(&settings, sorted.left, &sorted.ours, !sorted.watch.is_empty());
    let own_network = emperor.namespaces.net || steps.unshared.net;
    let (uwsgis, unix) = match &payload {
        Payload::Uwsgi { entries: uwsgis, .. } => (uwsgis.as_slice(), UnixOptions::of(entries)),
        Payload::Command { .. } => (Default::default(), settings.unix.clone()),
    };
    if let Some(error) = misplaced(&payload, &settings, own_network) {
        return Err(vec![error]);
    }
    let listeners = bound(&payload, &settings, own_network);
    let ready = ready(&payload, &settings, &listeners, &mut sorted.warnings);
    let plan = Plan {
        changes_root: operations.iter().any(|operation| operation.phase == Phase::Jail),
        operations,
        atexit,
        namespaces: emperor.namespaces.with(steps.cloned),
        owns_mounts: emperor.namespaces.with(steps.unshared).mount,
        identity,
        watch: sorted.watch,
        listeners,
        unix,
        handed: root_files::of(uwsgis),
        key_files: key_files(uwsgis),
        app_hint,
        shells: steps.shells,
        payload,
        ready,
        heartbeat: emperor.time_limits.heartbeat,
        settings,
    };
    Ok((plan, sorted.warnings))
}

/// Adds the line by which uWSGI gets the on-demand socket, unless a line names its address.
fn add_on_demand_socket(settings: &Settings, left: &mut Vec<Entry>) {
    if settings.command.is_none() {
        let socket = settings.on_demand_socket.as_ref();
        let line = socket.and_then(|socket| line_of(socket, left));
        left.extend(line);
    }
}

/// The app's user, which is the emperor's if the file names none. Removes hooks that do not run for such a user.
fn user(entries: &[Entry], emperor: &Emperor, sorted: &mut Sorted) -> Identity {
    let mut identity = Identity::from_entries(entries, &mut sorted.warnings).unwrap_or_else(|error| {
        sorted.errors.push(error);
        Identity::default()
    });
    emperor.complete(&mut identity);
    if emperor.owns(&identity) {
        leave_out_roots(&mut sorted.hooks, &mut sorted.warnings);
    }
    if identity.uid.is_none() {
        let message = "no 'uid' is given: the app runs as root";
        let warning = Diagnostic::warning(None, message).with_hint("add uid = NAME");
        sorted.warnings.push(warning);
    }
    identity
}

/// The sockets that are bound for the app. In a network namespace of the vassal's own, uWSGI itself binds all but unix
/// sockets.
fn bound(payload: &Payload, settings: &Settings, own_network: bool) -> Vec<Listener> {
    let mut bound = match payload {
        Payload::Uwsgi { entries, .. } => listeners(entries, settings.on_demand_socket.as_ref()),
        Payload::Command { .. } => socket::of_command(settings),
    };
    // A uWSGI without workers reports that it has started, but does not do so if it has to look for its sockets
    // (measured).
    if !matches!(payload, Payload::Uwsgi { entries, .. } if workers::accept(entries)) {
        bound.retain(|listener| listener.found != Found::Place);
    }
    let shared = socket::shared(&bound);
    bound.retain(|listener| match &listener.address {
        Address::Tcp(_) => !own_network || listener.is_on_demand,
        Address::Unix(_) => true,
    });
    leave_shared(&mut bound, shared);
    bound
}

/// How the app's readiness is recognised: by the setting in `[vassal]`; otherwise uWSGI reports it, or one of its
/// workers if it has any.
fn ready(
    payload: &Payload,
    settings: &Settings,
    listeners: &[Listener],
    warnings: &mut Vec<Diagnostic>,
) -> Ready {
    match (payload, &settings.ready) {
        (Payload::Uwsgi { .. }, Some(Ready::Notify)) => {
            let message = "notify: uWSGI says to its Emperor when it serves, ignoring";
            warnings.push(Diagnostic::warning(None, message).with_hint("leave notify out of [vassal]"));
            Ready::Accepting
        }
        (Payload::Command { .. }, Some(Ready::Accepting)) if listeners.is_empty() => {
            let message = "ready = accepting: the command has no 'socket' to accept from, ignoring";
            let hint = "write an address, or notify = true";
            warnings.push(Diagnostic::warning(None, message).with_hint(hint));
            Ready::Started
        }
        (_, Some(ready)) => ready.clone(),
        (Payload::Uwsgi { entries, .. }, None) if workers::accept(entries) => Ready::Accepting,
        (Payload::Command { .. }, None) if !listeners.is_empty() => Ready::Accepting,
        (_, None) => Ready::Started,
    }
}

/// An error about a `socket` or `watchdog` line in `[vassal]` that cannot be carried out.
fn misplaced(payload: &Payload, settings: &Settings, own_network: bool) -> Option<Diagnostic> {
    let error = |socket: &Socket, message: &str, hint: &str| {
        Diagnostic::error(Some(socket.origin.clone()), message).with_hint(hint)
    };
    let mut sockets = settings.sockets.iter();
    match payload {
        Payload::Uwsgi { .. } => {
            let socket = sockets.next().map(|socket| {
                let hint = "write http-socket or socket in [uwsgi]";
                error(
                    socket,
                    "socket: it is for a 'command', and uWSGI is started",
                    hint,
                )
            });
            socket.or_else(|| match &settings.watchdog {
                Some(Watchdog::Within(_, origin)) => {
                    let message =
                        "watchdog: uWSGI sends no WATCHDOG=1, and would be restarted again and again";
                    let hint = "write health = http://ADDRESS/PATH in its place";
                    Some(Diagnostic::error(Some(origin.clone()), message).with_hint(hint))
                }
                Some(Watchdog::Off) | None => None,
            })
        }
        Payload::Command { .. } if own_network => sockets
            .find(|socket| matches!(socket.address, Address::Tcp(_)))
            .map(|socket| {
                let message = "socket: the vassal has a network of its own, and this one would be the host's";
                error(
                    socket,
                    message,
                    "listen on a path, or let the command bind it itself",
                )
            }),
        Payload::Command { .. } => None,
    }
}

/// Removes as-root hooks: an Emperor that has a user never runs those of its vassals (ORD-6, measured), because it has
/// dropped root before.
fn leave_out_roots(hooks: &mut Vec<Hook>, warnings: &mut Vec<Diagnostic>) {
    hooks.retain(|hook| {
        let is_roots = hook.phase == Phase::AsRoot;
        if is_roots {
            let message = format!(
                "{} is not run, as under uWSGI: this vassal's user is the Emperor's, which is not root",
                quote(&hook.option)
            );
            let warning = Diagnostic::warning(Some(hook.origin.clone()), message);
            warnings.push(warning.with_hint("give the vassal a uid of its own"));
        }
        !is_roots
    });
}

/// The vassal's other hooks then run as its user, so they are moved behind the change of user, in unchanged order.
fn give_hooks_to_the_user(operations: &mut Vec<Operation>) {
    let is_hook = |operation: &Operation| operation.kind.is_some();
    let is_roots = |operation: &Operation| operation.phase < Phase::AsUser;
    let (hooks, mut rest): (Vec<_>, Vec<_>) = std::mem::take(operations)
        .into_iter()
        .partition(|operation| is_hook(operation) && is_roots(operation));
    let at = after_user(&rest);
    rest.splice(
        at..at,
        hooks.into_iter().map(|hook| Operation {
            phase: Phase::AsUser,
            ..hook
        }),
    );
    *operations = rest;
}

/// The position right after the change of user.
pub(crate) fn after_user(operations: &[Operation]) -> usize {
    let becomes = operations
        .iter()
        .position(|each| each.action == Action::BecomeUser);
    becomes.map_or(operations.len(), |at| at + 1)
}

fn sort(entries: &[Entry]) -> Sorted {
    let mut sorted = Sorted::default();
    let is_emperor = has(entries, &[Id::Emperor]);
    for entry in entries {
        match entry.disposition() {
            Disposition::Enter => match hook_option(&entry.key) {
                Some((kind, phase)) => sorted.hooks.push(Hook::new(kind, phase, entry)),
                None => sorted.ours.push(entry.clone()),
            },
            Disposition::EnterAndUwsgi => {
                sorted.ours.push(entry.clone());
                sorted.left.push(entry.clone());
            }
            Disposition::Watchdog => match mountpoint(entry) {
                Ok(watch) => sorted.watch.push(watch),
                Err(error) => sorted.errors.push(error),
            },
            Disposition::Language | Disposition::Unit => {}
            Disposition::Emperor if is_emperor => sorted.left.push(entry.clone()),
            Disposition::Emperor | Disposition::Ignored => sorted.warnings.push(ignored(entry)),
            Disposition::Refused => sorted.errors.push(refused(entry)),
            Disposition::Uwsgi => sorted.left.push(entry.clone()),
        }
    }
    let (log, ours): (Vec<_>, Vec<_>) = std::mem::take(&mut sorted.ours)
        .into_iter()
        .partition(|entry| logs::is_log(entry) && !logs::opens_log(entry, &sorted.left));
    sorted.left.extend(log);
    sorted.ours = ours;
    sorted
}

/// Sorts the hooks into the order in which they run: by phase, then by kind, then as written (ORD-1). The other steps
/// and the change of user are put into their places.
fn order(sorted: &mut Sorted, steps: &steps::Steps) -> (Vec<Operation>, Vec<Operation>) {
    sorted.hooks.sort_by_key(|hook| (hook.phase, hook.kind));
    let mut operations = Vec::new();
    for hook in &sorted.hooks {
        match hook.action() {
            Err(error) => sorted.errors.push(error),
            Ok(_) if hook.phase == Phase::PostJail && !steps.is_jailed => {
                sorted.warnings.push(never_jailed(hook));
            }
            Ok(action) => operations.push(Operation {
                phase: hook.phase,
                kind: Some(hook.kind),
                action,
                option: hook.option.clone(),
                text: hook.value.clone(),
                origin: Some(hook.origin.clone()),
            }),
        }
    }
    let is_atexit = |operation: &Operation| operation.phase == Phase::AsUserAtexit;
    let (atexit, mut operations): (Vec<_>, Vec<_>) = operations.into_iter().partition(is_atexit);
    operations.extend(steps.operations.iter().cloned());
    // A stable sort: within a phase the hooks stay before other steps (ORD row 12: file-write after in-jail).
    operations.sort_by_key(|operation| operation.phase);
    let drop = Operation {
        phase: Phase::AsUser,
        kind: None,
        action: Action::BecomeUser,
        option: Vec::new(),
        text: Vec::new(),
        origin: None,
    };
    let at = operations.partition_point(|operation| operation.phase < Phase::AsUser);
    operations.insert(at, drop);
    (operations, atexit)
}

fn mountpoint(entry: &Entry) -> Result<Watch, Diagnostic> {
    let path = entry.value.clone().unwrap_or_default();
    if path.first() == Some(&b'/') {
        return Ok(Watch {
            path,
            origin: entry.origin.clone(),
        });
    }
    let message = format!(
        "{} = {}: not an absolute path",
        printable(&entry.key),
        printable(&path)
    );
    Err(Diagnostic::error(Some(entry.origin.clone()), message).with_hint("begin it with '/'"))
}

fn refused(entry: &Entry) -> Diagnostic {
    let message = format!("'{}' is not supported: {}", printable(&entry.key), entry.why());
    Diagnostic::error(Some(entry.origin.clone()), message)
}

fn ignored(entry: &Entry) -> Diagnostic {
    let message = format!("'{}' has no effect: {}", printable(&entry.key), entry.why());
    Diagnostic::warning(Some(entry.origin.clone()), message)
}

fn never_jailed(hook: &Hook) -> Diagnostic {
    let message = format!(
        "'{}' has no effect: it runs only after unshare or with jailed (ORD-2)",
        printable(&hook.option)
    );
    Diagnostic::warning(Some(hook.origin.clone()), message)
}

#[cfg(test)]
mod tests;
