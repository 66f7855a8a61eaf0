//! Lint: a file or socket that uWSGI creates as the app's user (as under its Emperor), in a directory where this user
//! may not.

use crate::lints::host::{Host, Seen, User};
use crate::lints::scene::{Remark, Scene};
use crate::lints::user::file_directory::{directory, is_made};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use vassal_config::diagnostic::quote;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::options::id::Id;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;
use vassal_escape::printable;

/// Options whose value is a path.
const PATHS: [Id; 9] = [
    Id::Logto2,
    Id::MasterFifo,
    Id::Pidfile2,
    Id::QueueStore,
    Id::SafePidfile2,
    Id::SharedSocket,
    Id::Stats,
    Id::ZergServer,
    Id::Fastrouter,
];
/// Options with a path within their value, and the text before the path.
const INSIDE: [(Id, &[u8]); 5] = [
    (Id::Cache2, b"store="),
    (Id::Logger, b"file:"),
    (Id::ReqLogger, b"file:"),
    (Id::Sharedarea, b"file="),
    (Id::StatsPush, b"file:"),
];

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let plan = &scene.vassal.plan;
    let (Some(host), Payload::Uwsgi { entries, .. }, false) = (scene.host, &plan.payload, plan.changes_root)
    else {
        return Vec::new();
    };
    let Some(user) = host.user_of(&plan.identity).filter(|user| user.uid != 0) else {
        return Vec::new();
    };
    let found = entries.iter().filter_map(|entry| {
        let said = remark(entry, host, &user, plan)?;
        Some(said.at(Some(&entry.origin), scene))
    });
    found.collect()
}

fn remark(entry: &Entry, host: &Host, user: &User, plan: &Plan) -> Option<Remark> {
    let path = path(entry)?;
    let directory = directory(path)?;
    if is_made(directory, plan) {
        return None;
    }
    let is_open = match (host.look(path), host.look(directory)) {
        (Seen::There(file), _) if file.is_file() => user.may_write(&file),
        (_, Seen::There(directory)) => user.may_write(&directory),
        _ => return None,
    };
    let (name, _) = plan.identity.uid.as_ref()?;
    let name = printable(name.to_string().as_bytes());
    let message = format!(
        "{} = {}: {name} may not write into its directory, and uWSGI makes it as the app's user",
        printable(&entry.key),
        quote(entry.value.as_deref().unwrap_or_default())
    );
    let hint = format!("write a path in a directory of {name}'s: install -d -o {name} DIRECTORY");
    (!is_open).then(|| Remark::warning(Rule::UsersDirectory, message, hint))
}

fn path(entry: &Entry) -> Option<&[u8]> {
    let value = entry.value.as_deref()?;
    if PATHS.iter().any(|id| entry.is(*id)) {
        return (value.starts_with(b"/") && !value.contains(&b':')).then_some(value);
    }
    let (_, before) = INSIDE.iter().find(|(option, _)| entry.is(*option))?;
    let at = value.windows(before.len()).position(|part| part == *before)?;
    let path = value[at + before.len()..].split(|byte| *byte == b',').next()?;
    path.starts_with(b"/").then_some(path)
}
