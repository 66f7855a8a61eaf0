//! Whether a start follows a run of the same unit: systemd makes the unit's runtime directory anew when the unit is started, keeps it
//! over a restart (`RuntimeDirectoryPreserve=restart`), and removes it when the unit stops or fails. A start that finds a mark there
//! is a restart. A descriptor in the FD store would tell the same, but costs systemd 257 a fork of itself for each vassal at
//! every daemon-reload (measured).

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use std::path::Path;

/// Where the units' runtime directories are: `RuntimeDirectory=vassal-starts/%i`.
pub const DIRECTORY: &str = "/run/vassal-starts";
/// The file in a unit's directory.
const MARK: &str = "started";

/// What a start follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Nothing, or a unit that had stopped or failed.
    Nothing,
    /// A run of the same unit, which systemd has not seen stop or fail since.
    Run,
    /// That cannot be told: there is no such directory, or no room for a mark. What the run before has left decides.
    Unknown,
}

impl Follows {
    /// Asks for the instance `name` of the unit below `directory`, and leaves the mark for the next start.
    pub fn ask(directory: &Path, name: &str) -> Self {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let Ok(directory) = open(&directory.join(name), flags, Mode::empty()) else {
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
        let base = std::env::temp_dir().join(format!("vassal-starts-{}", std::process::id()));
        let ask = || Follows::ask(&base, "a");
        assert_eq!(ask(), Follows::Unknown);
        for _ in 0..2 {
            std::fs::create_dir_all(base.join("a")).unwrap();
            assert_eq!(
                (ask(), ask(), ask()),
                (Follows::Nothing, Follows::Run, Follows::Run)
            );
            std::fs::remove_dir_all(&base).unwrap();
        }
    }
}
