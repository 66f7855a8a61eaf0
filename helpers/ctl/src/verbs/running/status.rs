//! `vassalctl status NAME`: shows one vassal on one screen.

use super::list::tone;
use super::names::choose;
use crate::arguments::Status;
use crate::render::amounts::{bytes, rfc3339, time};
use crate::render::output;
use crate::render::pager::{self, LongLines};
use crate::render::paragraph::paragraph;
use crate::render::sentences;
use crate::render::vassal_json::Vassals;
use crate::running::cgroup::Detail;
use crate::running::fleet::{Fleet, Vassal, now_usec};
use crate::running::journal::{Entry, Journal};
use crate::state::{Mark, State};
use std::process::ExitCode;

/// How many events, and how many lines of the app, are shown.
const EVENTS: usize = 5;
const WORDS: usize = 10;
/// Shown to a user who may not read the journal.
const CLOSED: &str = "you may not read all of it (root may, and the groups adm and systemd-journal)";
/// The exit code of the LSB for a service that does not run.
const NOT_RUNNING: u8 = 3;
const UNKNOWN: u8 = 4;

/// Prints the vassals.
pub fn run(arguments: &Status) -> ExitCode {
    let fleet = match Fleet::gather(&arguments.place, Detail::Full) {
        Ok(fleet) => fleet,
        Err(why) => return output::fail_with(&why, UNKNOWN),
    };
    for problem in &fleet.problems {
        output::warn(problem);
    }
    let chosen = match choose(&fleet.vassals, &arguments.names) {
        Ok(chosen) => chosen,
        Err(why) => return output::fail_with(&why, UNKNOWN),
    };
    let is_serving =
        |vassal: &&Vassal| matches!(vassal.state, State::Serving | State::Reloading | State::OnDemand);
    let code = if chosen.iter().all(is_serving) {
        output::GOOD
    } else {
        NOT_RUNNING
    };
    let now = now_usec();
    if let Some(form) = arguments.format.json() {
        return match output::json(&Vassals::new(chosen.into_iter(), now), form) {
            Ok(text) => output::finish(&text, code),
            Err(why) => output::fail_with(&why, UNKNOWN),
        };
    }
    let has_colors = output::has_colors();
    let texts: Vec<_> = chosen
        .iter()
        .map(|vassal| text(vassal, &fleet, now, has_colors))
        .collect();
    pager::show(&texts.join("\n"), &arguments.paging, LongLines::Fold, code)
}

fn text(vassal: &Vassal, fleet: &Fleet, now: u64, has_colors: bool) -> String {
    let state = match vassal.state {
        State::OnDemand => sentences::ON_DEMAND.to_owned(),
        state => format!("{}, {}", state.word(), vassal.health.word()),
    };
    let state = if has_colors {
        tone(vassal).paint(&state)
    } else {
        state
    };
    let mut text = format!("{} - {state}\n", vassal.name);
    for (name, value) in facts(vassal, now) {
        text += &format!("{name:>10}: {value}\n");
    }
    text += &processes(vassal, fleet);
    match Journal::of(&vassal.unit()) {
        Ok(journal) => {
            if journal.is_closed {
                text += &format!("{:>10}: {CLOSED}\n", "Journal");
            }
            text + &last(&journal)
        }
        Err(why) => text + &format!("{:>10}: {why}\n", "Journal"),
    }
}

fn facts(vassal: &Vassal, now: u64) -> Vec<(&'static str, String)> {
    let record = &vassal.record;
    let mut facts = vec![("Unit", vassal.unit()), ("File", file(vassal))];
    if let Some(since) = record.since_usec {
        let ago = time(now.saturating_sub(since));
        facts.push(("Since", format!("{}; {ago} ago", rfc3339(since))));
    }
    facts.extend(
        vassal
            .marks
            .iter()
            .map(|mark| ("Mark", remedy(*mark, vassal, now))),
    );
    facts.extend(record.mounts.iter().map(|mount| {
        let took = mount.took_usec.map(|took| format!(" ago in {}", time(took)));
        let deadline = mount
            .deadline_usec
            .map(|limit| format!(", deadline {}", time(limit)));
        let tail = format!("{}{}", took.unwrap_or_default(), deadline.unwrap_or_default());
        (
            "Mount",
            format!("{}{tail} ({})", sentences::mount(mount, now), mount.fstype),
        )
    }));
    facts.extend(record.check.iter().map(|check| {
        let took = check.took_usec.map(|took| format!(" ago in {}", time(took)));
        let deadline = check
            .deadline_usec
            .map(|limit| format!(", deadline {}", time(limit)));
        let tail = format!("{}{}", took.unwrap_or_default(), deadline.unwrap_or_default());
        ("Health", format!("{}{tail}", sentences::check(check, now)))
    }));
    let cause = record.cause.as_ref().map(|cause| format!(", the last: {cause}"));
    facts.push((
        "Restarts",
        format!("{}{}", record.restarts, cause.unwrap_or_default()),
    ));
    if !record.sockets.is_empty() {
        facts.push(("Sockets", record.sockets.join(", ")));
    }
    facts.extend(used(vassal, now));
    facts
}

