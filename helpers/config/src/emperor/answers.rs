//! What becomes of each option of the Emperor's own: one table for the warnings of emperor.ini, `vassalctl migrate` and vassal-compat(7).

use crate::options::lookup::find;

/// What becomes of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It does what it does in uWSGI.
    Native,
    /// It is done, but not as before: how.
    Changed(&'static str),
    /// It has no effect: why, and what to do where something is to be done.
    NoEffect(&'static str),
    /// The file is not used with it: why, and what to do.
    Refused(&'static str, &'static str),
}

use Answer::{Changed, Native, NoEffect, Refused};

const SYSTEMD: &str = "systemd starts, stops and restarts the vassals";
const FILE_NAMES: &str =
    "only names that end in .ini are vassals, and uWSGI reads no INI from others: rename them";
const NO_EXTRA: &str = "no vassal gets more instances when it is busy: give it more processes, or cheaper";
const NO_EMPEROR_HOOK: &str = "no process of the emperor's begins or ends with the vassals: write hook-as-emperor, which is run for each";

/// Every option of the Emperor's.
pub const ANSWERS: &[(&str, Answer)] = &[
    ("chdir", Native),
    ("die-on-term", NoEffect(SYSTEMD)),
    ("early-emperor", NoEffect(SYSTEMD)),
    ("emperor", Native),
    ("emperor-broodlord", NoEffect(NO_EXTRA)),
    (
        "emperor-cap",
        NoEffect(
            "an app has no capability unless its own cap gives it one: write cap = in the vassal's file",
        ),
    ),
    (
        "emperor-curse-tolerance",
        Changed(
            "the default of stop-timeout, and TimeoutStopSec= of the unit; FUSE daemons may save for longer",
        ),
    ),
    ("emperor-extra-extension", NoEffect(FILE_NAMES)),
    ("emperor-freq", NoEffect("changes are seen at once")),
    (
        "emperor-graceful-shutdown",
        NoEffect("every stop lets the app answer what it has begun"),
    ),
    (
        "emperor-magic-exec",
        Refused(
            "a vassal's file would be a program that root runs",
            "leave it out, and write what the program prints into the file",
        ),
    ),
    (
        "emperor-max-throttle",
        Changed("the longest pause before a restart"),
    ),
    (
        "emperor-no-blacklist",
        Changed("every pause is as long as the first"),
    ),
    ("emperor-nofollow", Native),
    ("emperor-on-demand-directory", Native),
    (
        "emperor-on-demand-exec",
        Changed(
            "vassal-emperor runs it, when a vassal's file is new or changed; nothing is run while units are made",
        ),
    ),
    ("emperor-on-demand-extension", Native),
    ("emperor-pidfile", NoEffect(SYSTEMD)),
    ("emperor-procname", NoEffect(SYSTEMD)),
    ("emperor-required-heartbeat", Native),
    ("emperor-stats", Native),
    (
        "emperor-throttle",
        Changed(
            "the pause before the second restart, the first comes at once; each pause is twice as long as the one before",
        ),
    ),
    (
        "emperor-tyrant",
        Refused(
            "the hooks of a file would run as root and not as its owner",
            "leave it out: root owns the vassals' files here, and each names its user with uid =",
        ),
    ),
    ("emperor-tyrant-nofollow", NoEffect("there is no tyrant mode")),
    ("emperor-use-clone", Native),
    ("emperor-wrapper", Native),
    ("emperor-wrapper-fallback", Native),
    ("emperor-wrapper-override", Native),
    ("gid", Changed("the group of vassals that name none")),
    ("hook-emperor-lost", NoEffect(NO_EMPEROR_HOOK)),
    ("hook-emperor-reload", NoEffect(NO_EMPEROR_HOOK)),
    ("hook-emperor-start", NoEffect(NO_EMPEROR_HOOK)),
    ("hook-emperor-stop", NoEffect(NO_EMPEROR_HOOK)),
    ("logdate", NoEffect("the journal has the date of each line")),
    ("master", NoEffect(SYSTEMD)),
    ("no-orphans", NoEffect(SYSTEMD)),
    ("processes", NoEffect(SYSTEMD)),
    (
        "reload-mercy",
        NoEffect("each vassal has its own limit: write stop-timeout = in its [vassal] section"),
    ),
    ("uid", Changed("the user of vassals that name none")),
    ("vassals-include", Native),
    ("vassals-include-before", Native),
    ("vassals-inherit", Native),
    ("vassals-inherit-before", Native),
    ("vassals-set", Native),
    ("vassals-start-hook", Native),
    ("vassals-stop-hook", Native),
];

/// What becomes of the option `name`, under any of its names, in the emperor's file, if it is one of the Emperor's.
pub fn answer(name: &[u8]) -> Option<Answer> {
    let name = find(name).map_or(name, |row| row.canonical.as_bytes());
    let found = ANSWERS.binary_search_by(|(known, _)| known.as_bytes().cmp(name));
    found
        .ok()
        .and_then(|at| ANSWERS.get(at))
        .map(|(_, answer)| *answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::disposition::Disposition;
    use crate::options::table::OPTIONS;

    #[test]
    fn the_table_is_sorted_and_has_every_option_of_the_emperors_that_is_no_hook() {
        assert!(ANSWERS.is_sorted_by_key(|(name, _)| *name));
        for row in OPTIONS {
            let is_hook = row.name.contains("-as-");
            if row.disposition == Disposition::Emperor && !is_hook {
                assert!(answer(row.name.as_bytes()).is_some(), "{}", row.name);
            }
        }
        assert_eq!(answer(b"socket"), None);
    }
}
