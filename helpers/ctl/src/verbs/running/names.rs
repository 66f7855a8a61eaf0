//! Selects vassals by the names and patterns of the command line.

use crate::reading::nearest::nearest;
use crate::running::fleet::{Vassal, is_named};

/// The vassals that match any of `patterns`; all vassals if there are none.
///
/// # Errors
/// A name or pattern that matches no vassal.
pub fn choose<'a>(vassals: &'a [Vassal], patterns: &[String]) -> Result<Vec<&'a Vassal>, String> {
    let mut wanted = Vec::new();
    for pattern in patterns {
        let glob = glob::Pattern::new(pattern).map_err(|error| format!("'{pattern}': {error}"))?;
        let fits = |vassal: &&Vassal| is_named(vassal, pattern) || glob.matches(&vassal.name);
        let before = wanted.len();
        wanted.extend(vassals.iter().filter(fits).map(|vassal| &vassal.instance));
        if wanted.len() == before {
            return Err(meaningless(pattern, vassals));
        }
    }
    let is_wanted = |vassal: &&Vassal| patterns.is_empty() || wanted.contains(&&vassal.instance);
    Ok(vassals.iter().filter(is_wanted).collect())
}

/// The message about a name or pattern that matches no vassal.
fn meaningless(pattern: &str, vassals: &[Vassal]) -> String {
    if pattern.contains(['*', '?', '[']) {
        return format!("no vassal's name fits '{pattern}'");
    }
    let names = vassals.iter().map(|vassal| vassal.name.as_str());
    match nearest(pattern, names) {
        Some(near) => format!("there is no vassal '{pattern}' (did you mean '{near}'?)"),
        None => format!("there is no vassal '{pattern}'"),
    }
}
