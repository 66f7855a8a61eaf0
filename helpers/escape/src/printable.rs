//! Turns untrusted bytes into text that is safe to print.

/// Returns `bytes` as one printable line. Valid UTF-8 is kept; control characters and invalid bytes become `\xNN`;
/// marks that change the direction of writing, and line separators, become `\u{NNNN}`. So no value of a configuration
/// can break a log line or a notification apart, or make it look like another one.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk
            .valid()
            .chars()
            .for_each(|character| push(&mut out, character));
        push_bytes(&mut out, chunk.invalid());
    }
    out
}

fn push(out: &mut String, character: char) {
    match character {
        other if is_deceptive(other) => out.extend(other.escape_unicode()),
        other if other.is_control() => push_bytes(out, other.encode_utf8(&mut [0; 4]).as_bytes()),
        other => out.push(other),
    }
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}

/// Whether it is a separator of lines or paragraphs, or a mark that changes the direction in which a terminal writes
/// (UAX #9).
fn is_deceptive(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// The first `limit` bytes of `text`, cut at a character boundary; `...` is appended where something was cut.
pub fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub(3);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_broken_utf8_are_escaped() {
        assert_eq!(printable(b"a\nREADY=1\xff\xc3\xa9"), "a\\x0aREADY=1\\xff\u{e9}");
        assert_eq!(printable(b"\x1b[31m\x00\xc2\x9b"), "\\x1b[31m\\x00\\xc2\\x9b");
    }

    #[test]
    fn marks_that_change_the_direction_of_writing_are_escaped() {
        for mark in [
            '\u{061c}', '\u{200f}', '\u{2028}', '\u{202e}', '\u{2066}', '\u{2069}',
        ] {
            let shown = printable(format!("a{mark}b").as_bytes());
            assert_eq!(shown, format!("a{}b", mark.escape_unicode()));
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(shortened("\u{e9}\u{e9}\u{e9}\u{e9}", 6), "\u{e9}...");
        assert_eq!(shortened("abc", 3), "abc");
    }
}
