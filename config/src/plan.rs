//! The plan: what the evaluated file means for a start, as data. `vassal-enter` executes it, tests compare it.

use crate::action::{self, Action, Refusal};
use crate::diagnostic::{Diagnostic, Origin};
use crate::emperor::Emperor;
use crate::entries::Entry;
use crate::identity::Identity;
use crate::phase::{HookKind, Phase, hook_option};
use crate::plugins::plugin_of;
use crate::settings::Settings;
use crate::socket::{Listener, listeners};
use crate::taker::{Taker, taker};

/// A hook as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Which of the five kinds of options.
    pub kind: HookKind,
    /// When it runs.
    pub phase: Phase,
    /// The option's value.
    pub value: Vec<u8>,
    /// The line.
    pub origin: Origin,
}

/// A hook as meant: one step, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// When it happens.
    pub phase: Phase,
    /// What happens.
    pub action: Action,
    /// The option's value, for messages.
    pub text: Vec<u8>,
    /// The line it comes from; `None` for a step that no line asks for.
    pub origin: Option<Origin>,
}

/// A mountpoint to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// An absolute path.
    pub path: Vec<u8>,
    /// The line.
    pub origin: Origin,
}

/// What is started in the end.
#[derive(Debug, Clone)]
pub enum Payload {
    /// uWSGI, which is given what is left of the configuration ([`crate::push`]).
    Uwsgi {
        /// The entries that are uWSGI's, in order.
        entries: Vec<Entry>,
    },
    /// Another program, as a shell command.
    Command {
        /// The shell text.
        command: Vec<u8>,
        /// `chdir` and `chdir2`, which uWSGI would have done.
        directory: Option<Vec<u8>>,
        /// The line.
        origin: Origin,
    },
}

/// Everything a start needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The steps up to the payload, in order.
    pub operations: Vec<Operation>,
    /// The steps after the payload has ended.
    pub atexit: Vec<Operation>,
    /// Who the payload runs as.
    pub identity: Identity,
    /// Whether the root directory changes, so that names of users are those of the new root.
    pub changes_root: bool,
    /// The mountpoints to watch.
    pub watch: Vec<Watch>,
    /// The sockets to bind; `entry` counts in the payload's entries.
    pub listeners: Vec<Listener>,
    /// What is probably wrong if the app does not load.
    pub app_hint: Option<String>,
    /// `env` lines: for the hooks and for the payload.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// What is started.
    pub payload: Payload,
    /// The settings of the `[vassal]` section.
    pub settings: Settings,
}

/// Compiles the effects of the evaluated `[uwsgi]` section ([`crate::entries::Evaluation::effects`]) and the settings
/// into a plan, with warnings about what runs, but not as written.
///
/// # Errors
/// The first line that cannot be done.
pub fn compile(
    entries: &[Entry],
    settings: Settings,
    emperor: &Emperor,
) -> Result<(Plan, Vec<Diagnostic>), Diagnostic> {
    let mut warnings = Vec::new();
    let mut hooks = emperor.hooks.clone();
    let mut watch = Vec::new();
    let mut environment = Vec::new();
    let mut left = Vec::new();
    for entry in entries {
        match taker(&entry.key) {
            Taker::Enter => {
                hooks.extend(hook_option(&entry.key).map(|(kind, phase)| Hook::new(kind, phase, entry)));
            }
            Taker::Watchdog => watch.push(mountpoint(entry)?),
            Taker::Language => {}
            Taker::Refused(reason) => return Err(refused(entry, reason)),
            Taker::NeverRuns(reason) => {
                let message = format!("'{}' {reason}, ignoring", entry.key.escape_ascii());
                warnings.push(Diagnostic::warning(Some(entry.origin.clone()), message));
            }
            Taker::Uwsgi => {
                environment.extend((entry.key == b"env").then(|| assignment(entry)).flatten());
                left.push(entry.clone());
            }
        }
    }
    let identity = Identity::from_entries(entries)?;
    if identity.uid.is_none() {
        let message = "no 'uid' is given: the app runs as root";
        warnings.push(Diagnostic::warning(None, message).with_hint("add uid = NAME"));
    }
    let (operations, atexit) = order(&hooks, root_change(entries)?)?;
    let app_hint = app_hint(&left);
    let payload = payload(&settings, left, !watch.is_empty());
    let listeners = match &payload {
        Payload::Uwsgi { entries } if !emperor.namespaces.net => listeners(entries),
        Payload::Uwsgi { .. } | Payload::Command { .. } => Vec::new(),
    };
    let changes_root = operations.iter().any(|operation| operation.phase == Phase::Jail);
    let plan = Plan {
        operations,
        atexit,
        identity,
        changes_root,
        watch,
        listeners,
        app_hint,
        environment,
        payload,
        settings,
    };
    Ok((plan, warnings))
}

