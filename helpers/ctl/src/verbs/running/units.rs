//! `vassalctl start`, `stop`, `restart`, `reload`, `enable`, `disable`, `mask`, `unmask`: systemctl(1) by the names of vassals.

use super::names::choose;
use super::run::{gather, refused, systemctl};
use crate::render::output;
use crate::running::cgroup::Detail;
use crate::running::fleet::{Fleet, Vassal, now_usec};
use crate::running::journal::refusals;
use crate::running::limited;
use crate::running::units::{DISABLED, MAINTENANCE};
use crate::state::{Mark, State};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// If systemctl takes longer than this, progress is shown.
const SILENT: Duration = Duration::from_secs(1);
/// The time between two checks whether systemctl has ended; a quick call takes up to this much longer.
const LOOK: Duration = Duration::from_millis(20);
/// How long systemd may take to say that.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time between two lines of progress.
const TELL: Duration = Duration::from_secs(1);
const TELL_ELSEWHERE: Duration = Duration::from_secs(10);

/// What is done to units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Start them.
    Start,
    /// Stop them.
    Stop,
    /// Stop and start them.
    Restart,
    /// Have them read their files again.
    Reload,
    /// Have them started at boot.
    Enable,
    /// Do not have them started at boot.
    Disable,
    /// Let nothing start them.
    Mask,
    /// Let them be started.
    Unmask,
}

impl Act {
    fn word(self) -> &'static str {
        match self {
            Act::Start => "start",
            Act::Stop => "stop",
            Act::Restart => "restart",
            Act::Reload => "reload",
            Act::Enable => "enable",
            Act::Disable => "disable",
            Act::Mask => "mask",
            Act::Unmask => "unmask",
        }
    }
}

impl Act {
    /// The units of a vassal that are affected. For a vassal on demand the socket is one of them, and it is stopped
    /// first.
    fn units(self, vassal: &Vassal) -> Vec<String> {
        let runs = vassal.state.runs() || vassal.state.is_bad();
        match self {
            _ if vassal.on_demand.is_none() => vec![vassal.unit()],
            Act::Start => vec![vassal.socket()],
            Act::Restart if !runs => vec![vassal.socket()],
            Act::Restart | Act::Reload => vec![vassal.unit()],
            Act::Enable | Act::Disable => vec![vassal.socket()],
            Act::Stop | Act::Mask | Act::Unmask => vec![vassal.socket(), vassal.unit()],
        }
    }
}

/// Does it to the vassals that `names` select.
pub fn run(act: Act, names: &[String]) -> ExitCode {
    let fleet = match gather() {
        Ok(fleet) => fleet,
        Err(code) => return code,
    };
    let done = choose(&fleet.vassals, names).and_then(|chosen| {
        let is_held =
            |vassal: &&Vassal| matches!(act, Act::Start | Act::Restart) && vassal.state == State::Maintenance;
        let (held, free): (Vec<_>, Vec<_>) = chosen.into_iter().partition(is_held);
        let done = match free.is_empty() {
            true => Ok(()),
            false => perform(act, &free),
        };
        // systemd silently skips a unit whose condition is not met.
        let held = held.iter().map(|Vassal { name, .. }| {
            format!("{name}: not started, it is in maintenance (vassalctl maintenance {name} off)")
        });
        let wrong: Vec<_> = done.err().into_iter().chain(held).collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("\n")),
        }
    });
    match done {
        Ok(()) => ExitCode::from(output::GOOD),
        Err(why) => output::fail_with(&why, output::FAILED),
    }
}

/// Does it to the `chosen` vassals.
///
/// # Errors
/// systemd's message; the vassals for which it failed, and why.
pub fn perform(act: Act, chosen: &[&Vassal]) -> Result<(), String> {
    match act {
        Act::Enable | Act::Disable => return switch(act, chosen),
        Act::Start | Act::Restart if chosen.iter().any(|vassal| vassal.marks.contains(&Mark::New)) => {
            // The generator has to make their drop-ins, which contain their limits.
            systemctl(&["daemon-reload"])?;
        }
        Act::Start | Act::Restart | Act::Stop | Act::Reload | Act::Mask | Act::Unmask => {}
    }
    let units: Vec<String> = chosen.iter().flat_map(|vassal| act.units(vassal)).collect();
    let mut command = Command::new("systemctl");
    command
        .arg(act.word())
        .arg("--")
        .args(&units)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let begun = now_usec();
    let child = command
        .spawn()
        .map_err(|error| format!("cannot run 'systemctl': {error}"))?;
    match follow(child, act, &units)? {
        true => Ok(()),
        false => Err(failed(act, chosen, begun)),
    }
}

