//! What can go wrong before there is a machine to test in.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

/// Why a machine could not be made or changed; its text is one sentence with the object in single ticks.
#[derive(Debug)]
pub enum Failure {
    /// The process is not root.
    NotRoot,
    /// No cgroup2 file system is mounted, or the process is in none of its cgroups.
    NoUnifiedHierarchy,
    /// A file or directory, on the host or in the machine, could not be used.
    File {
        /// The verb: "read", "create".
        doing: &'static str,
        /// The object.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A file system could not be mounted.
    Mount {
        /// Its type, or what is bound.
        what: &'static str,
        /// Where.
        target: PathBuf,
        /// What the kernel said.
        errno: Errno,
    },
    /// A namespace could not be made or entered.
    Namespace {
        /// The step: "unshare the mount namespace".
        step: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
    /// A program of the host could not be started.
    Program {
        /// Its name.
        name: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A program of the host ran and failed.
    Build {
        /// What it was to make.
        what: String,
        /// What it wrote.
        output: String,
    },
    /// There is no package to install.
    NoPackage {
        /// Where it was looked for.
        place: PathBuf,
    },
    /// The machine did not come up.
    Boot {
        /// How long it was waited for.
        waited: Duration,
        /// What its console shows.
        console: String,
    },
}

impl Failure {
    /// Gives a closure for `map_err` that wraps an I/O error of `doing` something to `path`.
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Failure {
        let path = path.into();
        move |reason| Failure::File { doing, path, reason }
    }

    /// The same for an errno.
    pub(crate) fn file_errno(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(Errno) -> Failure {
        let path = path.into();
        move |errno| Failure::File {
            doing,
            path,
            reason: errno.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotRoot => write!(f, "machine tests need root"),
            Failure::NoUnifiedHierarchy => write!(f, "machine tests need a mounted cgroup2 file system"),
            Failure::File { doing, path, reason } => {
                write!(f, "cannot {doing} '{}': {reason}", path.display())
            }
            Failure::Mount { what, target, errno } => {
                write!(
                    f,
                    "cannot mount '{what}' on '{}': {}",
                    target.display(),
                    errno.desc()
                )
            }
            Failure::Namespace { step, errno } => write!(f, "cannot {step}: {}", errno.desc()),
            Failure::Program { name, reason } => write!(f, "cannot run '{name}': {reason}"),
            Failure::Build { what, output } => write!(f, "cannot make {what}; the output was:\n{output}"),
            Failure::NoPackage { place } => {
                write!(
                    f,
                    "no vassal package in '{}' (VASSAL_DEB names one elsewhere)",
                    place.display()
                )
            }
            Failure::Boot { waited, console } => {
                write!(
                    f,
                    "the machine did not come up in {waited:?}; its console:\n{console}"
                )
            }
        }
    }
}

impl std::error::Error for Failure {}
