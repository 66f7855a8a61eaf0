//! Files with some bytes changed: what is almost a configuration finds other mistakes than what is one, or what is none.

use std::path::Path;

use crate::random::Random;
use crate::soup::PIECES;

type Files = Vec<(String, Vec<u8>)>;

/// Grown files, or once in three the file of a corpus case in the place of the first, with up to eight changes in each of
/// the first two.
pub fn mutated(random: &mut Random, grown: fn(&mut Random) -> Files) -> Files {
    let mut files = grown(random);
    if random.once_in(3) {
        files[0].1 = from_corpus(random);
    }
    for (_, text) in files.iter_mut().take(2) {
        for _ in 0..1 + random.below(8) {
            change(random, text);
        }
        // What uWSGI reads behind a `%` at the end lies behind its buffer (corpus case 044).
        if text.ends_with(b"%") {
            text.push(b'n');
        }
    }
    files
}

/// One of the corpus's files; the same for the same seed as long as the corpus is the same.
fn from_corpus(random: &mut Random) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/cases");
    let mut cases: Vec<_> = std::fs::read_dir(directory)
        .expect("cases/ is there")
        .map(|entry| entry.expect("cases/ can be listed").path().join("case.ini"))
        .filter(|path| path.exists())
        .collect();
    cases.sort();
    std::fs::read(&cases[random.below(cases.len())]).expect("a case can be read")
}

fn change(random: &mut Random, text: &mut Vec<u8>) {
    let from = random.below(text.len() + 1);
    let length = random.below(12).min(text.len() - from);
    let range = from..from + length;
    match random.below(6) {
        0 => drop(text.drain(range)),
        1 => {
            let copy = text[range].to_vec();
            let to = random.below(text.len() + 1);
            text.splice(to..to, copy);
        }
        2 if length > 0 => text[from] = random.pick(b"\n\r\t =%$@()[];:#_\0ab01\xff"),
        3 if length > 0 => text[from] ^= 1 << random.below(8),
        4 => swap_lines(random, text),
        _ => drop(text.splice(from..from, random.pick(PIECES).to_vec())),
    }
}

fn swap_lines(random: &mut Random, text: &mut Vec<u8>) {
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    let (one, other) = (random.below(lines.len()), random.below(lines.len()));
    lines.swap(one, other);
    *text = lines.join(&b'\n');
}
