//! `vassalctl list`: every vassal, one line each.

use crate::arguments::{List, Sort};
use crate::render::amounts::{bytes, time};
use crate::render::output;
use crate::render::pager;
use crate::render::rows::{Cell, Form, Tone, rows};
use crate::render::sentences;
use crate::render::vassal_json::Vassals;
use crate::running::cgroup::Detail;
use crate::running::fleet::{Fleet, Vassal, is_named, now_usec};
use crate::state::{Health, Mark, State};
use std::cmp::Reverse;
use std::process::ExitCode;

/// The most of a cause that a line shows.
const CAUSE_LIMIT: usize = 48;

/// Lists the vassals.
pub fn run(arguments: &List) -> ExitCode {
    let detail = if arguments.json {
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
    if arguments.json {
        return match output::json(&Vassals::new(chosen.into_iter(), now)) {
            Ok(text) => output::finish(&text, output::GOOD),
            Err(why) => output::fail_with(&why, output::FAILED),
        };
    }
    if chosen.is_empty() && fleet.vassals.is_empty() {
        output::tell("there are no vassals (vassalctl check says what the emperor's file names)");
    }
    let form = output::form();
    let lines: Vec<_> = chosen.iter().map(|vassal| row(vassal, now)).collect();
    pager::show(&rows(HEADER, &lines, form), form != Form::Plain, output::GOOD)
}

/// The vassals that `patterns` mean; all without any.
///
/// # Errors
/// A name or pattern that means none.
pub fn choose<'a>(vassals: &'a [Vassal], patterns: &[String]) -> Result<Vec<&'a Vassal>, String> {
    let mut wanted = Vec::new();
    for pattern in patterns {
        let glob = glob::Pattern::new(pattern).map_err(|error| format!("'{pattern}': {error}"))?;
        let fits = |vassal: &&Vassal| is_named(vassal, pattern) || glob.matches(&vassal.name);
        let before = wanted.len();
        wanted.extend(vassals.iter().filter(fits).map(|vassal| &vassal.instance));
        if wanted.len() == before {
            let names = vassals.iter().map(|vassal| vassal.name.as_str());
            let hint = match crate::reading::nearest::nearest(pattern, names) {
                Some(near) => format!(" (did you mean '{near}'?)"),
                None => String::new(),
            };
            return Err(format!("there is no vassal '{pattern}'{hint}"));
        }
    }
    let is_wanted = |vassal: &&Vassal| patterns.is_empty() || wanted.contains(&&vassal.instance);
    Ok(vassals.iter().filter(is_wanted).collect())
}

fn sort(vassals: &mut [&Vassal], by: Sort) {
    // They come by name, and the sort is stable.
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

fn row(vassal: &Vassal, now: u64) -> [Cell; 9] {
    let since = vassal.record.since_usec;
    let since = since.map(|since| time(now.saturating_sub(since)));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        vassal.name.as_str().into(),
        Cell::toned(vassal.state.word(), tone(vassal)),
        mounts(vassal, now),
        restarts(vassal).into(),
        or_none(vassal.usage.memory.map(bytes)).into(),
        or_none(vassal.usage.cpu_usec.map(time)).into(),
        or_none(Some(vassal.record.sockets.join(",")).filter(|sockets| !sockets.is_empty())).into(),
        or_none(since).into(),
        Cell::toned(notes(vassal, now), Tone::Odd),
    ]
}

/// How a vassal's state stands out.
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
fn restarts(vassal: &Vassal) -> String {
    let count = vassal.record.restarts;
    match &vassal.record.cause {
        Some(cause) => format!("{count} ({})", short(cause)),
        None => count.to_string(),
    }
}

fn short(cause: &str) -> String {
    match cause.char_indices().nth(CAUSE_LIMIT) {
        Some((end, _)) => format!("{}...", &cause[..end]),
        None => cause.to_owned(),
    }
}

/// The marks, whether the app fails its health check, and which limits were met.
pub fn notes(vassal: &Vassal, now: u64) -> String {
    let mark = |mark: &Mark| match (mark, vassal.record.next_attempt_usec) {
        (Mark::Waiting, Some(next)) if next > now => {
            format!("attempt {} in {}", vassal.record.attempts + 1, time(next - now))
        }
        (Mark::Waiting, _) => format!("attempt {}", vassal.record.attempts + 1),
        (mark, _) => mark.word().to_owned(),
    };
    // What the state says already is not said twice.
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
        .chain(sentences::hits(&vassal.hits))
        .collect::<Vec<_>>()
        .join(", ")
}
