//! Escapes values of a unit (systemd.syntax(7), systemd.service(5)), where `%` begins a specifier.

/// Escapes a text as a value by doubling each `%`. The text must not end in a backslash, which would join the next line
/// to it.
pub fn value(text: &str) -> String {
    text.replace('%', "%%")
}

/// Quotes one word of a command line (systemd.service(5), "COMMAND LINES"; systemd.syntax(7)).
pub fn word(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b'%' | b'$' => text.extend([char::from(*byte); 2]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}

/// Escapes a path for a URI (RFC 3986). The `%` of each escape is doubled, because systemd expands specifiers there.
pub fn uri(path: &[u8]) -> String {
    path.iter().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_or_a_path_means_anything_to_systemd() {
        assert_eq!(word(b"a \"b\" $c %d\n"), r#""a \"b\" $$c %%d\x0a""#);
        assert_eq!(uri(b"/srv/a b%"), "/srv/a%%20b%%25");
        assert_eq!(value("100%"), "100%%");
    }
}
