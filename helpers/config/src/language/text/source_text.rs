//! The text of a configuration, which can map each of its bytes back to the file and line where it was written.
//!
//! A text is joined from several files (`inject-before`, I6); then the replacement of magic variables changes its
//! length and can remove line ends (M5). Messages still need the line and column in the original file.

use std::rc::Rc;

use crate::bytes::replace::TooLong;
use crate::diagnostic::Origin;
use crate::limits::REPLACED_BYTES;

/// One of the joined texts, with the name for messages.
#[derive(Debug)]
struct Part {
    /// The offset of its beginning in the joined text.
    start: usize,
    name: Rc<[u8]>,
    /// The offsets of its lines in the joined text.
    lines: Vec<usize>,
}

/// Several texts, joined without additional line ends (I6).
#[derive(Debug, Default)]
pub(crate) struct Joined {
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

impl Joined {
    pub(crate) fn push(&mut self, name: &Rc<[u8]>, text: &[u8]) {
        let start = self.bytes.len();
        let ends = text.iter().enumerate().filter(|&(_, &byte)| byte == b'\n');
        let lines = std::iter::once(start)
            .chain(ends.map(|(at, _)| start + at + 1))
            .collect();
        self.parts.push(Part {
            start,
            name: Rc::clone(name),
            lines,
        });
        self.bytes.extend_from_slice(text);
    }

    /// The original place of the byte at `offset`.
    fn origin(&self, offset: usize) -> Option<Origin> {
        let part = self.parts.get(
            self.parts
                .partition_point(|part| part.start <= offset)
                .checked_sub(1)?,
        )?;
        let line = part.lines.partition_point(|&start| start <= offset);
        let start = part.lines.get(line.checked_sub(1)?)?;
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Some(Origin::File {
            name: Rc::clone(&part.name),
            line: number(line),
            column: number(offset - start + 1),
        })
    }
}

/// The joined text after the replacement of magic variables (L1).
#[derive(Debug)]
pub(crate) struct Replaced {
    joined: Joined,
    bytes: Vec<u8>,
    /// The parts that were copied unchanged: for each the offset here, and the offset in the joined text.
    runs: Vec<(usize, usize)>,
}

impl Replaced {
    pub(crate) fn new(joined: Joined) -> Self {
        let capacity = joined.bytes.len();
        Replaced {
            joined,
            bytes: Vec::with_capacity(capacity),
            runs: Vec::new(),
        }
    }

    /// Makes the text. `step` gets the rest of the input; it returns how many bytes to replace and the replacement, or
    /// `None` to copy one byte.
    ///
    /// # Errors
    /// The text would become too long.
    pub(crate) fn replace(
        &mut self,
        step: impl Fn(&[u8]) -> Option<(usize, Vec<u8>)>,
    ) -> Result<(), TooLong> {
        let mut at = 0;
        let mut copying = false;
        while let Some(rest) = self.joined.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let replacement = step(rest);
            if replacement.is_some() || !copying {
                self.runs.push((self.bytes.len(), at));
            }
            copying = replacement.is_none();
            match replacement {
                Some((taken, text)) => {
                    self.bytes.extend_from_slice(&text);
                    at += taken.max(1);
                }
                None => {
                    self.bytes.extend(rest.first());
                    at += 1;
                }
            }
            if self.bytes.len() > REPLACED_BYTES {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The original place of the byte at `offset`; for a replaced one, the place of its `%`.
    pub(crate) fn origin(&self, offset: usize) -> Option<Origin> {
        let run = self
            .runs
            .partition_point(|&(start, _)| start <= offset)
            .checked_sub(1)?;
        let &(start, written) = self.runs.get(run)?;
        let end = self.runs.get(run + 1).map_or(usize::MAX, |&(_, next)| next);
        self.joined.origin(
            (written + (offset - start))
                .min(end.saturating_sub(1))
                .max(written),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `%n` becomes `name`, `%` and a line end vanish.
    fn step(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
        match rest {
            [b'%', b'n', ..] => Some((2, b"name".to_vec())),
            [b'%', b'\n', ..] => Some((2, Vec::new())),
            _ => None,
        }
    }

    fn shown(text: &Replaced, wanted: &str) -> String {
        let at = text
            .bytes()
            .windows(wanted.len())
            .position(|window| window == wanted.as_bytes());
        match at.and_then(|at| text.origin(at)) {
            Some(Origin::File { name, line, column }) => {
                format!("{}:{line}:{column}", String::from_utf8_lossy(&name))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn places_survive_replacements_and_joined_lines() {
        let mut joined = Joined::default();
        joined.push(&Rc::from(&b"pre"[..]), b"p = 1\nq");
        joined.push(&Rc::from(&b"main"[..]), b"a = %n%n b\n;50%\nc = 1\nd = %n\ne");
        let mut text = Replaced::new(joined);
        assert_eq!(text.replace(step), Ok(()));
        assert_eq!(text.bytes(), b"p = 1\nqa = namename b\n;50c = 1\nd = name\ne");
        for (wanted, place) in [
            ("p =", "pre:1:1"),
            ("qa", "pre:2:1"),
            ("a = n", "main:1:1"),
            ("name b", "main:1:7"),
            (" b", "main:1:9"),
            ("c =", "main:3:1"),
            ("d =", "main:4:1"),
        ] {
            assert_eq!(shown(&text, wanted), place, "{wanted:?}");
        }
        assert!(
            text.origin(text.bytes().len() - 1)
                .is_some_and(|origin| origin.to_string() == "main:5")
        );
    }

    #[test]
    fn a_text_that_becomes_too_long_is_given_up() {
        let mut joined = Joined::default();
        joined.push(&Rc::from(&b"main"[..]), &b"%n".repeat(2000));
        let mut text = Replaced::new(joined);
        assert_eq!(text.replace(|_| Some((2, vec![b'x'; 4096]))), Err(TooLong));
    }
}
