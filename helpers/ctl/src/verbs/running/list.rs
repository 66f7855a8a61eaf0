//! `vassalctl list`: every vassal, one line each.

use super::names::choose;
use crate::arguments::{List, Sort};
use crate::render::amounts::{bytes, time};
use crate::render::output;
use crate::render::pager::{self, LongLines};
use crate::render::rows::{Cell, Form, Tone, rows};
use crate::render::sentences;
use crate::render::vassal_json::Vassals;
use crate::running::cgroup::Detail;
use crate::running::fleet::{Fleet, Vassal, now_usec};
use crate::state::{Health, Mark, State};
use std::cmp::Reverse;
use std::process::ExitCode;

/// Printed instead of an empty list.
pub const NO_VASSALS: &str = "there are no vassals (vassalctl check says what the emperor's file names)";
/// The most of a cause that is shown in a line.
const CAUSE_LIMIT: usize = 48;
/// The most of it on the narrowest terminal.
const CAUSE_LEAST: usize = 8;
/// Marks the place where something was cut.
const CUT: &str = "...";

/// Prints the list.
pub fn run(arguments: &List) -> ExitCode {
    let json = arguments.format.json();
    let detail = if json.is_some() {
        Detail::Full
    } else {
        Detail::Line
    };
    let fleet = match Fleet::gather(&arguments.place, detail) {
        Ok(fleet) => fleet,
        Err(why) => return output::fail_with(&why, output::FAILED),
    };
    for problem in &fleet.problems {
        output::warn(problem);
    }
    let mut chosen = match choose(&fleet.vassals, &arguments.patterns) {
        Ok(chosen) => chosen,
        Err(why) => return output::fail_with(&why, output::FAILED),
    };
    chosen.retain(|vassal| !arguments.failed || vassal.state.is_bad());
    chosen.retain(|vassal| arguments.states.is_empty() || arguments.states.contains(&vassal.state));
    sort(&mut chosen, arguments.sort);
    let now = now_usec();
    if let Some(form) = json {
        return match output::json(&Vassals::new(chosen.into_iter(), now), form) {
            Ok(text) => output::finish(&text, output::GOOD),
            Err(why) => output::fail_with(&why, output::FAILED),
        };
    }
    if chosen.is_empty() && fleet.vassals.is_empty() {
        output::error_line(NO_VASSALS);
    }
    let form = output::form(&arguments.table);
    let lines = match arguments.full {
        true => lines(&chosen, now, usize::MAX),
        false => fitted(&chosen, now, form, output::columns()),
    };
    let text = rows(HEADER, &lines, form);
    pager::show(&text, &arguments.paging, LongLines::Cut, output::GOOD)
}

fn sort(vassals: &mut [&Vassal], by: Sort) {
    // The vassals are sorted by name already, and the sort is stable.
    match by {
        Sort::Name => {}
        Sort::State => vassals.sort_by_key(|vassal| vassal.state),
        Sort::Memory => vassals.sort_by_key(|vassal| Reverse(vassal.usage.memory)),
        Sort::Cpu => vassals.sort_by_key(|vassal| Reverse(vassal.usage.cpu_usec)),
        Sort::Restarts => vassals.sort_by_key(|vassal| Reverse(vassal.record.restarts)),
        Sort::Since => vassals.sort_by_key(|vassal| Reverse(vassal.record.since_usec)),
    }
}

const HEADER: [&str; 9] = [
    "NAME", "STATE", "MOUNTS", "RESTARTS", "MEMORY", "CPU", "SOCKETS", "SINCE", "NOTES",
];

fn lines(vassals: &[&Vassal], now: u64, cause_limit: usize) -> Vec<[Cell; 9]> {
    let lines = vassals.iter().map(|vassal| row(vassal, now, cause_limit));
    lines.collect()
}

