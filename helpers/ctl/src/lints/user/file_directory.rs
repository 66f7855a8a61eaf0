//! Lint: a start has to create a file (log, pidfile, unix socket) in a directory that is missing or in which the app's
//! user may not create it.

use crate::lints::host::{Host, Seen};
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::diagnostic::quote;
use vassal_config::hooks::action::Action;
use vassal_config::vassal::address::Address;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::root_files::Purpose;
use vassal_escape::printable;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let (Some(host), plan) = (scene.host, &scene.vassal.plan) else {
        return Vec::new();
    };
    // In another root directory than the host's these paths mean other directories.
    if plan.changes_root {
        return Vec::new();
    }
    let files = plan.operations.iter().filter_map(|operation| {
        let path = match &operation.action {
            Action::OpenLog(path) | Action::OpenPidfile(path) => path,
            _ => return None,
        };
        let said = missing(path, host, plan)?;
        Some(said.at(operation.origin.as_ref(), scene))
    });
    let logs = plan.handed.iter().filter(|handed| handed.purpose == Purpose::Log);
    let logs = logs.filter_map(|log| Some(missing(&log.path, host, plan)?.at(Some(&log.origin), scene)));
    let sockets = plan.listeners.iter().filter_map(|listener| {
        let Address::Unix(path) = &listener.address else {
            return None;
        };
        let said = missing(path, host, plan).or_else(|| closed(path, host, plan))?;
        Some(said.at(Some(&listener.origin), scene))
    });
    files.chain(logs).chain(sockets).collect()
}

/// The directory of an absolute path.
pub(super) fn directory(path: &[u8]) -> Option<&[u8]> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let parent = path.parent().filter(|_| path.is_absolute())?;
    Some(parent.as_os_str().as_bytes())
}

fn missing(path: &[u8], host: &Host, plan: &Plan) -> Option<Remark> {
    let directory = directory(path)?;
    if !matches!(host.look(directory), Seen::Missing) || is_made(directory, plan) {
        return None;
    }
    let message = format!("{} cannot be made: its directory does not exist", quote(path));
    let hint = match plan.identity.uid.as_ref() {
        Some((user, _)) => format!(
            "install -d -o {} {}; below /run a tmpfiles.d(5) line makes it at each boot",
            printable(user.to_string().as_bytes()),
            printable(directory)
        ),
        None => format!("mkdir -p {}", printable(directory)),
    };
    Some(Remark::warning(Rule::FileDirectory, message, hint))
}

/// A unix socket is bound by the app's user or, with `chown-socket`, by root.
fn closed(path: &[u8], host: &Host, plan: &Plan) -> Option<Remark> {
    let directory = directory(path)?;
    let (account, _) = plan.identity.uid.as_ref()?;
    if plan.unix.owner.is_some() || is_made(directory, plan) {
        return None;
    }
    let Seen::There(metadata) = host.look(directory) else {
        return None;
    };
    let user = host.user_of(&plan.identity)?;
    if user.uid == 0 || user.may_write(&metadata) {
        return None;
    }
    let user = printable(account.to_string().as_bytes());
    let message = format!(
        "{} cannot be bound: {user} may not write into its directory",
        quote(path)
    );
    let hint = format!(
        "chown {user} {}, or let root bind it: chown-socket = {user}",
        printable(directory)
    );
    Some(Remark::warning(Rule::SocketDirectory, message, hint))
}

/// Whether a step of the start may create the directory or change its owner.
pub(super) fn is_made(directory: &[u8], plan: &Plan) -> bool {
    let names = |text: &[u8]| text.windows(directory.len()).any(|part| part == directory);
    plan.operations.iter().any(|operation| match &operation.action {
        Action::OpenLog(_) | Action::OpenPidfile(_) => false,
        _ => names(&operation.text),
    })
}
