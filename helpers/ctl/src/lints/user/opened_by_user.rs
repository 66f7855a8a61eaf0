//! Lint: uWSGI opens a file as root under an Emperor, but here as the app's user, who may not open it and for whom a
//! start cannot help.

use crate::lints::host::{Host, Seen, User};
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use std::os::unix::fs::MetadataExt;
use vassal_config::diagnostic::quote;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::key_files::KeyFile;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_config::vassal::root_files::{Handed, Purpose};
use vassal_escape::printable;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let (Some(host), plan) = (scene.host, &scene.vassal.plan) else {
        return Vec::new();
    };
    // In another root directory than the host's these paths mean other files.
    if plan.changes_root {
        return Vec::new();
    }
    let user = host.user_of(&plan.identity).filter(|user| user.uid != 0);
    let name = plan
        .identity
        .uid
        .as_ref()
        .map_or_else(String::new, |(user, _)| user.to_string());
    let keys = plan.key_files.iter().filter_map(|file| {
        let said = missing(file, host).or_else(|| unread(file, host, user.as_ref()?, plan))?;
        Some((said, &file.origin))
    });
    let files = plan.handed.iter().filter_map(|handed| {
        let said = closed(handed, host, user.as_ref()?, &name)?;
        Some((said, &handed.origin))
    });
    keys.chain(files)
        .map(|(said, origin)| said.at(Some(origin), scene))
        .collect()
}

fn missing(file: &KeyFile, host: &Host) -> Option<Remark> {
    if !file.path.starts_with(b"/") || !matches!(host.look(&file.path), Seen::Missing) {
        return None;
    }
    let message = format!("{} does not exist", quote(&file.path));
    Some(Remark::warning(
        Rule::KeyFile,
        message,
        "uWSGI ends without the certificates and keys that it is given",
    ))
}

/// To give the user a copy, a start needs a mount namespace: the vassal's or, if nothing else depends on its mounts,
/// one of the app's own.
fn unread(file: &KeyFile, host: &Host, user: &User, plan: &Plan) -> Option<Remark> {
    let is_hook = |step: &Operation| step.phase == Phase::AsUser && step.action != Action::BecomeUser;
    let is_bound = plan.operations.iter().any(is_hook) || !plan.watch.is_empty();
    let Seen::There(metadata) = host.look(&file.path) else {
        return None;
    };
    if plan.owns_mounts || !is_bound || user.may_read(&metadata) {
        return None;
    }
    let message = format!(
        "{} cannot be read by the app's user, and not be copied for him: there are as-user hooks or a mountpoint-check, and no mount namespace",
        quote(&file.path)
    );
    let hint = "emperor-use-clone = fs, or chgrp it to the app's group and chmod 640";
    Some(Remark::warning(Rule::KeyFile, message, hint))
}

/// A start gives a log of root's to the user, unless the file has other names.
fn closed(handed: &Handed, host: &Host, user: &User, name: &str) -> Option<Remark> {
    let Seen::There(metadata) = host.look(&handed.path) else {
        return None;
    };
    let is_given = handed.purpose == Purpose::Log && metadata.uid() == 0 && metadata.nlink() == 1;
    if is_given || user.may_write(&metadata) {
        return None;
    }
    let (path, user) = (printable(&handed.path), printable(name.as_bytes()));
    let message = format!(
        "{} cannot be written by {user}, as whom uWSGI opens it",
        quote(&handed.path)
    );
    Some(Remark::warning(
        Rule::UsersFile,
        message,
        format!("chown {user} {path}"),
    ))
}
