//! Writes JSON: the small part of it that the health record needs, so that the two root programs need no crate for it.

/// An object under construction.
#[derive(Debug, Default)]
pub(super) struct Object(String);

impl Object {
    /// Appends a text or null.
    pub(super) fn text(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        self.field(key, &value.map_or_else(|| "null".to_owned(), quoted))
    }

    /// Appends a number or null.
    pub(super) fn number(&mut self, key: &str, value: Option<u64>) -> &mut Self {
        self.field(
            key,
            &value.map_or_else(|| "null".to_owned(), |value| value.to_string()),
        )
    }

    /// Appends a list of texts.
    pub(super) fn texts(&mut self, key: &str, values: &[String]) -> &mut Self {
        self.list(key, values.iter().map(|value| quoted(value)))
    }

    /// Appends a list of numbers.
    pub(super) fn numbers(&mut self, key: &str, values: impl Iterator<Item = u64>) -> &mut Self {
        self.list(key, values.map(|value| value.to_string()))
    }

    /// Appends an object or null.
    pub(super) fn object(&mut self, key: &str, value: Option<Object>) -> &mut Self {
        self.field(key, &value.map_or_else(|| "null".to_owned(), Object::finish))
    }

    /// Appends a list of objects.
    pub(super) fn objects(&mut self, key: &str, values: impl Iterator<Item = Object>) -> &mut Self {
        self.list(key, values.map(Object::finish))
    }

    /// The text of the object.
    pub(super) fn finish(self) -> String {
        format!("{{{}}}", self.0)
    }

    fn list(&mut self, key: &str, values: impl Iterator<Item = String>) -> &mut Self {
        let values: Vec<_> = values.collect();
        self.field(key, &format!("[{}]", values.join(",")))
    }

    fn field(&mut self, key: &str, value: &str) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&quoted(key));
        self.0.push(':');
        self.0.push_str(value);
        self
    }
}

/// A quoted string in ASCII. Other characters are escaped, so that a terminal that shows the record cannot be
/// controlled by it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    quoted.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_quotes_and_is_ascii() {
        let cases = [
            ("plain /app", r#""plain /app""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("\n\x1b\x7f", r#""\u000a\u001b\u007f""#),
            ("\u{e9}\u{202e}\u{1f600}", r#""\u00e9\u202e\ud83d\ude00""#),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text), expected);
        }
    }
}
