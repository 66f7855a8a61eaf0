//! The same vassals under uWSGI's Emperor and under vassal: each of their hooks, and their app, writes down what it is at that
//! moment. The two traces are equal, or a row of differences.rs says why not.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get ends it, with the reason"
)]

mod compare;
mod differences;
mod record;
mod traced;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use vassal_tests::Suite;

use compare::Difference;
use differences::{ROWS, Row};

/// What the project has promised.
const FILES: usize = 40;

#[test]
fn each_vassal_leaves_the_same_trace_under_both() {
    let traced = traced::all();
    let mut used = BTreeSet::new();
    let mut complaints = String::new();
    for suite in Suite::all() {
        for (vassal, difference) in differences(suite, &traced) {
            let row = ROWS.iter().position(|row| row.allows(&vassal, &difference));
            match row {
                Some(row) => drop(used.insert(row)),
                None => writeln!(complaints, "{suite}: {vassal}: {difference}").unwrap(),
            }
        }
    }
    for (_, Row { files, at, field, .. }) in ROWS.iter().enumerate().filter(|(row, _)| !used.contains(row)) {
        writeln!(
            complaints,
            "a row of differences.rs that nothing needs: {files} {at} {field}"
        )
        .unwrap();
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn at_least_forty_vassals_are_traced() {
    let traced = traced::all();
    assert!(traced.len() >= FILES, "{}", traced.len());
}

#[test]
fn each_row_has_its_entry_in_the_manual() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/man/vassal-compat.7");
    let manual = fs::read_to_string(manual).unwrap();
    // The heading of an entry is the line after `.TP`.
    let headings: Vec<&str> = manual
        .split(".TP\n")
        .skip(1)
        .filter_map(|entry| entry.lines().next())
        .collect();
    let missing: BTreeSet<&str> = ROWS
        .iter()
        .map(|row| row.entry)
        .filter(|entry| !headings.iter().any(|heading| heading.contains(entry)))
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not in vassal-compat(7)");
}

/// Everything that differs on a machine of a suite, with the vassal it differs for.
fn differences(suite: Suite, traced: &[traced::Traced]) -> Vec<(String, Difference)> {
    let pairs = world::run(suite, traced);
    let differences = pairs.iter().flat_map(|(vassal, theirs, ours)| {
        let differences = compare::compare(theirs, ours);
        differences
            .into_iter()
            .map(|difference| (vassal.clone(), difference))
    });
    differences.collect()
}
