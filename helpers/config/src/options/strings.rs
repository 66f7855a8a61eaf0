//! The table of options as it is in a program: its texts one after the other in one string, and the rows with places in it
//! instead of pointers. A pointer in a position-independent program is written anew at each start, page by page: without
//! them vassal-enter comes to its `main` in half the time (measured).

use crate::options::disposition::Taker;
use crate::options::lookup::{Argument, Kind, OptionRow};
use crate::options::table::OPTIONS;

/// A place in [`TEXT`].
#[derive(Clone, Copy)]
struct Place {
    from: u32,
    length: u16,
}

/// A row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Packed {
    name: Place,
    canonical: Place,
    why: Place,
    change: Option<Place>,
    exclusive: Option<Place>,
    argument: Argument,
    kind: Kind,
    immediate: bool,
    letter: Option<u8>,
    taker: Taker,
}

/// The texts, and how many bytes of them there are.
struct Texts<const SIZE: usize> {
    bytes: [u8; SIZE],
    used: usize,
}

impl<const SIZE: usize> Texts<SIZE> {
    const fn add(&mut self, text: &str) -> Place {
        let place = Place {
            from: self.used as u32,
            length: text.len() as u16,
        };
        let mut at = 0;
        while at < text.len() {
            self.bytes[self.used + at] = text.as_bytes()[at];
            at += 1;
        }
        self.used += text.len();
        place
    }
}

/// The bytes of all texts of `rows`.
const fn size(rows: &[OptionRow]) -> usize {
    let (mut size, mut at) = (0, 0);
    while at < rows.len() {
        let row = &rows[at];
        size += row.name.len() + row.canonical.len() + row.why.len();
        if let Some(change) = row.change {
            size += change.len();
        }
        if let Some(exclusive) = row.exclusive {
            size += exclusive.len();
        }
        at += 1;
    }
    size
}

const fn pack<const SIZE: usize, const ROWS: usize>(rows: &[OptionRow]) -> ([u8; SIZE], [Packed; ROWS]) {
    let mut texts = Texts {
        bytes: [0; SIZE],
        used: 0,
    };
    let nowhere = Place { from: 0, length: 0 };
    let empty = Packed {
        name: nowhere,
        canonical: nowhere,
        why: nowhere,
        change: None,
        exclusive: None,
        argument: Argument::None,
        kind: Kind::Opaque,
        immediate: false,
        letter: None,
        taker: Taker::Uwsgi,
    };
    let mut packed = [empty; ROWS];
    let mut at = 0;
    while at < ROWS {
        let row = &rows[at];
        packed[at] = Packed {
            name: texts.add(row.name),
            canonical: texts.add(row.canonical),
            why: texts.add(row.why),
            change: match row.change {
                Some(change) => Some(texts.add(change)),
                None => None,
            },
            exclusive: match row.exclusive {
                Some(exclusive) => Some(texts.add(exclusive)),
                None => None,
            },
            argument: row.argument,
            kind: row.kind,
            immediate: row.immediate,
            letter: row.letter,
            taker: row.taker,
        };
        at += 1;
    }
    (texts.bytes, packed)
}

const PACKED: ([u8; size(OPTIONS)], [Packed; OPTIONS.len()]) = pack(OPTIONS);

static TEXT: [u8; size(OPTIONS)] = PACKED.0;

/// All rows, sorted by name.
pub(crate) static ROWS: [Packed; OPTIONS.len()] = PACKED.1;

impl Place {
    fn bytes(self) -> &'static [u8] {
        let from = self.from as usize;
        TEXT.get(from..from + usize::from(self.length))
            .unwrap_or_default()
    }

    fn text(self) -> &'static str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }
}

impl Packed {
    pub(crate) fn name(&self) -> &'static [u8] {
        self.name.bytes()
    }

    pub(crate) fn argument(&self) -> Argument {
        self.argument
    }

    pub(crate) fn letter(&self) -> Option<u8> {
        self.letter
    }

    pub(crate) fn unpacked(&self) -> OptionRow {
        OptionRow {
            name: self.name.text(),
            canonical: self.canonical.text(),
            argument: self.argument,
            kind: self.kind,
            immediate: self.immediate,
            letter: self.letter,
            taker: self.taker,
            why: self.why.text(),
            change: self.change.map(Place::text),
            exclusive: self.exclusive.map(Place::text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        assert_eq!(ROWS.len(), OPTIONS.len());
        for (packed, row) in ROWS.iter().zip(OPTIONS) {
            assert_eq!(packed.unpacked(), *row);
        }
    }
}
