//! Describes a step of a plan in words.

use vassal_config::hooks::action::{Action, Awaited, OnFailure, WriteMode};
use vassal_config::hooks::namespaces::{Namespace, Namespaces};
use vassal_config::users::identity::{Identity, Named};
use vassal_config::vassal::plan::Operation;
use vassal_escape::printable;

/// A verb, and the rest of the sentence; both are printable.
pub fn describe(operation: &Operation, identity: &Identity) -> (&'static str, String) {
    let text = |bytes: &[u8]| printable(bytes);
    let both = |one: &[u8], other: &[u8]| format!("{} {}", printable(one), printable(other));
    match &operation.action {
        Action::Exec { command, failure } => match failure {
            OnFailure::Fatal => ("run", text(command)),
            OnFailure::Logged => ("run", format!("{} (may fail)", text(command))),
        },
        Action::ChangeDirectory(path) => ("chdir", text(path)),
        Action::MakeDirectory(path) => ("mkdir", text(path)),
        Action::SetEnvironment(name, value) => ("set", format!("{}={}", text(name), text(value))),
        Action::UnsetEnvironment(name) => ("unset", text(name)),
        Action::ReadEnvdir(path) => ("set all of", text(path)),
        Action::SetUmask(mask) => ("umask", format!("{mask:03o}")),
        Action::SetMode(path, mode) => ("chmod", format!("{mode:04o} {}", text(path))),
        Action::SetSticky(path) => ("chmod", format!("+t {}", text(path))),
        Action::SetOwner(path, user, group) => {
            ("chown", format!("{}:{} {}", text(user), text(group), text(path)))
        }
        Action::SetOwnerIds(path, user, group) => ("chown", format!("{user}:{group} {}", text(path))),
        Action::Write(path, what, mode) => (written(*mode), both(path, what)),
        Action::Unlink(path) => ("unlink", text(path)),
        Action::Mount { .. } => ("mount", argument(operation)),
        Action::Umount(..) => ("umount", argument(operation)),
        Action::SetHostname(name) => ("hostname", text(name)),
        Action::Print(line) => ("log", text(line)),
        Action::Exit(code) => ("end with", code.to_string()),
        Action::WaitFor(what, path, limit) => {
            let limit = limit.map_or(String::new(), |limit| {
                format!(" (up to {} s)", limit.as_secs_f64())
            });
            ("wait for", format!("{} {}{limit}", awaited(*what), text(path)))
        }
        Action::Sleep(time) => ("sleep", format!("{} s", time.as_secs_f64())),
        Action::Unshare(namespaces) => ("unshare", namespaces_of(*namespaces).join(",")),
        Action::OpenLog(path) => ("log to", text(path)),
        Action::OpenPidfile(path) => ("pidfile", text(path)),
        Action::Chroot(path) => ("chroot", text(path)),
        Action::PivotRoot(new, old) => (
            "pivot_root",
            format!("{}, the old root to {}", text(new), text(old)),
        ),
        Action::BecomeUser => ("become", user(identity)),
    }
}

fn written(mode: WriteMode) -> &'static str {
    match mode {
        WriteMode::Truncate => "write",
        WriteMode::Append => "append",
        WriteMode::Fifo => "write to fifo",
        WriteMode::AwaitedFifo => "await fifo",
    }
}

fn awaited(what: Awaited) -> &'static str {
    match what {
        Awaited::Path => "path",
        Awaited::Mountpoint => "mountpoint",
        Awaited::Interface => "interface",
        Awaited::Socket => "socket",
    }
}

/// The argument of the action, as it was written.
fn argument(operation: &Operation) -> String {
    let text = operation.text.strip_prefix(b"!").unwrap_or(&operation.text);
    let names = [&b"mount:"[..], b"umount:"];
    let rest = names.iter().find_map(|name| text.strip_prefix(*name));
    printable(rest.unwrap_or(text))
}

/// The names of namespaces, as in `emperor-use-clone`.
pub fn namespaces_of(namespaces: Namespaces) -> Vec<&'static str> {
    namespaces.kinds().map(Namespace::name).collect()
}

/// The user of the app.
fn user(identity: &Identity) -> String {
    let name = |named: &Named| printable(named.0.to_string().as_bytes());
    match (&identity.uid, &identity.gid) {
        (None, None) => "root, as no uid is given".to_owned(),
        (None, Some(group)) => format!("root with group {}", name(group)),
        (Some(user), None) => format!("user {}", name(user)),
        (Some(user), Some(group)) => format!("user {}, group {}", name(user), name(group)),
    }
}
