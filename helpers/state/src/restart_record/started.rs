//! Tells whether a start follows a run of the same unit. systemd makes the unit's runtime directory when the unit is
//! started, keeps it over a restart (`RuntimeDirectoryPreserve=restart`), and removes it when the unit stops or fails.
//! So a start that finds a mark in it is a restart. A descriptor in the FD store would tell the same, but costs systemd
//! 257 a fork for each vassal at every daemon-reload (measured).

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use std::path::{Path, PathBuf};
use vassal_escape::digest::fnv_64;

/// The directory in which systemd makes runtime directories.
const RUN: &str = "/run";
/// The subdirectory for the vassals' runtime directories.
const STARTS: &str = "vassal-starts";
/// The name of the mark in a unit's directory.
const MARK: &str = "started";

/// The runtime directory of the vassal's unit, below /run (`RuntimeDirectory=`). Its name is a hash: systemd 257
/// executes nothing in a unit with a backslash there, which escaped names contain (measured: "Failed to deserialize").
pub fn runtime_directory(vassal: &[u8]) -> String {
    format!("{STARTS}/{:016x}", fnv_64(vassal))
}

/// Whether `directory` is one that systemd has made for a vassal's mark.
pub fn is_runtime_directory(directory: &Path) -> bool {
    directory.starts_with(Path::new(RUN).join(STARTS))
}

/// What this start follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// No run, or a unit that has stopped or failed since.
    Nothing,
    /// A run of the same unit, which has neither stopped nor failed since.
    Run,
    /// Unknown: the unit has no such directory, because its drop-in is missing, or the mark could not be written.
    Unknown,
}

impl Follows {
    /// Finds out what this start of `vassal` follows, and leaves the mark for the next start.
    pub fn ask(vassal: &[u8]) -> Self {
        Self::find(&PathBuf::from(RUN).join(runtime_directory(vassal)))
    }

    fn find(directory: &Path) -> Self {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let Ok(directory) = open(directory, flags, Mode::empty()) else {
            return Follows::Unknown;
        };
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        match openat(&directory, MARK, flags, Mode::S_IRUSR) {
            Ok(_) => Follows::Nothing,
            Err(Errno::EEXIST) => Follows::Run,
            Err(_) => Follows::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_kept_tells_of_the_start_before() {
        let place = std::env::temp_dir().join(format!("vassal-starts-{}", std::process::id()));
        let ask = || Follows::find(&place);
        assert_eq!(ask(), Follows::Unknown);
        for _ in 0..2 {
            std::fs::create_dir(&place).unwrap();
            assert_eq!(
                (ask(), ask(), ask()),
                (Follows::Nothing, Follows::Run, Follows::Run)
            );
            std::fs::remove_dir_all(&place).unwrap();
        }
    }

    #[test]
    fn a_units_directory_is_known_by_its_path() {
        let own = Path::new("/run").join(runtime_directory(b"my app"));
        assert!(is_runtime_directory(&own));
        assert!(!is_runtime_directory(Path::new("/run/other")));
    }
}
