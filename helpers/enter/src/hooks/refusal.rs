//! How failures of hooks are reported: the place, what was refused, and the command's last words.

use crate::failure::{Failure, HookFailure, Place};
use crate::hooks::output::HookOutput;
use crate::hooks::remedy;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::diagnostic::Public;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::plan::Operation;
use vassal_escape::printable;
use vassal_sys::SysError;

/// An action's bytes as a path.
pub fn at(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// A step on `path`, for messages.
pub fn describe(verb: &str, path: &[u8]) -> String {
    format!("{verb} '{}'", printable(path))
}

/// The failure of a step that the kernel has refused; trying again may help.
pub fn refused(error: SysError) -> Failure {
    HookFailure::Refused(error).into()
}

/// The failure of a change to a root directory that is not as the file says.
pub fn no_root(error: SysError) -> Failure {
    HookFailure::NoRoot(error).into()
}

/// Adds the last words of a failed command, and the remedy if one is known.
pub fn with_last_words(failure: Failure, operation: &Operation, log: &mut HookOutput) -> Failure {
    if !matches!(operation.action, Action::Exec { .. }) {
        return failure;
    }
    let words = log.last_words();
    let said = words
        .as_ref()
        .map_or(String::new(), |words| format!("; its last words: {words}"));
    let remedy = remedy::remedy(words.as_deref().unwrap_or_default());
    let remedy = remedy.map_or(String::new(), |remedy| format!(" ({remedy})"));
    Failure::WithOutput {
        failure: Box::new(failure),
        journal: format!("{said}{remedy}"),
        // The output of root's commands may contain parts of files that only root may read, so it is not public.
        public: match operation.phase >= Phase::AsUser {
            true => format!("{said}{remedy}"),
            false => remedy,
        },
    }
}

/// The place of an operation, for the beginning of a message: `user001.ini:6: as-user hook 'TEXT'` for a hook,
/// `user001.ini:6: OPTION` for another option.
pub fn place(operation: &Operation) -> Place {
    let origin = operation.origin.as_ref();
    let (kind, text) = match operation.kind {
        Some(_) => (
            format!("{} hook", operation.phase),
            format!(" '{}'", printable(&operation.text)),
        ),
        None => (printable(&operation.option), String::new()),
    };
    let shown = origin.map(ToString::to_string).unwrap_or_default();
    Place {
        text: format!("{shown}: {kind}{text}"),
        public: Public::place(origin, kind.as_bytes()),
    }
}
