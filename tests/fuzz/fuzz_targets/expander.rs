//! The whole evaluation: it ends, it says the same twice, its findings can be shown, and values without a sign are as written.
//! The input is the vassal's file and, after a byte 0xFE, the text of the files that it may include.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::language::evaluation::evaluate::Evaluation;
use vassal_config::language::text::lex::lines;
use vassal_config::machine::fake::FakeWorld;
use vassal_fuzz::{judge, vassal};

/// Bytes of all keys and values together: below this the limits of the evaluation keep what 64 KiB of input may become.
const LARGEST: usize = 128 << 20;

fuzz_target!(|input: &[u8]| -> Corpus {
    if input.len() > 1 << 16 {
        return Corpus::Reject;
    }
    let (text, other) = split(input);
    let world = vassal::machine(text, other);
    let first = vassal::evaluated(&world);
    let second = vassal::evaluated(&world);
    match (first, second) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first.entries, second.entries, "the same list twice");
            assert_eq!(first.effects, second.effects, "the same effects twice");
            assert_eq!(first.printed, second.printed);
            assert_eq!(first.exit, second.exit);
            accepted(&first, &world, text);
        }
        (Err(first), Err(second)) => {
            assert_eq!(first, second, "the same refusal twice");
            judge::finding(&first);
        }
        (first, second) => panic!("once so and once otherwise: {first:?} {second:?}"),
    }
    Corpus::Keep
});

fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0xfe);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn accepted(evaluation: &Evaluation, world: &FakeWorld, text: &[u8]) {
    judge::findings(&evaluation.warnings);
    assert!(evaluation.exit.is_none_or(|code| (0..=255).contains(&code)));
    let size = |entry: &Entry| entry.key.len() + entry.value.as_ref().map_or(0, Vec::len);
    let total: usize = evaluation
        .entries
        .iter()
        .chain(&evaluation.effects)
        .map(size)
        .sum();
    assert!(total < LARGEST, "{total} bytes");
    if evaluation.exit.is_none() && text.iter().all(|byte| !b"%$@".contains(byte)) && !has_words(evaluation) {
        as_written(evaluation, text);
    }
    assert!(world.files.len() == 3, "nothing writes");
}

/// Whether any key does more than stand in the list: then the list is not what is written.
fn has_words(evaluation: &Evaluation) -> bool {
    let mut keys = evaluation
        .entries
        .iter()
        .skip(1)
        .map(|entry| entry.key.as_slice());
    keys.any(|key| key.iter().any(|byte| !byte.is_ascii_digit()))
}

/// A file of placeholders without signs is its own list (P3).
fn as_written(evaluation: &Evaluation, text: &[u8]) {
    let wanted: Vec<(&[u8], &[u8])> = lines(text)
        .filter(|line| line.section == b"uwsgi")
        .map(|line| (line.key, line.value))
        .collect();
    let listed: Vec<(&[u8], &[u8])> = evaluation
        .entries
        .iter()
        .skip(1)
        .map(|entry| (entry.key.as_slice(), entry.value.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(listed, wanted);
}
