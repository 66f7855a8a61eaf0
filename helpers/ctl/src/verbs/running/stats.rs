//! `vassalctl stats`: shows what the vassals use, their limits, and how often these were reached.

use super::list::NO_VASSALS;
use super::names::choose;
use super::serve;
use crate::arguments::{Place, Stats};
use crate::output_options::Json;
use crate::render::amounts::{bytes, time};
use crate::render::output;
use crate::render::pager::{self, LongLines};
use crate::render::rows::{Cell, Tone, rows};
use crate::render::sentences;
use crate::render::uwsgi_stats::Stats as UwsgiStats;
use crate::running::cgroup::Detail;
use crate::running::fleet::{Fleet, Vassal, now_usec};
use std::process::ExitCode;

const HEADER: [&str; 10] = [
    "NAME",
    "MEMORY",
    "OF",
    "CPU",
    "OF",
    "TASKS",
    "OF",
    "READ",
    "WRITTEN",
    "LIMITS MET",
];

/// Prints the statistics.
pub fn run(arguments: &Stats) -> ExitCode {
    if arguments.serve {
        return serve::run(|| json(&arguments.place, &[], Json::Indented));
    }
    if let Some(form) = arguments.format.json() {
        return match json(&arguments.place, &arguments.patterns, form) {
            Ok(text) => output::finish(&text, output::GOOD),
            Err(why) => output::fail_with(&why, output::FAILED),
        };
    }
    let fleet = match Fleet::gather(&arguments.place, Detail::Full) {
        Ok(fleet) => fleet,
        Err(why) => return output::fail_with(&why, output::FAILED),
    };
    let chosen = match choose(&fleet.vassals, &arguments.patterns) {
        Ok(chosen) => chosen,
        Err(why) => return output::fail_with(&why, output::FAILED),
    };
    if fleet.vassals.is_empty() {
        output::error_line(NO_VASSALS);
    }
    let now = now_usec();
    let form = output::form(&arguments.table);
    let lines: Vec<_> = chosen.into_iter().map(|vassal| row(vassal, now)).collect();
    pager::show(
        &rows(HEADER, &lines, form),
        &arguments.paging,
        LongLines::Cut,
        output::GOOD,
    )
}

/// The JSON with the keys of uWSGI's Emperor.
///
/// # Errors
/// When the root directory does not exist, emperor.ini is wrong, or a name matches no vassal.
pub fn json(place: &Place, patterns: &[String], form: Json) -> Result<String, String> {
    let fleet = Fleet::gather(place, Detail::Full)?;
    let chosen = choose(&fleet.vassals, patterns)?;
    output::json(&UwsgiStats::new(fleet.places.clone(), &chosen, now_usec()), form)
}

fn row(vassal: &Vassal, now: u64) -> [Cell; 10] {
    let Vassal {
        name,
        usage,
        limits,
        hits,
        ..
    } = vassal;
    let cell = |value: Option<String>| Cell::from(value.unwrap_or_else(|| "-".into()));
    [
        name.as_str().into(),
        cell(usage.memory.map(bytes)),
        cell(limits.memory_max.or(limits.memory_high).map(bytes)),
        cell(usage.cpu_usec.map(time)),
        cell(limits.cpus.map(|cpus| format!("{cpus} cpus"))),
        cell(usage.tasks.map(|tasks| tasks.to_string())),
        cell(limits.tasks.map(|tasks| tasks.to_string())),
        cell(usage.io.map(|(read, _)| bytes(read))),
        cell(usage.io.map(|(_, written)| bytes(written))),
        Cell::toned(
            sentences::hits(hits, now).collect::<Vec<_>>().join(", "),
            Tone::Odd,
        ),
    ]
}
