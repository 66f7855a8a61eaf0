//! Looking up an option by its name or its letter.

use crate::options::disposition::Disposition;
use crate::options::row::OptionRow;
use crate::options::table::OPTIONS;

/// The row of an option, or nothing for names uWSGI does not know without plugins; those are placeholders (P3, U1).
/// Names are case sensitive, and `_` is not `-` (L13).
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static OptionRow> {
    let index = OPTIONS
        .binary_search_by(|row| row.name.as_bytes().cmp(name))
        .ok()?;
    OPTIONS.get(index)
}

/// The row a short letter stands for: `-p` is stored as `processes` (A1).
#[must_use]
pub fn find_letter(letter: u8) -> Option<&'static OptionRow> {
    OPTIONS.iter().find(|row| row.letter == Some(letter))
}

/// What becomes of the option `key`.
pub fn disposition(key: &[u8]) -> Disposition {
    find(key).map_or(Disposition::Uwsgi, |row| row.disposition)
}

/// Why, for a warning or an error about the option `key`; empty for a name that is no option.
pub fn why(key: &[u8]) -> &'static str {
    find(key).map_or("", |row| row.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::phase::hook_option;
    use crate::options::row::Kind;

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
    fn each_option_of_the_scenario_has_its_taker() {
        const CASES: &[(&[u8], Disposition)] = &[
            (b"uid", Disposition::Enter),
            (b"if-not-reload", Disposition::Language),
            (b"exec-as-user", Disposition::Enter),
            (b"endif", Disposition::Language),
            (b"http-socket", Disposition::Uwsgi),
            (b"psgi", Disposition::Uwsgi),
            (b"mountpoint-check", Disposition::Watchdog),
            (b"plugins-dir", Disposition::Uwsgi),
            (b"hook-pre-jail", Disposition::Enter),
            (b"pivot_root", Disposition::Enter),
            (b"exec-as-user-atexit", Disposition::Enter),
            (b"emperor-use-clone", Disposition::Emperor),
            (b"ns", Disposition::Refused),
            (b"refork", Disposition::Ignored),
        ];
        for (key, expected) in CASES {
            assert_eq!(disposition(key), *expected, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn every_row_says_why() {
        for row in OPTIONS {
            assert!(!row.why.is_empty() && !row.why.ends_with('.'), "{}", row.name);
            assert_ne!(row.change, Some(""), "{}", row.name);
        }
    }

    #[test]
    fn aliases_have_the_same_fate() {
        for row in OPTIONS {
            let canonical = find(row.canonical.as_bytes()).unwrap();
            assert_eq!(
                (row.disposition, row.why, row.change),
                (canonical.disposition, canonical.why, canonical.change),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn the_hooks_of_ours_are_those_of_the_table() {
        for row in OPTIONS {
            let is_ours = matches!(row.disposition, Disposition::Enter | Disposition::Emperor);
            if hook_option(row.name.as_bytes()).is_some() {
                assert!(is_ours, "{} is a hook that nothing runs", row.name);
            }
        }
    }
}
