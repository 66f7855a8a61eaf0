//! The message with the rest of a configuration, which uWSGI gets through the Emperor's configuration socket (D4).

use crate::diagnostic::Diagnostic;
use crate::language::evaluation::entry::Entry;
use vassal_escape::printable;

/// The largest length that the header's 16 bits can express.
const LONGEST: usize = u16::MAX as usize;

/// The message: the byte 115, the length in two bytes (little-endian), a zero, and an INI text with `entries`, in which
/// every `%` is doubled because uWSGI replaces magic variables once more (M2). `replaced` has new values for some
/// entries. Names that would look like a section or a comment are left out: they are no options, and as placeholders
/// they have had their effect.
///
/// # Errors
/// A name or value that cannot be expressed in an INI line; a text that is too long for the message.
pub fn message(entries: &[Entry], replaced: &[(usize, Vec<u8>)]) -> Result<Vec<u8>, Diagnostic> {
    let mut text = b"[uwsgi]\n".to_vec();
    for (at, entry) in entries.iter().enumerate() {
        let value = match replaced.iter().find(|(index, _)| *index == at) {
            Some((_, value)) => value.clone(),
            None => entry.value.clone().unwrap_or_else(|| b"true".to_vec()),
        };
        if matches!(entry.key.trim_ascii_start().first(), Some(b'[' | b';' | b'#')) {
            continue;
        }
        if [&entry.key, &value]
            .iter()
            .any(|part| part.contains(&b'\n') || part.contains(&0))
        {
            let message = format!("'{}' or its value holds a line break", printable(&entry.key));
            let hint = "uWSGI reads one line per option; let the app read the file itself";
            return Err(Diagnostic::error(Some(entry.origin.clone()), message).with_hint(hint));
        }
        doubled(&entry.key, &mut text);
        text.extend_from_slice(b" = ");
        doubled(&value, &mut text);
        text.push(b'\n');
    }
    if text.len() > LONGEST {
        let message = format!(
            "what is left for uWSGI is {} bytes long, more than {LONGEST}",
            text.len()
        );
        return Err(Diagnostic::error(None, message).with_hint("move parts of it into the app"));
    }
    let length = (text.len() as u16).to_le_bytes();
    Ok([&[115, length[0], length[1], 0][..], &text].concat())
}

fn doubled(bytes: &[u8], text: &mut Vec<u8>) {
    for byte in bytes {
        text.push(*byte);
        if *byte == b'%' {
            text.push(b'%');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::evaluation::entry::entry;

    #[test]
    fn the_message_is_a_header_and_a_text_with_doubled_percents() {
        let entries = [
            entry("plugin", "psgi"),
            entry("http-socket", ":9090"),
            entry("logformat", "%(uri)"),
        ];
        let message = message(&entries, &[(1, b"fd://7".to_vec())]).unwrap();
        let text = b"[uwsgi]\nplugin = psgi\nhttp-socket = fd://7\nlogformat = %%(uri)\n";
        assert_eq!(message, [&[115, text.len() as u8, 0, 0][..], text].concat());
    }

    #[test]
    fn a_name_cannot_open_a_section_or_end_a_line() {
        let entries = [entry("[x", "1"), entry(" ;y", "1"), entry("psgi", "/a")];
        assert_eq!(&message(&entries, &[]).unwrap()[4..], b"[uwsgi]\npsgi = /a\n");
        assert!(message(&[entry("a\nexec-asap", "1")], &[]).is_err());
    }

    #[test]
    fn what_no_line_can_carry_is_refused() {
        assert!(message(&[entry("a", "b\nc")], &[]).is_err());
        assert!(message(&[entry("a", &"b".repeat(70_000))], &[]).is_err());
    }
}
