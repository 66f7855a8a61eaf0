//! What is known about option names: the table of the binary, one row per name (section 12 of the specification).

use crate::options::disposition::Taker;
use crate::options::strings::{Packed, ROWS};

/// Whether an option takes an argument on a command line. In files every option may have or lack a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// It must be there.
    Required,
    /// It must not.
    None,
    /// It may be there, in the same word (`--mule=x`).
    Optional,
}

/// What an option does with its value, and with being repeated (O2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On or off, see [`is_on`] (O5); the one applied last wins.
    Flag,
    /// Every value counts, in order.
    List,
    /// The one applied last wins.
    Last,
    /// As `Last`, an integer, negative ones refused (O6).
    Natural,
    /// As `Last`, an integer of either sign.
    Integer,
    /// As `Last`, an integer counting MiB.
    Megabytes,
    /// The union of all values (`unshare`).
    Union,
    /// `uid` and `gid`, whose repeats follow rules of their own (T3).
    Identity,
    /// Has an effect each time.
    Acts,
    /// Opens a block (C1).
    Opener,
    /// Ends one (C4).
    End,
    /// Reads a configuration (I1, I5).
    Load,
    /// Adds an entry of another name (P1, P2).
    Sets,
    /// Known by name only; how repeats combine is the business of who implements it.
    Opaque,
}

/// One option name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRow {
    /// The name, without dashes.
    pub name: &'static str,
    /// The name all aliases share; itself for most.
    pub canonical: &'static str,
    /// Whether it takes an argument on a command line.
    pub argument: Argument,
    /// What it does with its value.
    pub kind: Kind,
    /// Whether it takes effect the moment it is met, with its raw value (O4).
    pub immediate: bool,
    /// The short letter that is stored under this name (A1).
    pub letter: Option<u8>,
    /// Who takes it when a vassal is started.
    pub taker: Taker,
    /// Why they do, and for a refused one what to write instead: a phrase without a final period.
    pub why: &'static str,
    /// What is not as under uWSGI's Emperor, where something is not.
    pub change: Option<&'static str>,
    /// Why two apps with it cannot run side by side, where they cannot.
    pub exclusive: Option<&'static str>,
}

/// Why uWSGI keeps an option.
const APP_SERVER: &str = "the app server's own work, done as the vassal's user";

/// A row of the table.
pub(crate) const fn option(name: &'static str, argument: Argument, kind: Kind) -> OptionRow {
    OptionRow {
        name,
        canonical: name,
        argument,
        kind,
        immediate: false,
        letter: None,
        taker: Taker::Uwsgi,
        why: APP_SERVER,
        change: None,
        exclusive: None,
    }
}

impl OptionRow {
    pub(crate) const fn alias_of(self, canonical: &'static str) -> Self {
        OptionRow { canonical, ..self }
    }

    pub(crate) const fn immediate(self) -> Self {
        OptionRow {
            immediate: true,
            ..self
        }
    }

    pub(crate) const fn letter(self, letter: u8) -> Self {
        OptionRow {
            letter: Some(letter),
            ..self
        }
    }

    pub(crate) const fn by(self, taker: Taker, why: &'static str) -> Self {
        OptionRow { taker, why, ..self }
    }

    pub(crate) const fn exclusive(self, why: &'static str) -> Self {
        OptionRow {
            exclusive: Some(why),
            ..self
        }
    }

    pub(crate) const fn changed(self, how: &'static str) -> Self {
        OptionRow {
            change: Some(how),
            ..self
        }
    }
}

/// The row of an option, or nothing for names uWSGI does not know without plugins; those are placeholders (P3, U1).
/// Names are case sensitive, and `_` is not `-` (L13).
#[must_use]
pub fn find(name: &[u8]) -> Option<OptionRow> {
    let index = ROWS.binary_search_by(|row| row.name().cmp(name)).ok()?;
    ROWS.get(index).map(Packed::unpacked)
}

