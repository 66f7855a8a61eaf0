//! Bytes from outside as text that is safe to print.

/// `bytes` as one printable line: UTF-8 where it is, every control character and every byte that is not UTF-8 as
/// `\xNN`, so that nothing from a configuration can break a log line or a notification apart.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let mut buffer = [0; 4];
                character
                    .encode_utf8(&mut buffer)
                    .bytes()
                    .for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
            } else {
                out.push(character);
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// The first `limit` bytes of `text`, cut at a character boundary and marked with `...` where something is missing.
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
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(shortened("\u{e9}\u{e9}\u{e9}\u{e9}", 6), "\u{e9}...");
        assert_eq!(shortened("abc", 3), "abc");
    }
}
