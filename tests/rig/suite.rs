//! The Debian releases a machine can be.

use std::fmt;
use std::panic::resume_unwind;

/// A Debian release, and with it a version of systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// Debian 12: systemd 252, unionfs-fuse.
    Bookworm,
    /// Debian 13: systemd 257, fuse-overlayfs.
    Trixie,
}

impl Suite {
    /// Both, oldest first, whatever the environment says.
    pub const EVERY: [Suite; 2] = [Suite::Bookworm, Suite::Trixie];

    /// The suites to test on: both, or those named, space separated, by the environment's `VASSAL_SUITES`.
    ///
    /// # Panics
    ///
    /// When `VASSAL_SUITES` names an unknown suite or none: a run that tests nothing must not look like one that passed.
    pub fn all() -> Vec<Suite> {
        let Ok(wanted) = std::env::var("VASSAL_SUITES") else {
            return Suite::EVERY.to_vec();
        };
        let suites: Vec<Suite> = wanted.split_whitespace().map(Suite::named).collect();
        assert!(!suites.is_empty(), "VASSAL_SUITES is set but names no suite");
        suites
    }

    /// The release's code name, as the archive spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::Bookworm => "bookworm",
            Suite::Trixie => "trixie",
        }
    }

    /// The major version of systemd that the release runs.
    pub const fn systemd(self) -> u32 {
        match self {
            Suite::Bookworm => 252,
            Suite::Trixie => 257,
        }
    }

    fn named(name: &str) -> Suite {
        match Suite::EVERY.into_iter().find(|suite| suite.name() == name) {
            Some(suite) => suite,
            None => panic!("VASSAL_SUITES: unknown suite '{name}'"),
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Does the same on all suites at the same time; most of it is waiting.
///
/// # Panics
///
/// When one of them does, after all have ended.
pub fn on_each_suite(test: impl Fn(Suite) + Sync) {
    std::thread::scope(|scope| {
        let test = &test;
        let running: Vec<_> = Suite::all()
            .into_iter()
            .map(|suite| scope.spawn(move || test(suite)))
            .collect();
        let ended: Vec<_> = running.into_iter().map(|each| each.join()).collect();
        for end in ended {
            end.unwrap_or_else(|reason| resume_unwind(reason));
        }
    });
}
