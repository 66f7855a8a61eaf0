//! From a vassal's file to what uWSGI is given: what the plan leaves to uWSGI arrives there line by line, and no value or
//! key can add a line, a comment or a section.
//! The input is the vassal's file and, after a byte 0xFE, the text of the files that it may include.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use vassal_config::diagnostic::Origin;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::language::text::lex::lines;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::push;
use vassal_config::vassal::socket::handed::handed;
use vassal_fuzz::{judge, vassal};

fuzz_target!(|input: &[u8]| -> Corpus {
    if input.len() > 1 << 14 {
        return Corpus::Reject;
    }
    let mut parts = input.splitn(2, |byte| *byte == 0xfe);
    let (text, other) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let world = vassal::machine(text, other);
    match vassal::read(&world) {
        Ok(vassal) => {
            judge::findings(&vassal.warnings);
            planned(&vassal.plan);
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal without a reason");
            judge::findings(&errors);
        }
    }
    Corpus::Keep
});

fn planned(plan: &Plan) {
    assert!(
        plan.operations
            .windows(2)
            .all(|pair| pair[0].phase <= pair[1].phase),
        "ORD-1"
    );
    for watch in &plan.watch {
        assert!(watch.path.starts_with(b"/"), "a mountpoint is absolute");
    }
    match &plan.payload {
        Payload::Uwsgi { entries, program: _ } => {
            assert!(
                plan.listeners
                    .iter()
                    .all(|listener| listener.entry < entries.len())
            );
            let sockets: Vec<_> = plan.listeners.iter().zip(10..).collect();
            let (entries, replaced) = handed(entries, &sockets, Vec::new());
            match push::message(&entries, &replaced) {
                Ok(message) => pushed(&message, &entries, &replaced),
                Err(error) => judge::finding(&error),
            }
        }
        Payload::Command { command, origin, .. } => {
            assert!(!command.is_empty() && matches!(origin, Origin::File { .. }));
        }
    }
}

/// Reads the message as uWSGI does: header, `%%` of the text, lines.
fn pushed(message: &[u8], entries: &[Entry], replaced: &[(usize, Vec<u8>)]) {
    let (header, text) = message.split_at(4);
    assert_eq!(header, [115, text.len() as u8, (text.len() >> 8) as u8, 0]);
    let text = undoubled(text);
    let read: Vec<_> = lines(&text)
        .map(|line| (line.section, line.key, line.value))
        .collect();
    let values: Vec<Vec<u8>> = entries
        .iter()
        .enumerate()
        .map(
            |(at, entry)| match replaced.iter().find(|(entry, _)| *entry == at) {
                Some((_, value)) => value.clone(),
                None => entry.value.clone().unwrap_or_else(|| b"true".to_vec()),
            },
        )
        .collect();
    let wanted: Vec<_> = entries
        .iter()
        .zip(&values)
        .filter(|(entry, _)| can_stand(&entry.key))
        .map(|(entry, value)| (&b"uwsgi"[..], trimmed(&entry.key), trimmed(value)))
        .collect();
    assert_eq!(read, wanted, "what uWSGI reads is what was meant");
}

/// Names of no option that a line cannot carry either: they would be sections or comments (L3), and may be left out.
fn can_stand(key: &[u8]) -> bool {
    !matches!(trimmed(key).first(), Some(b'[' | b';' | b'#'))
}

/// M2: `%%` becomes `%`; any other `%` would be a variable.
fn undoubled(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        assert!(
            *byte != b'%' || rest.next() == Some(&b'%'),
            "a magic variable in the text"
        );
        out.push(*byte);
    }
    out
}

/// White space at the ends of a line is all that a line cannot carry (L4).
fn trimmed(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|byte| !is_blank(byte))
        .map_or(start, |at| at + 1);
    &text[start..end]
}
