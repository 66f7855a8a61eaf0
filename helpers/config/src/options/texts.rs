//! The texts of a table, without pointers.
//!
//! A program at a random address corrects each pointer in its constants when it starts, and takes a page of memory of its own for each
//! page that has one. The tables of options were 25 such pages in every start of a vassal and every run of the generator.

use std::ops::Range;

/// The most different notes that a table has.
const NOTES: usize = 200;

/// Where a text is among all texts of its table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    at: u16,
    length: u16,
}

impl Text {
    /// No text at all.
    const NONE: Text = Text { at: 0, length: 0 };

    /// The text, out of `all` of them.
    pub(crate) fn of(self, all: &'static str) -> &'static str {
        all.get(self.range()).unwrap_or_default()
    }

    /// Its bytes, which are found faster.
    pub(crate) fn bytes_of(self, all: &'static str) -> &'static [u8] {
        all.as_bytes().get(self.range()).unwrap_or_default()
    }

    fn range(self) -> Range<usize> {
        let at = usize::from(self.at);
        at..at + usize::from(self.length)
    }

    /// The text, if it is one.
    pub(crate) fn of_some(self, all: &'static str) -> Option<&'static str> {
        Some(self.of(all)).filter(|text| !text.is_empty())
    }
}

/// The texts of a table while the compiler gathers them.
pub(crate) struct Texts {
    bytes: [u8; u16::MAX as usize],
    length: usize,
    notes: [Text; NOTES],
    noted: usize,
}

impl Texts {
    pub(crate) const fn new() -> Self {
        Texts {
            bytes: [0; u16::MAX as usize],
            length: 0,
            notes: [Text::NONE; NOTES],
            noted: 0,
        }
    }

    /// Takes up a text.
    pub(crate) const fn add(&mut self, text: &str) -> Text {
        let at = self.length as u16;
        let text = text.as_bytes();
        let mut done = 0;
        while done < text.len() {
            self.bytes[self.length] = text[done];
            self.length += 1;
            done += 1;
        }
        Text {
            at,
            length: text.len() as u16,
        }
    }

    /// Takes up a text that many rows have.
    pub(crate) const fn add_note(&mut self, text: &str) -> Text {
        let mut known = 0;
        while known < self.noted {
            if self.is_at(self.notes[known], text.as_bytes()) {
                return self.notes[known];
            }
            known += 1;
        }
        let note = self.add(text);
        self.notes[self.noted] = note;
        self.noted += 1;
        note
    }

    /// The same of one that may not be there; none is empty.
    pub(crate) const fn add_some_note(&mut self, text: Option<&str>) -> Text {
        match text {
            Some(text) => self.add_note(text),
            None => Text::NONE,
        }
    }

    const fn is_at(&self, place: Text, text: &[u8]) -> bool {
        if place.length as usize != text.len() {
            return false;
        }
        let mut at = 0;
        while at < text.len() {
            if self.bytes[place.at as usize + at] != text[at] {
                return false;
            }
            at += 1;
        }
        true
    }

    /// How many bytes all texts have.
    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    /// All of them, one behind the other.
    pub(crate) const fn bytes<const LENGTH: usize>(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let mut at = 0;
        while at < LENGTH {
            bytes[at] = self.bytes[at];
            at += 1;
        }
        bytes
    }
}

/// Makes of the constant rows `$rows` the static `OPTIONS`, each row as `$packed` keeps it, and the constant `TEXTS` for their texts.
macro_rules! pack {
    ($rows:ident, $packed:ident) => {
        const PACKED: ($crate::options::texts::Texts, [$packed; $rows.len()]) = {
            let mut texts = $crate::options::texts::Texts::new();
            let mut packed = [$packed::of(&$rows[0], &mut $crate::options::texts::Texts::new()); $rows.len()];
            let mut at = 0;
            while at < $rows.len() {
                packed[at] = $packed::of(&$rows[at], &mut texts);
                at += 1;
            }
            (texts, packed)
        };
        const BYTES: [u8; PACKED.0.length()] = PACKED.0.bytes();
        const TEXTS: &str = $crate::options::texts::as_text(&BYTES);
        static OPTIONS: [$packed; $rows.len()] = PACKED.1;
    };
}
pub(crate) use pack;

/// The bytes of [`Texts`] as the text that they are.
pub(crate) const fn as_text(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("the texts of a table are texts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_again_and_a_note_is_there_once() {
        const TABLE: (Texts, [Text; 5]) = {
            let mut texts = Texts::new();
            let added = [
                texts.add("a\u{e4}"),
                texts.add_note("note"),
                texts.add_some_note(Some("note")),
                texts.add_some_note(None),
                texts.add("b"),
            ];
            (texts, added)
        };
        const BYTES: [u8; TABLE.0.length()] = TABLE.0.bytes();
        const ALL: &str = as_text(&BYTES);
        assert_eq!(ALL, "a\u{e4}noteb");
        let found = TABLE.1.map(|text| text.of_some(ALL));
        assert_eq!(
            found,
            [Some("a\u{e4}"), Some("note"), Some("note"), None, Some("b")]
        );
    }
}
