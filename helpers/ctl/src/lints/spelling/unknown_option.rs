//! Lint: a name in `[uwsgi]` that is not an option. uWSGI silently keeps it as a placeholder, so a typing error makes
//! the line ineffective.

use crate::lints::scene::{Remark, Scene};
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
    // An unknown plugin may add any option.
    if loads_unknown(effects) {
        return Vec::new();
    }
    let written = texts(scene);
    let mut told = BTreeSet::new();
    let unknown = effects.iter().filter(|entry| is_unknown(entry, &written));
    let once = unknown.filter(|entry| told.insert(&entry.key));
    once.map(|entry| remark(&entry.key).at(Some(&entry.origin), scene))
        .collect()
}

/// Whether the name of `entry` is unknown, written in the file, and mentioned by no other line. Names given by
/// `set-placeholder` and its like are meant as placeholders, and so is a name that another line refers to.
fn is_unknown(entry: &Entry, written: &Written) -> bool {
    let key = entry.key.as_slice();
    lookup::find(key).is_none() && plugin_of(key).is_none() && written.names(entry) && !written.mentions(key)
}

fn remark(key: &[u8]) -> Remark {
    let name = printable(key);
    let known = OPTIONS.iter().map(|row| row.name).chain(plugin_names());
    let message = format!("there is no option {}: uWSGI ignores the line", quote(key));
    match nearest(&name, known) {
        Some(meant) => Remark::warning(Rule::UnknownOption, message, format!("did you mean '{meant}'?")),
        None => Remark::note(
            Rule::UnknownOption,
            message,
            "fine for a value of the app's own; 'strict = true' has uWSGI refuse such lines",
        ),
    }
}