fn file(vassal: &Vassal) -> String {
    let file = vassal
        .file
        .as_ref()
        .map(|file| crate::reading::finding::shown(&file.path));
    file.unwrap_or_else(|| match vassal.marks.contains(&Mark::Orphan) {
        true => "gone".into(),
        false => "not known".into(),
    })
}

/// The explanation of a mark and its remedy.
fn remedy(mark: Mark, vassal: &Vassal, now: u64) -> String {
    let name = &vassal.name;
    match mark {
        Mark::Changed => format!("its file was changed after it was read (vassalctl reload {name})"),
        Mark::Orphan => format!("its file is gone (vassalctl stop {name})"),
        Mark::New => format!("it was not started yet (vassalctl start {name})"),
        Mark::Maintenance => format!("in maintenance (vassalctl maintenance {name} off)"),
        Mark::Masked => format!("its unit is masked (vassalctl unmask {name})"),
        Mark::Disabled => format!("it is not started at boot (vassalctl enable {name})"),
        Mark::Stopped => format!("it was stopped (vassalctl start {name})"),
        Mark::OldBinary => {
            format!("its watchdog is not the installed one (vassalctl restart {name}, when that suits)")
        }
        Mark::NoRecord => "its health record cannot be written (is /run full?)".into(),
        Mark::Waiting => {
            let left = vassal
                .record
                .next_attempt_usec
                .map_or(0, |next| next.saturating_sub(now));
            let attempt = vassal.record.attempts + 1;
            format!(
                "attempt {attempt} comes in {} (vassalctl start {name}: at once)",
                time(left)
            )
        }
    }
}

/// Resources used, with limits and how often these were reached.
fn used(vassal: &Vassal, now: u64) -> Vec<(&'static str, String)> {
    let (usage, limits, hits) = (&vassal.usage, &vassal.limits, &vassal.hits);
    let of = |limit: Option<String>| limit.map_or_else(String::new, |limit| format!(" of {limit}"));
    let mut lines = Vec::new();
    if let Some(memory) = usage.memory {
        let limit = limits.memory_max.or(limits.memory_high).map(bytes);
        lines.push(("Memory", format!("{}{}", bytes(memory), of(limit))));
    }
    if let Some(cpu) = usage.cpu_usec {
        let limit = limits.cpus.map(|cpus| format!(", at most {cpus} processors"));
        lines.push(("CPU", format!("{}{}", time(cpu), limit.unwrap_or_default())));
    }
    if let Some(tasks) = usage.tasks {
        let limit = limits.tasks.map(|limit| limit.to_string());
        lines.push(("Tasks", format!("{tasks}{}", of(limit))));
    }
    if let Some((read, written)) = usage.io {
        let most = |limit: Option<u64>| limit.map(|limit| format!(" (at most {}/s)", bytes(limit)));
        let (read_limit, write_limit) = (most(limits.io_read), most(limits.io_write));
        let waited = usage.io_waited_usec.filter(|waited| *waited > 0);
        let waited = waited.map(|waited| format!(", waited {}", time(waited)));
        let read = bytes(read) + " read" + &read_limit.unwrap_or_default();
        let written = bytes(written) + " written" + &write_limit.unwrap_or_default();
        lines.push(("I/O", format!("{read}, {written}{}", waited.unwrap_or_default())));
    }
    let met: Vec<_> = sentences::hits(hits, now).collect();
    if !met.is_empty() {
        lines.push(("Limits met", met.join(", ")));
    }
    lines
}

fn processes(vassal: &Vassal, fleet: &Fleet) -> String {
    let lines = fleet.processes(vassal).into_iter().map(|process| {
        let (pid, role, memory) = (process.pid, process.role.word(), bytes(process.memory));
        format!("{:12}{pid:>7} {role:8} {memory:>7}  {}\n", "", process.command)
    });
    let lines: String = lines.collect();
    match lines.as_str() {
        "" => lines,
        _ => format!("{:>10}:\n{lines}", "Processes"),
    }
}

/// The last events, the catalog's explanation of the last fault, and the last lines of the app.
fn last(journal: &Journal) -> String {
    let tail = |entries: &[Entry], count: usize| entries[entries.len().saturating_sub(count)..].to_vec();
    let line = |entry: &Entry| format!("{:12}{} {}\n", "", short_time(entry.usec), entry.message);
    let events = tail(&journal.events, EVENTS);
    let words = tail(&journal.words, WORDS);
    let mut text = String::new();
    if !events.is_empty() {
        text += &format!("{:>10}:\n", "Events");
        text.extend(events.iter().map(line));
        let bad = events.iter().rev().find(|entry| entry.is_bad());
        if let Some(explanation) = bad.and_then(Entry::explanation) {
            text += &paragraph(&explanation, 14, output::columns().unwrap_or(usize::MAX));
        }
    }
    if !words.is_empty() {
        text += &format!("{:>10}:\n", "Last words");
        text.extend(words.iter().map(line));
    }
    text
}

/// A time in UTC, shortened for a screen.
fn short_time(usec: u64) -> String {
    rfc3339(usec)[..19].replace('T', " ") + "Z"
}
