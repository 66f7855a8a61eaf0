//! Random configurations, evaluated by us and by the real uwsgi-core, must come to the same list.
//!
//! Not part of `cargo test`: it needs Debian's uwsgi-core, and is run by `make differential`. The seed is fixed and printed;
//! `VASSAL_SEED` and `VASSAL_CASES` change it and the number of cases. A difference prints the whole case.

mod arguments;
mod binary;
mod generate;
mod grammar;
mod mutate;
mod random;
mod soup;
mod words;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use binary::Verdict;
use generate::Kind;
use random::Random;

/// Differences printed in full.
const SHOWN: usize = 10;

/// The seed when none is given.
const SEED: u64 = 20_260_509;

/// The number of cases when none is given: some six minutes on two processors.
const CASES: u64 = 20_000;

/// What the cases of one kind came to.
#[derive(Default)]
struct Tally {
    lists: u64,
    refusals: u64,
    crashes: u64,
    not_judged: u64,
    differences: u64,
}

/// What all cases came to, in the order of [`Kind::ALL`].
#[derive(Default)]
struct Count {
    tallies: [Tally; Kind::ALL.len()],
    shown: usize,
}

impl Count {
    fn of(&mut self, kind: Kind) -> &mut Tally {
        let at = Kind::ALL.iter().position(|other| *other == kind);
        &mut self.tallies[at.expect("all are there")]
    }

    fn sum(&self, part: fn(&Tally) -> u64) -> u64 {
        self.tallies.iter().map(part).sum()
    }

    fn print(&self) {
        println!("            lists  refusals  crashes  not judged  differences");
        for (kind, tally) in Kind::ALL.iter().zip(&self.tallies) {
            let Tally {
                lists,
                refusals,
                crashes,
                not_judged,
                differences,
            } = tally;
            println!(
                "{:>9} {lists:>7} {refusals:>9} {crashes:>8} {not_judged:>11} {differences:>12}",
                kind.name()
            );
        }
        println!(
            "differential: {} equal lists, {} refused by both, {} where uwsgi crashed or grew without end, {} with an expression that we do not judge, {} differences",
            self.sum(|tally| tally.lists),
            self.sum(|tally| tally.refusals),
            self.sum(|tally| tally.crashes),
            self.sum(|tally| tally.not_judged),
            self.sum(|tally| tally.differences)
        );
    }
}

fn main() -> ExitCode {
    let seed = number("VASSAL_SEED", SEED);
    let cases = number("VASSAL_CASES", CASES);
    let first = number("VASSAL_FIRST", 0);
    // Both read the standard input (`ini = -`, `@(fd://0)`), and theirs is empty.
    let empty = std::fs::File::open("/dev/null").expect("it is there");
    nix::unistd::dup2_stdin(empty).expect("a descriptor can be replaced");
    println!("differential: seed {seed}, {cases} cases from {first}");
    let end = first.saturating_add(cases);
    let next = AtomicU64::new(first);
    let count = Mutex::new(Count::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let directory = tempfile::tempdir().expect("a directory for the cases");
                let place = directory.path().join("case");
                std::fs::create_dir(&place).expect("a new directory");
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= end {
                        return;
                    }
                    let case = generate::case(&mut Random::new(seed, index));
                    let verdict = binary::compare(&case, &place);
                    record(&mut count.lock().expect("no thread died"), index, &case, verdict);
                }
            });
        }
    });
    let count = count.into_inner().expect("no thread died");
    count.print();
    if count.sum(|tally| tally.differences) == 0 && count.tallies.iter().all(|tally| tally.lists > 0) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn record(count: &mut Count, index: u64, case: &generate::Case, verdict: Verdict) {
    let tally = count.of(case.kind);
    match verdict {
        Verdict::SameList => tally.lists += 1,
        Verdict::BothRefuse => tally.refusals += 1,
        Verdict::NotJudged => tally.not_judged += 1,
        Verdict::Crash => tally.crashes += 1,
        Verdict::Different { theirs, ours } => {
            tally.differences += 1;
            if count.shown < SHOWN {
                count.shown += 1;
                println!("--- case {index} differs\n{case}\n--- uwsgi:\n{theirs}\n--- vassal:\n{ours}\n");
            }
        }
    }
}
