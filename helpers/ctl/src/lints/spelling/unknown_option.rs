//! A name in `[uwsgi]` that is no option: uWSGI keeps it as a placeholder and says nothing, so a slip of the finger loses the line.

use crate::lints::scene::{Said, Scene};
use crate::lints::spelling::written::{Written, texts};
use crate::reading::finding::Finding;
use crate::reading::nearest::nearest;
use crate::reading::rule::Rule;
use std::collections::BTreeSet;
use vassal_config::diagnostic::quote;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::options::lookup;
use vassal_config::options::plugins::{plugin_names, plugin_of};
use vassal_config::options::table::OPTIONS;
use vassal_config::vassal::missing_plugins::loads_unknown;
use vassal_escape::printable;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let effects = &scene.vassal.effects;
    // It may know any name.
    if loads_unknown(effects) {
        return Vec::new();
    }
    let written = texts(scene);
    let mut told = BTreeSet::new();
    let unknown = effects.iter().filter(|entry| is_unknown(entry, &written));
    let once = unknown.filter(|entry| told.insert(&entry.key));
    once.map(|entry| said(&entry.key).at(Some(&entry.origin), scene))
        .collect()
}

/// Whether `entry` is a line whose own name is unknown and which no other line mentions. Names given by `set-placeholder` and its like
/// are placeholders on purpose, and so is one that is referred to.
fn is_unknown(entry: &Entry, written: &Written) -> bool {
    let key = entry.key.as_slice();
    lookup::find(key).is_none() && plugin_of(key).is_none() && written.names(entry) && !written.mentions(key)
}

fn said(key: &[u8]) -> Said {
    let name = printable(key);
    let known = OPTIONS.iter().map(|row| row.name).chain(plugin_names());
    let message = format!("there is no option {}: uWSGI ignores the line", quote(key));
    match nearest(&name, known) {
        Some(meant) => Said::warning(Rule::UnknownOption, message, format!("did you mean '{meant}'?")),
        None => Said::note(
            Rule::UnknownOption,
            message,
            "fine for a value of the app's own; 'strict = true' has uWSGI refuse such lines",
        ),
    }
}
