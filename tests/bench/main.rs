//! `bench [ROUNDS]`: vassal and uWSGI's own Emperor on one booted machine, with the same app in the same kind of archive, measured
//! in turns. Writes a table for each suite to its output and to target/bench/RESULTS.md. Nothing is asserted about time.
//!
//! Start reading at [`rounds::measure`]. [`contender`] is the two systems, [`incident`] a FUSE daemon that fails, [`quiet`] one
//! that gives no sign, [`request`] one HTTP request, [`memory`] what stays in memory, [`table`] and [`report`] the text.
#![forbid(unsafe_code)]

mod contender;
mod incident;
mod memory;
mod quiet;
mod report;
mod request;
mod rounds;
mod table;

use std::process::ExitCode;

use vassal_tests::Suite;

use crate::report::Report;

const USAGE: u8 = 64;

/// Each gives a start and a kill for both, and a second kill for vassal.
const ROUNDS: usize = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = match &arguments[..] {
        [] => Some(ROUNDS),
        [number] => number.parse().ok().filter(|rounds| *rounds > 0),
        _ => None,
    };
    let Some(rounds) = rounds else {
        eprintln!("usage: bench [ROUNDS]");
        return ExitCode::from(USAGE);
    };
    let mut report = Report::begin();
    for suite in Suite::all() {
        match rounds::measure(suite, rounds) {
            Ok(findings) => report.add(suite, &findings),
            Err(failure) => {
                eprintln!("{suite}: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    match report.write() {
        Ok(place) => {
            eprintln!("written to '{}'", place.display());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
