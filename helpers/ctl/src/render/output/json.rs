//! Writes JSON in ASCII: other characters are escaped, so that a terminal cannot be controlled by it.

use crate::output_options::Json;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use std::io::{self, Write};

/// `value` as JSON, with a line feed at the end.
///
/// # Errors
/// A value that cannot be expressed in JSON.
pub fn json<T: Serialize + ?Sized>(value: &T, form: Json) -> Result<String, String> {
    let mut text = Vec::new();
    let written = match form {
        Json::Line => value.serialize(&mut Serializer::with_formatter(
            &mut text,
            Ascii(CompactFormatter),
        )),
        Json::Indented => {
            let formatter = Ascii(Indented::default());
            value.serialize(&mut Serializer::with_formatter(&mut text, formatter))
        }
    };
    written.map_err(|error| format!("cannot write JSON: {error}"))?;
    text.push(b'\n');
    String::from_utf8(text).map_err(|error| format!("cannot write JSON: {error}"))
}

/// Wraps another formatter and escapes non-ASCII characters. They occur only in strings, where `\u` may stand for any
/// character.
struct Ascii<F>(F);

/// Forwards calls to the wrapped formatter.
macro_rules! handed_on {
    ($($name:ident($($argument:ident: $type:ty)?);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)?) -> io::Result<()> {
            self.0.$name(writer $(, $argument)?)
        })*
    };
}

impl<F: Formatter> Formatter for Ascii<F> {
    handed_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let is_meant = |character: char| character.is_ascii() && character != '\x7f';
        if text.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(text.as_bytes());
        }
        for character in text.chars() {
            if is_meant(character) {
                writer.write_all(&[character as u8])?;
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

/// Formats as serde_json's pretty formatter does, but writes all characters before a value in one call: one call for
/// each two blanks takes a third of the time for a long list.
#[derive(Default)]
struct Indented {
    depth: usize,
    has_value: bool,
}

/// A comma, a line end, and the indentation of the next line.
const LINE: &[u8] = b",\n                                ";
/// The length of the comma and the line end.
const END: usize = 2;
const BLANKS: &[u8] = LINE.split_at(END).1;

impl Indented {
    fn line<W: ?Sized + Write>(&self, writer: &mut W, has_comma: bool) -> io::Result<()> {
        let width = 2 * self.depth;
        let from = usize::from(!has_comma);
        writer.write_all(&LINE[from..END + width.min(BLANKS.len())])?;
        for _ in 0..width.saturating_sub(BLANKS.len()) {
            writer.write_all(b" ")?;
        }
        Ok(())
    }

    fn begin<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: u8) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        writer.write_all(&[bracket])
    }

    fn end<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: u8) -> io::Result<()> {
        self.depth -= 1;
        if self.has_value {
            self.line(writer, false)?;
        }
        writer.write_all(&[bracket])
    }
}

impl Formatter for Indented {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b'[')
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b']')
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.line(writer, !first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b'{')
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b'}')
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.line(writer, !first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json as value};

    #[test]
    fn json_is_ascii_and_means_the_same() {
        let hostile = "\u{9b}31m \u{202e} \u{1f600} \x7f \n é";
        for form in [Json::Line, Json::Indented] {
            let text = json(&hostile, form).unwrap();
            assert!(
                text.trim_end()
                    .bytes()
                    .all(|byte| byte.is_ascii() && !byte.is_ascii_control()),
                "{text}"
            );
            assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
        }
    }

    #[test]
    fn it_is_indented_as_everywhere() {
        let deep = (0..24).fold(value!(1), |inner, _| value!({ "a": [inner, []] }));
        for each in [value!({}), value!([[], {}, {"a": 1, "b": [1, "x"]}]), deep] {
            let expected = serde_json::to_string_pretty(&each).unwrap() + "\n";
            assert_eq!(json(&each, Json::Indented).unwrap(), expected);
            let line = json(&each, Json::Line).unwrap();
            assert_eq!(line.trim_end().lines().count(), 1);
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), each);
        }
    }
}