/// The row a short letter stands for: `-p` is stored as `processes` (A1).
#[must_use]
pub fn find_letter(letter: u8) -> Option<OptionRow> {
    let row = ROWS.iter().find(|row| row.letter() == Some(letter));
    row.map(Packed::unpacked)
}

/// All rows, sorted by name.
pub fn all() -> impl Iterator<Item = OptionRow> {
    ROWS.iter().map(Packed::unpacked)
}

/// The names of all rows, and whether they take arguments.
pub(crate) fn names() -> impl Iterator<Item = (&'static [u8], Argument)> {
    ROWS.iter().map(|row| (row.name(), row.argument()))
}

/// Whether a flag's value switches it on. `false`, `off`, `no` in any case and exactly `0` switch off; everything else,
/// the empty value and a bare command line flag included, switches on (O5).
#[must_use]
pub fn is_on(value: Option<&[u8]>) -> bool {
    const OFF: [&[u8]; 4] = [b"false", b"off", b"no", b"0"];
    value.is_none_or(|value| !OFF.iter().any(|word| value.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::table::OPTIONS;

    #[test]
    fn the_table_is_sorted_and_every_name_is_there_once() {
        for pair in OPTIONS.windows(2) {
            assert!(
                pair[0].name < pair[1].name,
                "{} is not before {}",
                pair[0].name,
                pair[1].name
            );
        }
    }

    #[test]
    fn every_alias_leads_to_a_row_that_is_its_own_name() {
        for row in OPTIONS {
            let canonical = find(row.canonical.as_bytes());
            assert!(
                canonical.is_some_and(|canonical| canonical.canonical == canonical.name),
                "{}",
                row.name
            );
            assert_eq!(
                canonical.map(|canonical| canonical.argument),
                Some(row.argument),
                "{}",
                row.name
            );
            assert_eq!(
                canonical.map(|canonical| canonical.immediate),
                Some(row.immediate),
                "{}",
                row.name
            );
            assert_eq!(
                canonical.map(|canonical| canonical.kind),
                Some(row.kind),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn a_letter_stands_for_one_name() {
        for row in OPTIONS.iter().filter(|row| row.letter.is_some()) {
            assert_eq!(
                OPTIONS.iter().filter(|other| other.letter == row.letter).count(),
                1,
                "{}",
                row.name
            );
        }
        assert_eq!(find_letter(b'p').map(|row| row.name), Some("processes"));
        assert_eq!(find_letter(b'M').map(|row| row.name), Some("master"));
        assert!(find_letter(b'Z').is_none());
    }

    #[test]
    fn logic_words_and_loaders_are_immediate_and_inherit_is_not() {
        for row in OPTIONS {
            match row.kind {
                Kind::Opener | Kind::End | Kind::Sets => assert!(row.immediate, "{}", row.name),
                Kind::Load => assert_eq!(row.immediate, row.name != "inherit", "{}", row.name),
                _ => {}
            }
        }
        assert!(find(b"listen").is_some_and(|row| row.immediate));
        assert!(find(b"socket").is_some_and(|row| !row.immediate));
        assert!(find(b"declare-option2").is_some_and(|row| !row.immediate));
    }

    #[test]
    fn names_are_exact() {
        assert!(find(b"hook-asap").is_some());
        for unknown in [
            &b"hook_asap"[..],
            b"Hook-asap",
            b"else",
            b"end",
            b"foreach",
            b"if-uid",
            b"",
        ] {
            assert!(find(unknown).is_none(), "{}", String::from_utf8_lossy(unknown));
        }
        assert_eq!(find(b"pivot_root").map(|row| row.canonical), Some("pivot-root"));
    }

    #[test]
    fn only_four_words_switch_a_flag_off() {
        for word in ["false", "OFF", "No", "0"] {
            assert!(!is_on(Some(word.as_bytes())), "{word}");
        }
        for word in ["", "00", "true", "1", "nope", "false "] {
            assert!(is_on(Some(word.as_bytes())), "{word:?}");
        }
        assert!(is_on(None));
    }
}
