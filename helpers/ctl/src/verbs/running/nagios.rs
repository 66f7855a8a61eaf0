//! `vassalctl nagios`: a check plugin for Nagios, Icinga and compatible systems.

use super::names::choose;
use crate::arguments::Nagios;
use crate::render::output;
use crate::running::cgroup::Detail;
use crate::running::fleet::{Fleet, Vassal};
use crate::state::{Health, State};
use std::process::ExitCode;

/// The exit codes of a plugin.
const OK: u8 = 0;
const WARNING: u8 = 1;
const CRITICAL: u8 = 2;
const UNKNOWN: u8 = 3;
/// How many vassals the first line names; all of them follow, one in each line.
const NAMED: usize = 3;

/// Checks the vassals.
pub fn run(arguments: &Nagios) -> ExitCode {
    let fleet = Fleet::gather(&arguments.place, Detail::Line);
    let result = fleet.and_then(|fleet| {
        let chosen = choose(&fleet.vassals, &arguments.patterns)?;
        // Of chosen vassals what is odd elsewhere says nothing.
        let is_told = arguments.patterns.is_empty() || !fleet.is_whole;
        let problems = if is_told { fleet.problems.as_slice() } else { &[] };
        match problems {
            [problem, ..] if chosen.is_empty() => Err(problem.clone()),
            problems => Ok(report(&chosen, problems)),
        }
    });
    match result {
        Ok((code, text)) => output::finish(&text, code),
        Err(why) => output::finish(&format!("VASSAL UNKNOWN: {why}\n"), UNKNOWN),
    }
}

/// What is said of `vassals`, and of the `problems` in finding that out.
fn report(vassals: &[&Vassal], problems: &[String]) -> (u8, String) {
    let bad: Vec<_> = vassals.iter().filter(|vassal| vassal.state.is_bad()).collect();
    let doubtful: Vec<_> = vassals
        .iter()
        .filter(|vassal| vassal.health == Health::Unknown)
        .collect();
    let is_doubtful = !doubtful.is_empty() || !problems.is_empty();
    let (code, word) = match (bad.is_empty(), is_doubtful) {
        (false, _) => (CRITICAL, "CRITICAL"),
        (true, true) => (WARNING, "WARNING"),
        (true, false) => (OK, "OK"),
    };
    let count = |state| vassals.iter().filter(|vassal| vassal.state == state).count();
    let counts = State::WORDS.map(|(state, word)| (word, count(state)));
    let present: Vec<_> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let vassals = bad.iter().chain(&doubtful).map(|vassal| line(vassal));
    let lines: Vec<_> = vassals
        .chain(problems.iter().map(|problem| plain(problem)))
        .collect();
    let named = lines.iter().take(NAMED).map(|line| format!("; {line}"));
    let performance = counts.map(|(word, count)| format!("{word}={count}"));
    let summary = match present.is_empty() {
        true => "no vassals".to_owned(),
        false => present.join(", "),
    };
    let mut text = format!("VASSAL {word}: {summary}{}", named.collect::<String>());
    text += &format!(" | {}\n", performance.join(" "));
    text.extend(lines.iter().map(|line| format!("{line}\n")));
    (code, text)
}

/// A text without what would end the line or begin the figures.
fn plain(text: &str) -> String {
    text.replace(['|', '\n'], "/")
}

/// One vassal, without characters that would end the line or begin performance data.
fn line(vassal: &Vassal) -> String {
    let cause = vassal.record.cause.as_deref().filter(|_| vassal.state.is_bad());
    let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
    plain(&format!("{} {}{cause}", vassal.name, vassal.state.word()))
}
