//! `vassalctl logs NAME`: shows a vassal's events and its app's lines, by journalctl(1).

use super::names::choose;
use super::run::{execute, gather};
use crate::arguments::Logs;
use crate::output_options::Color;
use crate::render::output;
use std::process::{Command, ExitCode};

/// Shows the logs.
pub fn run(arguments: &Logs) -> ExitCode {
    let fleet = match gather() {
        Ok(fleet) => fleet,
        Err(code) => return code,
    };
    let chosen = match choose(&fleet.vassals, &arguments.names) {
        Ok(chosen) => chosen,
        Err(why) => return output::fail_with(&why, output::FAILED),
    };
    let mut command = Command::new("journalctl");
    for vassal in chosen {
        command.arg(format!("--unit={}", vassal.unit()));
        command.arg(format!("--unit=vassal-retry@{}.service", vassal.instance));
    }
    if arguments.follow {
        command.arg("--follow");
    }
    if let Some(lines) = arguments.lines {
        command.arg(format!("--lines={lines}"));
    }
    if let Some(output) = &arguments.output {
        command.arg(format!("--output={output}"));
    }
    if let Some(since) = &arguments.since {
        command.arg(format!("--since={since}"));
    }
    if arguments.paging.no_pager {
        command.arg("--no-pager");
    }
    match output::colors::chosen() {
        Color::Auto => {}
        Color::Always => drop(command.env("SYSTEMD_COLORS", "1")),
        Color::Never => drop(command.env("SYSTEMD_COLORS", "0")),
    }
    execute(command)
}
