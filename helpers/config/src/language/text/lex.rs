//! Splits a text into lines: sections, keys and values with their places, without interpreting them (L2 to L14, S3,
//! S4).
//!
//! Magic variables are not replaced here: an evaluation replaces them in the whole text first (L1), and a program that
//! only examines a file uses the original text.

use crate::bytes::split::split_once;

/// A line with a key in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The section it stands in (S4).
    pub section: &'a [u8],
    /// The key; it may be empty or contain blanks (L5).
    pub key: &'a [u8],
    /// The value; empty if there is none, or no `=` (L6).
    pub value: &'a [u8],
    /// Line in the text, from 1.
    pub line: u32,
    /// Column of the key's first byte, from 1, in bytes.
    pub column: u32,
    /// The offset of the key in the text, from 0, in bytes.
    pub offset: usize,
}

/// The lines with keys, in order. Comments, empty lines, and lines before the first section are skipped (S3).
#[must_use]
pub fn lines(text: &[u8]) -> Lines<'_> {
    Lines {
        text,
        next: 0,
        number: 0,
        section: None,
    }
}

/// The iterator of [`lines`].
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a [u8],
    next: usize,
    number: u32,
    section: Option<&'a [u8]>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        while self.next < self.text.len() {
            let start = self.next;
            let rest = self.text.get(start..)?;
            let physical = rest.split(|&byte| byte == b'\n').next()?;
            self.next = start + physical.len() + 1;
            self.number = self.number.saturating_add(1);
            if let Some(line) = self.read(start, physical) {
                return Some(line);
            }
        }
        None
    }
}

impl<'a> Lines<'a> {
    fn read(&mut self, start: usize, physical: &'a [u8]) -> Option<Line<'a>> {
        let visible = physical.split(|&byte| byte == 0).next()?; // L9
        let indent = visible.iter().take_while(|&&byte| is_blank(byte)).count();
        let line = trim(visible);
        match line {
            [] | [b';' | b'#', ..] => None,
            [b'['] => {
                self.section = Some(b"");
                None
            }
            [b'[', name @ .., _] => {
                self.section = Some(name);
                None
            }
            _ => {
                let (key, value) = split_pair(line);
                let column = u32::try_from(indent + 1).unwrap_or(u32::MAX);
                Some(Line {
                    section: self.section?,
                    key,
                    value,
                    line: self.number,
                    column,
                    offset: start + indent,
                })
            }
        }
    }
}

/// Splits a stripped line at the first `=` (L5); without one the value is empty (L6).
fn split_pair(line: &[u8]) -> (&[u8], &[u8]) {
    match split_once(line, b'=') {
        Some((key, value)) => (trim(key), trim(value)),
        None => (line, b""),
    }
}

/// Removes white space at both ends.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_blank(*first) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., last] = text {
        if !is_blank(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// The white space of the language: only these three characters (L4).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section, key and value of every line, for comparing.
    fn read(text: &str) -> Vec<(String, String, String)> {
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        lines(text.as_bytes())
            .map(|line| (text_of(line.section), text_of(line.key), text_of(line.value)))
            .collect()
    }

    /// What it shows, a text, and section, key and value of its lines.
    type Case = (
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str, &'static str)],
    );

    const CASES: &[Case] = &[
        ("L5 the first = splits", "[s]\na=b=c", &[("s", "a", "b=c")]),
        ("L5 an empty key is a key", "[s]\n= x", &[("s", "", "x")]),
        (
            "L6 a lone key has an empty value",
            "[s]\nmaster\nb =\n",
            &[("s", "master", ""), ("s", "b", "")],
        ),
        (
            "L3 comments are whole lines only",
            "[s]\n;a\n #b\nc = d ; e",
            &[("s", "c", "d ; e")],
        ),
        (
            "L4 blank, tab and CR are stripped",
            "[s]\r\n\t a \r= \tb\r\r\n",
            &[("s", "a", "b")],
        ),
        (
            "L4 VT, FF and NBSP are data",
            "[s]\n\u{b}k\u{c} = \u{a0}",
            &[("s", "\u{b}k\u{c}", "\u{a0}")],
        ),
        (
            "L9 NUL cuts the line",
            "[s]\na=1\0z\n\0b=2\nc\0=3",
            &[("s", "a", "1"), ("s", "c", "")],
        ),
        (
            "L10 a byte order mark hides the first section",
            "\u{feff}[s]\na=1\n[t]\nb=2",
            &[("t", "b", "2")],
        ),
        (
            "S3 text before a section is dropped",
            "a=1\n[s]\nb=2",
            &[("s", "b", "2")],
        ),
        (
            "S4 the last byte of a section line is never looked at",
            "[sX\na\n[s]]\nb",
            &[("s", "a", ""), ("s]", "b", "")],
        ),
        (
            "S4 a lone bracket is a nameless section",
            "[\na\n[]\nb",
            &[("", "a", ""), ("", "b", "")],
        ),
        ("S4 a section may be indented", " [s] \t\na", &[("s", "a", "")]),
    ];

    #[test]
    fn lines_are_read_as_uwsgi_reads_them() {
        for (name, text, wanted) in CASES {
            let wanted: Vec<_> = wanted
                .iter()
                .map(|(s, k, v)| (s.to_string(), k.to_string(), v.to_string()))
                .collect();
            assert_eq!(read(text), wanted, "{name}");
        }
    }

    #[test]
    fn a_line_knows_its_place() {
        let text = b"; x\n[s]\n\n  key = v\nlast";
        let places: Vec<_> = lines(text)
            .map(|line| (line.line, line.column, line.offset))
            .collect();
        assert_eq!(places, [(4, 3, 11), (5, 1, 19)]);
    }
}