/// Waits for systemctl and shows progress if that takes long. Returns whether it has succeeded.
fn follow(mut child: Child, act: Act, units: &[String]) -> Result<bool, String> {
    let begun = Instant::now();
    let is_terminal = io::stderr().is_terminal();
    let mut next = begun + SILENT;
    let mut has_told = false;
    loop {
        let ended = child.try_wait().map_err(|error| format!("systemctl: {error}"))?;
        if let Some(status) = ended {
            if has_told && is_terminal {
                overwrite("");
            }
            return Ok(status.success());
        }
        let now = Instant::now();
        if now >= next {
            let waiting = pending(units);
            let seconds = begun.elapsed().as_secs();
            let (word, all) = (act.word(), units.len());
            let text = match waiting {
                Some(waiting) => format!("{word}: waiting for {waiting} of {all} ({seconds} s)"),
                None => format!("{word}: systemd does not answer ({seconds} s)"),
            };
            match is_terminal {
                true => overwrite(&text),
                false => output::error_line(&text),
            }
            has_told = true;
            next = now + if is_terminal { TELL } else { TELL_ELSEWHERE };
        }
        std::thread::sleep(LOOK);
    }
}

/// How many of `units` have an unfinished job; `None` if systemd does not answer.
fn pending(units: &[String]) -> Option<usize> {
    let mut command = Command::new("systemctl");
    command
        .args(["list-jobs", "--no-legend", "--full", "--plain"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    // A systemd that does not answer has done none of them.
    let call = command.spawn().ok()?;
    let listed = limited::output(call, Instant::now() + PATIENCE).ok()??;
    let text = String::from_utf8_lossy(&listed.stdout);
    let jobs = text.lines().filter_map(|line| line.split_whitespace().nth(1));
    Some(jobs.filter(|unit| units.iter().any(|each| each == unit)).count())
}

fn overwrite(text: &str) {
    // Progress is lost without harm if standard error is closed.
    write!(io::stderr(), "\r\x1b[K{text}").ok();
}

/// The messages about vassals for which it has failed since `begun`, one line each.
fn failed(act: Act, chosen: &[&Vassal], begun: u64) -> String {
    let after = Fleet::gather(&crate::arguments::Place::this_machine(), Detail::Line);
    let after = after.map(|fleet| fleet.vassals).unwrap_or_default();
    let mut reasons = refusals(begun).unwrap_or_default();
    let line = |vassal: &&Vassal| {
        let now = after.iter().find(|each| each.instance == vassal.instance)?;
        let Vassal {
            name, state, record, ..
        } = now;
        match (reasons.remove(&now.unit()), state.is_bad()) {
            (Some(reason), true) => Some(format!("{name}: {}: {reason}", state.word())),
            (Some(reason), false) => Some(format!("{name}: {reason}")),
            (None, true) => {
                let cause = record.cause.as_deref().unwrap_or("see vassalctl status");
                Some(format!("{name}: {}: {cause}", state.word()))
            }
            (None, false) => None,
        }
    };
    let lines: Vec<_> = chosen.iter().filter_map(line).collect();
    match lines.is_empty() {
        true => format!("cannot {} all of them (systemd says why, above)", act.word()),
        false => lines.join("\n"),
    }
}

/// Replaces the wants-link that the generator makes at each boot by a link to /dev/null, or removes that
/// (systemd.unit(5), `.wants/`).
fn switch(act: Act, chosen: &[&Vassal]) -> Result<(), String> {
    let place = Path::new("/").join(DISABLED);
    let units = chosen.iter().flat_map(|vassal| act.units(vassal));
    for unit in units {
        let link = place.join(unit);
        let done = match act {
            Act::Enable => std::fs::remove_file(&link),
            _ => std::fs::create_dir_all(&place).and_then(|()| symlink("/dev/null", &link)),
        };
        match done {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => {}
            done => done.map_err(|error| refused(&link, &error))?,
        }
    }
    systemctl(&["daemon-reload"]).map(drop)
}

/// Puts vassals into maintenance, or back: a file that persists over reboots, checked by the unit's
/// `ConditionPathExists=`.
pub fn maintain(names: &[String], is_on: bool) -> ExitCode {
    let fleet = match gather() {
        Ok(fleet) => fleet,
        Err(code) => return code,
    };
    let done = choose(&fleet.vassals, names).and_then(|chosen| {
        chosen.iter().try_for_each(|vassal| mark(vassal, is_on))?;
        match is_on {
            true => perform(Act::Stop, &chosen),
            false => {
                let is_wanted = |vassal: &&&Vassal| vassal.state != State::Masked;
                perform(
                    Act::Start,
                    &chosen.iter().filter(is_wanted).copied().collect::<Vec<_>>(),
                )
            }
        }
    });
    match done {
        Ok(()) => ExitCode::from(output::GOOD),
        Err(why) => output::fail_with(&why, output::FAILED),
    }
}

fn mark(vassal: &Vassal, is_on: bool) -> Result<(), String> {
    let place = Path::new("/").join(MAINTENANCE);
    let mark = place.join(&vassal.instance);
    let done = match is_on {
        true => std::fs::create_dir_all(&place).and_then(|()| std::fs::write(&mark, "")),
        false => std::fs::remove_file(&mark),
    };
    match done {
        Err(error) if !is_on && error.kind() == ErrorKind::NotFound => Ok(()),
        done => done.map_err(|error| refused(&mark, &error)),
    }
}
