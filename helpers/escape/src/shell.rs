//! Words of a shell command.

/// Quotes `bytes` as one word of a shell command.
pub fn word(bytes: &[u8]) -> Vec<u8> {
    let mut text = b"'".to_vec();
    for byte in bytes {
        match byte {
            b'\'' => text.extend(b"'\\''"),
            other => text.push(*other),
        }
    }
    text.push(b'\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_ends_the_quotes_and_begins_them_again() {
        assert_eq!(word(b"a b"), b"'a b'");
        assert_eq!(word(b"it's"), b"'it'\\''s'");
    }
}