/// The rows of `vassals`. If they are wider than `columns`, causes are shortened so that the notes after them are
/// visible.
fn fitted(vassals: &[&Vassal], now: u64, form: Form, columns: Option<usize>) -> Vec<[Cell; 9]> {
    if !form.is_aligned {
        return lines(vassals, now, usize::MAX);
    }
    let whole = lines(vassals, now, CAUSE_LIMIT);
    let Some(columns) = columns else {
        return whole;
    };
    let uncolored = Form {
        has_colors: false,
        ..form
    };
    let text = rows(HEADER, &whole, uncolored);
    let width = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let excess = width.saturating_sub(columns);
    let causes = vassals.iter().filter_map(|vassal| vassal.record.cause.as_ref());
    let longest = causes.map(|cause| cause.chars().count()).max().unwrap_or(0);
    let limit = longest.min(CAUSE_LIMIT).saturating_sub(excess + CUT.len());
    match excess {
        0 => whole,
        _ => lines(vassals, now, limit.max(CAUSE_LEAST)),
    }
}

fn row(vassal: &Vassal, now: u64, cause_limit: usize) -> [Cell; 9] {
    let since = vassal.record.since_usec;
    let since = since.map(|since| time(now.saturating_sub(since)));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        vassal.name.as_str().into(),
        Cell::toned(vassal.state.word(), tone(vassal)),
        mounts(vassal, now),
        restarts(vassal, cause_limit).into(),
        or_none(vassal.usage.memory.map(bytes)).into(),
        or_none(vassal.usage.cpu_usec.map(time)).into(),
        or_none(Some(vassal.record.sockets.join(",")).filter(|sockets| !sockets.is_empty())).into(),
        or_none(since).into(),
        Cell::toned(notes(vassal, now), Tone::Odd),
    ]
}

/// The highlighting of a vassal's state.
pub fn tone(vassal: &Vassal) -> Tone {
    match vassal.health {
        Health::Healthy => Tone::Good,
        Health::Unhealthy => Tone::Bad,
        Health::Unknown => Tone::Odd,
        Health::Off => Tone::Usual,
    }
}

/// `/app healthy 0.4s, / dead`
fn mounts(vassal: &Vassal, now: u64) -> Cell {
    let mounts: Vec<_> = vassal
        .record
        .mounts
        .iter()
        .map(|mount| sentences::mount(mount, now))
        .collect();
    let is_bad = vassal
        .record
        .mounts
        .iter()
        .any(crate::running::record::Mount::is_bad);
    match mounts.is_empty() {
        true => "-".into(),
        false => Cell::toned(mounts.join(", "), if is_bad { Tone::Bad } else { Tone::Usual }),
    }
}

/// `2 (/app dead (ENOTCONN))`
fn restarts(vassal: &Vassal, cause_limit: usize) -> String {
    let count = vassal.record.restarts;
    match &vassal.record.cause {
        Some(cause) => format!("{count} ({})", short(cause, cause_limit)),
        None => count.to_string(),
    }
}

fn short(cause: &str, limit: usize) -> String {
    match cause.char_indices().nth(limit) {
        Some((end, _)) => format!("{}{CUT}", &cause[..end]),
        None => cause.to_owned(),
    }
}

/// The marks, the failures of the health check, and the limits that were reached.
pub fn notes(vassal: &Vassal, now: u64) -> String {
    let mark = |mark: &Mark| match (mark, vassal.record.next_attempt_usec) {
        (Mark::Waiting, Some(next)) if next > now => {
            format!("attempt {} in {}", vassal.record.attempts + 1, time(next - now))
        }
        (Mark::Waiting, _) => format!("attempt {}", vassal.record.attempts + 1),
        (mark, _) => mark.word().to_owned(),
    };
    // A mark that only repeats the state is left out.
    let is_news = |mark: &&Mark| {
        !matches!(
            (mark, vassal.state),
            (Mark::Masked, State::Masked)
                | (Mark::Maintenance, State::Maintenance)
                | (Mark::Stopped, State::Stopped)
        )
    };
    let marks = vassal.marks.iter().filter(is_news).map(mark);
    let waits = (vassal.state == State::OnDemand).then(|| sentences::ON_DEMAND.to_owned());
    let failing = vassal.record.check.as_ref().and_then(sentences::failing);
    marks
        .chain(waits)
        .chain(failing)
        .chain(sentences::hits(&vassal.hits, now))
        .collect::<Vec<_>>()
        .join(", ")
}