/// Puts the hooks into the order in which they run: by phase, in a phase by kind, in a kind as written (ORD-1), with
/// the change of root and of user where they belong.
fn order(hooks: &[Hook], jail: Vec<Operation>) -> Result<(Vec<Operation>, Vec<Operation>), Diagnostic> {
    let mut sorted: Vec<&Hook> = hooks.iter().collect();
    sorted.sort_by_key(|hook| (hook.phase, hook.kind));
    let mut operations = jail;
    let mut atexit = Vec::new();
    for hook in sorted {
        let operation = Operation {
            phase: hook.phase,
            action: parse(hook)?,
            text: hook.value.clone(),
            origin: Some(hook.origin.clone()),
        };
        if hook.phase == Phase::AsUserAtexit {
            &mut atexit
        } else {
            &mut operations
        }
        .push(operation);
    }
    let drop = Operation {
        phase: Phase::AsUser,
        action: Action::BecomeUser,
        text: Vec::new(),
        origin: None,
    };
    operations.sort_by_key(|operation| operation.phase);
    let at = operations.partition_point(|operation| operation.phase < Phase::AsUser);
    operations.insert(at, drop);
    Ok((operations, atexit))
}

/// The action of a hook.
///
/// # Errors
/// The line, and why it cannot be done.
pub fn parse(hook: &Hook) -> Result<Action, Diagnostic> {
    let action = match hook.kind {
        HookKind::Hook => action::parse_hook(&hook.value),
        HookKind::Mount => action::parse_mount(&hook.value),
        HookKind::Umount => action::parse_umount(&hook.value),
        HookKind::Exec => Ok(action::exec(&hook.value)),
        HookKind::Call => action::parse_call(&hook.value),
    };
    action.map_err(|Refusal { message, hint }| {
        let diagnostic = Diagnostic::error(Some(hook.origin.clone()), message);
        match hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }
    })
}

/// `chroot` and `pivot_root`: the last line of each counts, chroot comes first (row 13 of ORD).
fn root_change(entries: &[Entry]) -> Result<Vec<Operation>, Diagnostic> {
    let last = |names: &[&[u8]]| {
        entries
            .iter()
            .rev()
            .find(|entry| names.contains(&entry.key.as_slice()))
    };
    let mut operations = Vec::new();
    let mut push = |entry: &Entry, action| {
        let text = entry.value.clone().unwrap_or_default();
        operations.push(Operation {
            phase: Phase::Jail,
            action,
            text,
            origin: Some(entry.origin.clone()),
        });
    };
    if let Some(entry) = last(&[b"chroot"]) {
        push(entry, Action::Chroot(entry.value.clone().unwrap_or_default()));
    }
    if let Some(entry) = last(&[b"pivot_root", b"pivot-root"]) {
        let value = entry.value.as_deref().unwrap_or_default();
        let mut fields = value.splitn(2, |byte| *byte == b' ');
        match (fields.next(), fields.next()) {
            (Some(new), Some(old)) if new.starts_with(b"/") && old.starts_with(b"/") => {
                push(entry, Action::PivotRoot(new.to_vec(), old.to_vec()));
            }
            _ => {
                let message = format!(
                    "pivot_root = {}: two absolute paths are needed",
                    value.escape_ascii()
                );
                let hint = "pivot_root = NEW OLD, with OLD below NEW";
                return Err(Diagnostic::error(Some(entry.origin.clone()), message).with_hint(hint));
            }
        }
    }
    Ok(operations)
}

