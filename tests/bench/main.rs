//! `bench [ROUNDS | thousand | fleet | live | deploy | kills [TIMES] | entry | generation | filesystems [NAME...]]`: vassal and uWSGI's own Emperor on
//! one booted machine, with the same app in the same kind of archive, measured
//! in turns. Writes a table for each suite to its output and to target/bench/RESULTS.md, the numbers to
//! RESULTS.json, and plots. Nothing is asserted about time.
//!
//! Start reading at [`rounds::measure`]. [`contender`] is the two systems, [`measures::incident`] a FUSE daemon that fails, [`quiet`] one
//! that gives no sign, [`measures::request`] one HTTP request, [`measures::memory`] what stays in memory. Beside the least that
//! is possible, in C
//! ([`compile`], floor/): [`measures::entry`] a start without systemd, [`measures::remount`] one after a death, seen by a
//! [`witness`]; [`measures::hang`] and
//! [`measures::many`] vassal alone; [`measures::thousand`] beside bare units (`bench thousand`: only that); [`measures::fleet`] vassalctl
//! with a thousand of them (`bench fleet`); [`measures::deploy`] reloads and restarts (`bench deploy`); [`measures::kills`] kills under
//! load (`bench kills`);
//! [`measures::generation`] the generator (`bench generation`); [`filesystems`] every FUSE filesystem that Debian has (`bench
//! filesystems`). [`table`], [`measures::ladder`] and [`report`] are the text, [`series`] the
//! numbers, [`plot`] the pictures.
#![forbid(unsafe_code)]

mod filesystems;
mod measures;

#[path = "../machines/continuity/setup/client.rs"]
#[allow(dead_code, reason = "the suites of machines have more uses for it")]
#[expect(clippy::unwrap_used, reason = "a client that panics ends what is measured")]
mod client;
mod compile;
mod contender;
mod plot;
mod quiet;
mod report;
mod rounds;
mod series;
#[path = "../machines/continuity/setup/steady.rs"]
#[expect(clippy::unwrap_used, reason = "a client that panics ends what is measured")]
mod steady;
mod table;
mod witness;

use std::process::ExitCode;

use vassal_tests::Suite;

use crate::report::Report;

const USAGE: u8 = 64;

/// How often the FUSE daemon of each of twenty vassals is killed under load, by itself and in the whole.
const KILLS: usize = 20;
const FEW_KILLS: usize = 1;

/// Each gives a start and a kill for both, and a second kill for vassal.
const ROUNDS: usize = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = match &arguments[..] {
        [] => Some(ROUNDS),
        [word] if word == "thousand" => return only_thousand(),
        [word] if word == "fleet" => return only_fleet(),
        [word] if word == "live" => return only_live(),
        [word] if word == "deploy" => return only_deploy(),
        [word] if word == "kills" => return only_kills(KILLS),
        [word, times] if word == "kills" => match times.parse() {
            Ok(times) => return only_kills(times),
            Err(_) => None,
        },
        [word] if word == "entry" => return only_entry(),
        [word] if word == "generation" => return only_generation(),
        [word, names @ ..] if word == "filesystems" => return only_filesystems(names),
        [number] => number.parse().ok().filter(|rounds| *rounds > 0),
        _ => None,
    };
    let Some(rounds) = rounds else {
        eprintln!(
            "usage: bench [ROUNDS | thousand | fleet | live | deploy | kills [TIMES] | entry | generation | filesystems [NAME...]]"
        );
        return ExitCode::from(USAGE);
    };
    if let Err(failure) = compile::compile_all() {
        eprintln!("{failure}");
        return ExitCode::FAILURE;
    }
    let mut report = Report::begin();
    eprintln!("launchers");
    match measures::entry::measure() {
        Ok(ladders) => report.add_entry(&ladders),
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    }
    eprintln!("generators");
    match measures::generation::measure() {
        Ok(found) => report.add_generation(&found),
        Err(failure) => {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    }
    for suite in Suite::all() {
        let measured = rounds::measure(suite, rounds)
            .map(|findings| report.add(suite, &findings))
            .and_then(|()| measures::deploy::measure(suite))
            .map(|deploys| report.add_deploys(&deploys))
            .and_then(|()| measures::kills::measure(suite, FEW_KILLS, false))
            .map(|kills| report.add_kills(&kills));
        if let Err(failure) = measured {
            eprintln!("{suite}: {failure}");
            // What has been measured until here took a quarter of an hour.
            ended(&report);
            return ExitCode::FAILURE;
        }
    }
    ended(&report)
}

/// Nothing but the launchers.
fn only_entry() -> ExitCode {
    match measures::entry::measure() {
        Ok(ladders) => {
            print!("{}", report::entry(&ladders));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Nothing but the generators.
fn only_generation() -> ExitCode {
    match measures::generation::measure() {
        Ok(found) => {
            print!("{}", report::generation(&found));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Nothing but the FUSE filesystems, or those that are named; on both suites at the same time, as most of it is waiting.
fn only_filesystems(wanted: &[String]) -> ExitCode {
    let all = std::thread::scope(|scope| {
        let suites = Suite::all().into_iter();
        let running: Vec<_> = suites
            .map(|suite| {
                (
                    suite,
                    scope.spawn(move || filesystems::measure::measure(suite, wanted)),
                )
            })
            .collect();
        let ended = running.into_iter().map(|(suite, each)| (suite, each.join()));
        ended.collect::<Vec<_>>()
    });
    let mut code = ExitCode::SUCCESS;
    for (suite, tried) in all {
        match tried {
            Ok(Ok(tried)) => println!("## Debian {suite}\n\n{}", filesystems::rows::table(&tried)),
            Ok(Err(failure)) => {
                eprintln!("{suite}: {failure}");
                code = ExitCode::FAILURE;
            }
            Err(_) => code = ExitCode::FAILURE,
        }
    }
    code
}

/// Nothing but the thousand vassals.
fn only_thousand() -> ExitCode {
    for suite in Suite::all() {
        match measures::thousand::measure(suite) {
            Ok(mass) => print!("{suite}: {}", report::mass(&mass)),
            Err(failure) => {
                eprintln!("{suite}: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Nothing but what vassalctl takes with a thousand vassals.
fn only_fleet() -> ExitCode {
    for suite in Suite::all() {
        match measures::fleet::measure(suite) {
            Ok(all) => {
                for measures::fleet::Taken {
                    command,
                    shortest,
                    median,
                } in all
                {
                    println!("{suite}: {command}: median {median:.1?}, shortest {shortest:.1?}");
                }
            }
            Err(failure) => {
                eprintln!("{suite}: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Nothing but changes of files.
fn only_live() -> ExitCode {
    for suite in Suite::all() {
        match measures::live::measure(suite) {
            Ok(live) => print!("{suite}: {}", report::live(&live)),
            Err(failure) => {
                eprintln!("{suite}: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Nothing but reloads, broken versions, restarts and stops.
fn only_deploy() -> ExitCode {
    for suite in Suite::all() {
        match measures::deploy::measure(suite) {
            Ok(deploys) => print!("{suite}: {}", report::deploys(&deploys)),
            Err(failure) => {
                eprintln!("{suite}: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Nothing but kills under load.
fn only_kills(times: usize) -> ExitCode {
    for suite in Suite::all() {
        match measures::kills::measure(suite, times, true) {
            Ok(kills) => print!("{suite}:\n\n{}", report::kills(&kills)),
            Err(failure) => {
                eprintln!("{suite}: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn ended(report: &Report) -> ExitCode {
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
