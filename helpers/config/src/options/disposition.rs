//! Who takes an option: the programs of vassal, or the uWSGI they start. The rows are in [`crate::options::lookup`].

use crate::options::lookup::find;

/// Who takes an option of a vassal's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// vassal-enter does it; uWSGI does not see it.
    Enter,
    /// vassal-enter does its part of it, and uWSGI sees it too.
    EnterAndUwsgi,
    /// vassal-watchdog does it; uWSGI does not see it.
    Watchdog,
    /// vassal-generator makes a directive of the unit of it; uWSGI does not see it.
    Unit,
    /// It counts in the emperor's file. In a vassal's file it has no effect, unless that vassal is an Emperor itself.
    Emperor,
    /// A word of the configuration language: it has had its effect when the file was evaluated.
    Language,
    /// uWSGI does it, as the vassal's user. Also every key that is no option: apps read them (`uwsgi.opt`).
    Uwsgi,
    /// It cannot be done; leaving it out silently would change what the file means.
    Refused,
    /// It has no effect: what it asks for is so anyway, or is nothing under systemd.
    Ignored,
}

impl Taker {
    /// The word for it in lists and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Taker::Enter => "enter",
            Taker::EnterAndUwsgi => "enter, uwsgi",
            Taker::Watchdog => "watchdog",
            Taker::Unit => "unit",
            Taker::Emperor => "emperor",
            Taker::Language => "language",
            Taker::Uwsgi => "uwsgi",
            Taker::Refused => "refused",
            Taker::Ignored => "ignored",
        }
    }
}

/// Who takes the option `key`.
pub fn taker(key: &[u8]) -> Taker {
    find(key).map_or(Taker::Uwsgi, |row| row.taker)
}

/// Why, for a warning or an error about the option `key`; empty for a name that is no option.
pub fn why(key: &[u8]) -> &'static str {
    find(key).map_or("", |row| row.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::phase::hook_option;
    use crate::options::lookup::all;

    #[test]
    fn each_option_of_the_scenario_has_its_taker() {
        const CASES: &[(&[u8], Taker)] = &[
            (b"uid", Taker::Enter),
            (b"if-not-reload", Taker::Language),
            (b"exec-as-user", Taker::Enter),
            (b"endif", Taker::Language),
            (b"http-socket", Taker::Uwsgi),
            (b"psgi", Taker::Uwsgi),
            (b"mountpoint-check", Taker::Watchdog),
            (b"plugins-dir", Taker::Uwsgi),
            (b"hook-pre-jail", Taker::Enter),
            (b"pivot_root", Taker::Enter),
            (b"exec-as-user-atexit", Taker::Enter),
            (b"emperor-use-clone", Taker::Emperor),
            (b"ns", Taker::Refused),
            (b"refork", Taker::Ignored),
        ];
        for (key, expected) in CASES {
            assert_eq!(taker(key), *expected, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn every_row_says_why() {
        for row in all() {
            assert!(!row.why.is_empty() && !row.why.ends_with('.'), "{}", row.name);
            assert_ne!(row.change, Some(""), "{}", row.name);
        }
    }

    #[test]
    fn aliases_have_the_same_fate() {
        for row in all() {
            let canonical = find(row.canonical.as_bytes()).unwrap();
            assert_eq!(
                (row.taker, row.why, row.change),
                (canonical.taker, canonical.why, canonical.change),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn the_hooks_of_ours_are_those_of_the_table() {
        for row in all() {
            let is_ours = matches!(row.taker, Taker::Enter | Taker::Emperor);
            if hook_option(row.name.as_bytes()).is_some() {
                assert!(is_ours, "{} is a hook that nobody runs", row.name);
            }
        }
    }
}