fn payload(settings: &Settings, mut entries: Vec<Entry>, is_watched: bool) -> Payload {
    if let Some((command, origin)) = &settings.command {
        let chdir = entries
            .iter()
            .rev()
            .find(|entry| entry.key == b"chdir" || entry.key == b"chdir2");
        let directory = chdir.and_then(|entry| entry.value.clone());
        return Payload::Command {
            command: command.clone(),
            directory,
            origin: origin.clone(),
        };
    }
    let has = |names: &[&[u8]]| entries.iter().any(|entry| names.contains(&entry.key.as_slice()));
    let imply = |key: &[u8]| Entry {
        key: key.to_vec(),
        value: Some(b"true".to_vec()),
        origin: Origin::CommandLine,
    };
    let mut implied = Vec::new();
    // Who takes a line owes what it implied: uWSGI's mountpoint-check needs its master (MPC-1).
    if is_watched && !has(&[b"master"]) {
        implied.push(imply(b"master"));
    }
    // An app that does not load is a failed start here, not a server that answers 500 (CFG-2; compat row).
    if has(APPS) && !has(&[b"need-app"]) {
        implied.push(imply(b"need-app"));
    }
    entries.extend(implied);
    Payload::Uwsgi { entries }
}

/// Options that name an app to load at the start.
const APPS: &[&[u8]] = &[
    b"psgi",
    b"wsgi",
    b"wsgi-file",
    b"file",
    b"module",
    b"eval",
    b"paste",
    b"ini-paste",
    b"ini-paste-logged",
    b"pump",
    b"web3",
    b"pecan",
    b"rack",
    b"rails",
    b"lua",
    b"mount",
    b"jwsgi",
    b"mono-app",
];

/// An app's option without the plugin that knows it: a uWSGI without built-in plugins takes it for a placeholder and
/// loads nothing (SEED-1).
fn app_hint(entries: &[Entry]) -> Option<String> {
    const LOADERS: [&[u8]; 4] = [b"plugin", b"plugins", b"need-plugin", b"need-plugins"];
    let loads = |plugin: &[u8]| {
        let mut lines = entries
            .iter()
            .filter(|entry| LOADERS.contains(&entry.key.as_slice()));
        lines.any(|line| {
            line.value
                .as_deref()
                .unwrap_or_default()
                .windows(plugin.len())
                .any(|part| part == plugin)
        })
    };
    let mut apps = entries
        .iter()
        .filter(|entry| APPS.contains(&entry.key.as_slice()));
    let (entry, plugin) = apps.find_map(|entry| Some((entry, plugin_of(&entry.key)?)))?;
    (!loads(plugin.as_bytes())).then(|| {
        format!(
            "{}: '{}' needs a line 'plugin = {plugin}'",
            entry.origin,
            entry.key.escape_ascii()
        )
    })
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
        entry.key.escape_ascii(),
        path.escape_ascii()
    );
    Err(Diagnostic::error(Some(entry.origin.clone()), message).with_hint("begin it with '/'"))
}

fn refused(entry: &Entry, reason: &str) -> Diagnostic {
    Diagnostic::error(
        Some(entry.origin.clone()),
        format!("'{}' {reason}", entry.key.escape_ascii()),
    )
}

