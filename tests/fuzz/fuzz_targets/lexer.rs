//! Lines as written: every key line is found, once, where it stands, and nothing else is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vassal_config::language::text::lex::{Line, lines};

fuzz_target!(|text: &[u8]| {
    let found: Vec<Line<'_>> = lines(text).collect();
    for line in &found {
        check(text, line);
    }
    assert!(
        found.windows(2).all(|pair| pair[0].line < pair[1].line),
        "lines ascend"
    );
    let wanted: Vec<(usize, Vec<u8>)> = key_lines(text);
    let seen: Vec<(usize, Vec<u8>)> = found
        .iter()
        .map(|line| (line.line as usize, line.section.to_vec()))
        .collect();
    assert_eq!(seen, wanted, "every key line, and in its section");
});

/// One line: its parts are trimmed pieces of the text at the place that it names.
fn check(text: &[u8], line: &Line<'_>) {
    for part in [line.section, line.key, line.value] {
        assert!(text.as_ptr_range().contains(&part.as_ptr()) || part.is_empty());
        assert!(!part.contains(&b'\n') && !part.contains(&0), "L3, L9: {line:?}");
    }
    for part in [line.key, line.value] {
        assert!(
            !part.first().is_some_and(is_blank) && !part.last().is_some_and(is_blank),
            "L4: {line:?}"
        );
    }
    assert!(!line.key.contains(&b'='), "L5: {line:?}");
    assert!(
        !matches!(line.key.first(), Some(b'[' | b';' | b'#')),
        "L3: {line:?}"
    );
    let (before, from) = text.split_at(line.offset);
    assert!(from.starts_with(line.key), "the offset is the key's: {line:?}");
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    assert_eq!(line.column as usize, line.offset - start + 1, "{line:?}");
    assert_eq!(
        line.line as usize,
        before.iter().filter(|byte| **byte == b'\n').count() + 1,
        "{line:?}"
    );
    let rest = from[line.key.len()..]
        .split(|byte| matches!(byte, b'\n' | 0))
        .next()
        .unwrap_or_default();
    let value = rest
        .iter()
        .position(|byte| *byte == b'=')
        .map_or(&b""[..], |at| &rest[at + 1..]);
    assert_eq!(trimmed(value), line.value, "L6: {line:?}");
}

/// Number and section of each key line, found by another way than the lexer's: from line to line, by hand.
fn key_lines(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut section: Option<Vec<u8>> = None;
    let mut found = Vec::new();
    for (at, physical) in text.split(|byte| *byte == b'\n').enumerate() {
        let end = physical
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(physical.len());
        let line = trimmed(&physical[..end]);
        match line.first() {
            None | Some(b';' | b'#') => {}
            Some(b'[') => {
                section = Some(
                    line[1..]
                        .split_last()
                        .map_or(Vec::new(), |(_, name)| name.to_vec()),
                )
            }
            Some(_) => found.extend(section.clone().map(|section| (at + 1, section))),
        }
    }
    found
}

fn trimmed(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|byte| !is_blank(byte))
        .map_or(start, |at| at + 1);
    &text[start..end]
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}
