//! `vassalctl show`: shows what a start of one vassal does.
//!
//! Rooms, each of which uses only those before it: model, text.

mod model;
mod text;

use crate::arguments::Show;
use crate::reading::dry_run::Scope;
use crate::reading::finding::shown;
use crate::reading::recover::read_vassal;
use crate::reading::targets;
use crate::render::output;
use crate::render::output::{BAD, GOOD, error_line};
use crate::render::snippet::render;
use model::Shown;
use std::process::ExitCode;

/// Prints the plan, or why there is none.
pub fn run(arguments: &Show) -> ExitCode {
    let (target, emperor) = match targets::of_name(&arguments.name, &arguments.place) {
        Ok(found) => found,
        Err(why) => return output::fail(&why),
    };
    if emperor.is_wrong() {
        let file = emperor.file.as_deref().map(shown).unwrap_or_default();
        for finding in &emperor.findings {
            error_line(render(finding, &file, false).trim_end());
        }
        return ExitCode::from(BAD);
    }
    let read = read_vassal(&emperor.emperor, &target.name, &target.location, Scope::Machine);
    let Some(vassal) = read.found else {
        for finding in &read.findings {
            error_line(render(finding, &target.file(), false).trim_end());
        }
        return ExitCode::from(BAD);
    };
    let model = Shown::of(&vassal, &emperor.emperor, &target);
    if let Some(form) = arguments.format.json() {
        return match output::json(&model, form) {
            Ok(text) => output::finish(&text, GOOD),
            Err(why) => output::fail(&why),
        };
    }
    output::finish(&text::text(&model), GOOD)
}