fn assignment(entry: &Entry) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = entry.value.as_deref()?;
    let equals = value.iter().position(|byte| *byte == b'=')?;
    Some((value[..equals].to_vec(), value[equals + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emperor::Namespaces;

    fn entries(text: &str) -> Vec<Entry> {
        let line = |(number, line): (usize, &str)| {
            let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
            let origin = Origin::File {
                name: b"u.ini".as_slice().into(),
                line: number as u32 + 1,
                column: 1,
            };
            Entry {
                key: key.into(),
                value: Some(value.into()),
                origin,
            }
        };
        text.lines().enumerate().map(line).collect()
    }

    fn plan(text: &str) -> Result<Plan, Diagnostic> {
        compile(&entries(text), Settings::default(), &Emperor::default()).map(|(plan, _)| plan)
    }

    fn shown(operations: &[Operation]) -> Vec<String> {
        let place = |operation: &Operation| operation.origin.as_ref().map_or("-".into(), ToString::to_string);
        let text = |operation: &Operation| String::from_utf8_lossy(&operation.text).into_owned();
        operations
            .iter()
            .map(|each| format!("{} {} {}", place(each), each.phase, text(each)))
            .collect()
    }

    const COPY_ON_WRITE: &str = "uid = user001
hook-as-root = mount:proc none /proc
hook-pre-jail = callret:chdir /
pivot_root = /ufs /ufs/.old_root
exec-as-root = id
hook-as-root = umount:/.old_root rec,detach
exec-as-user = true
hook-in-jail = print:x
exec-as-user-atexit = fusermount -u /app
hook-pre-jail = exec:unionfs-fuse /ufs
mountpoint-check = /
psgi = /var/www/myapp.pl";

    #[test]
    fn the_steps_are_in_the_order_in_which_uwsgi_does_them() {
        let plan = plan(COPY_ON_WRITE).unwrap();
        assert_eq!(
            shown(&plan.operations),
            [
                "u.ini:3 pre-jail callret:chdir /",
                "u.ini:10 pre-jail exec:unionfs-fuse /ufs",
                "u.ini:8 in-jail print:x",
                "u.ini:4 jail /ufs /ufs/.old_root",
                "u.ini:2 as-root mount:proc none /proc",
                "u.ini:6 as-root umount:/.old_root rec,detach",
                "u.ini:5 as-root id",
                "- as-user ",
                "u.ini:7 as-user true",
            ]
        );
        assert_eq!(shown(&plan.atexit), ["u.ini:9 as-user-atexit fusermount -u /app"]);
        assert!(plan.changes_root);
        assert_eq!(plan.watch[0].path, b"/");
    }

    #[test]
    fn what_is_left_for_uwsgi_is_its_own_and_what_the_taken_lines_implied() {
        let Payload::Uwsgi { entries } = plan(COPY_ON_WRITE).unwrap().payload else {
            panic!("not uwsgi")
        };
        let keys: Vec<_> = entries
            .iter()
            .map(|entry| String::from_utf8_lossy(&entry.key))
            .collect();
        assert_eq!(keys, ["psgi", "master", "need-app"]);
    }

    #[test]
    fn a_line_that_cannot_be_done_is_told_with_its_place() {
        const CASES: &[(&str, &str)] = &[
            (
                "uid = u\nhook-asap = mout:x",
                "u.ini:2: unknown hook action 'mout' (did you mean 'mount'?)",
            ),
            (
                "pivot_root = /ufs",
                "u.ini:1: pivot_root = /ufs: two absolute paths are needed",
            ),
            (
                "mountpoint-check = app",
                "u.ini:1: mountpoint-check = app: not an absolute path",
            ),
            ("unshare = fs", "u.ini:1: 'unshare' is not supported"),
        ];
        for (text, message) in CASES {
            let error = plan(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn an_app_without_its_plugin_is_what_is_wrong_if_it_does_not_load() {
        let hint = |text| plan(text).unwrap().app_hint;
        assert_eq!(
            hint("uid = u\npsgi = /a.pl").as_deref(),
            Some("u.ini:2: 'psgi' needs a line 'plugin = psgi'")
        );
        assert_eq!(hint("plugins = 0:psgi,http\npsgi = /a.pl"), None);
        assert_eq!(hint("plugin = python3\nwsgi-file = /a.py"), None);
    }

    #[test]
    fn sockets_are_left_to_uwsgi_in_a_network_namespace_of_its_own() {
        let text = entries("http-socket = :9090");
        let count = |net| {
            let mut emperor = Emperor::default();
            emperor.namespaces = Namespaces {
                net,
                ..Namespaces::default()
            };
            compile(&text, Settings::default(), &emperor)
                .unwrap()
                .0
                .listeners
                .len()
        };
        assert_eq!((count(false), count(true)), (1, 0));
    }
}
