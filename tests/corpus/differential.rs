//! Random configurations, evaluated by us and by the real uwsgi-core, must come to the same list.
//!
//! Not part of `cargo test`: it needs Debian's uwsgi-core, and is run by `make differential`. The seed is fixed and printed;
//! `VASSAL_SEED` and `VASSAL_CASES` change it and the number of cases. A difference prints the whole case.

#[path = "differential/binary.rs"]
mod binary;
#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/random.rs"]
mod random;
#[path = "differential/soup.rs"]
mod soup;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use binary::Verdict;
use random::Random;

/// Differences printed in full.
const SHOWN: usize = 10;

/// The seed when none is given.
const SEED: u64 = 20_260_509;

/// The number of cases when none is given: three minutes on two processors.
const CASES: u64 = 6_000;

/// What all cases came to.
#[derive(Default)]
struct Count {
    lists: u64,
    refusals: u64,
    crashes: u64,
    differences: u64,
    shown: usize,
}

fn main() -> ExitCode {
    let seed = number("VASSAL_SEED", SEED);
    let cases = number("VASSAL_CASES", CASES);
    let first = number("VASSAL_FIRST", 0);
    println!("differential: seed {seed}, {cases} cases from {first}");
    let next = AtomicU64::new(first);
    let count = Mutex::new(Count::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let directory = tempfile::tempdir().expect("a directory for the cases");
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= first + cases {
                        return;
                    }
                    let case = generate::case(&mut Random::new(seed, index));
                    let verdict = binary::compare(&case, directory.path());
                    record(&mut count.lock().expect("no thread died"), index, &case, verdict);
                }
            });
        }
    });
    let count = count.into_inner().expect("no thread died");
    println!(
        "differential: {} equal lists, {} refused by both, {} where uwsgi crashed or grew without end, {} differences",
        count.lists, count.refusals, count.crashes, count.differences
    );
    if count.differences == 0 && count.lists > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn record(count: &mut Count, index: u64, case: &generate::Case, verdict: Verdict) {
    match verdict {
        Verdict::SameList => count.lists += 1,
        Verdict::BothRefuse => count.refusals += 1,
        Verdict::Crash => count.crashes += 1,
        Verdict::Different { theirs, ours } => {
            count.differences += 1;
            if count.shown < SHOWN {
                count.shown += 1;
                println!("--- case {index} differs\n{case}\n--- uwsgi:\n{theirs}\n--- vassal:\n{ours}\n");
            }
        }
    }
}
