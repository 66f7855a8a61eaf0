//! Failures of hooks and of the other steps before the app.

use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::fmt;
use std::time::Duration;
use vassal_escape::printable;
use vassal_sys::SysError;
use vassal_sys::reach::NOT_FOLLOWED;
use vassal_systemd::exit;

/// Why a hook or another step has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookFailure {
    /// The kernel refused a step.
    Refused(SysError),
    /// The root directory is not as the file says.
    NoRoot(SysError),
    /// A command has ended with this code.
    Exited(i32),
    /// A command was ended by this signal.
    Killed(Signal),
    /// It has not finished in time.
    TimedOut {
        /// `hook-timeout`
        limit: Duration,
    },
    /// The action `exit` was executed.
    Exit(u8),
    /// What it waits for has not appeared.
    NotAppeared {
        /// What kind of thing.
        kind: &'static str,
        /// Its name.
        what: Vec<u8>,
        /// How long it has waited.
        limit: Duration,
        /// The setting with the limit, where that is not in the line itself.
        setting: &'static str,
    },
    /// A FIFO got no reader in time.
    NotRead {
        /// The FIFO.
        path: Vec<u8>,
        /// How long it has waited.
        limit: Duration,
    },
    /// An envdir, or a file in it, cannot be read.
    Envdir {
        /// The directory or the file.
        path: Vec<u8>,
        /// Why.
        errno: Errno,
    },
    /// The files of an envdir exceed the limit.
    EnvdirTooLong {
        /// The directory.
        path: Vec<u8>,
    },
    /// Root would execute something that others than root have put into the vassal's own root.
    ForeignRoot {
        /// The file or directory that is not trusted, and why.
        why: String,
    },
    /// A command or a variable holds a NUL byte.
    Nul,
    /// The old root is still mounted at the place where a hook has unmounted it.
    OldRootMounted,
    /// The record of the atexit hooks cannot be read.
    NoRecord,
}

impl HookFailure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Exit(code) => *code,
            Self::NoRoot(error) if !is_wrong_root(error.errno) => exit::FAILED,
            Self::NoRoot(_) | Self::ForeignRoot { .. } | Self::Nul | Self::OldRootMounted => exit::CONFIG,
            Self::Refused(_)
            | Self::Exited(_)
            | Self::Killed(_)
            | Self::TimedOut { .. }
            | Self::NotAppeared { .. }
            | Self::NotRead { .. }
            | Self::Envdir { .. }
            | Self::EnvdirTooLong { .. }
            | Self::NoRecord => exit::FAILED,
        }
    }
}

/// Whether the errno means that the directory is not as the file says. Any other errno is a passing fault of its
/// filesystem.
fn is_wrong_root(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENOENT | Errno::ENOTDIR | Errno::EINVAL | Errno::EBUSY | Errno::ELOOP
    )
}

impl fmt::Display for HookFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) | Self::NoRoot(error) => write!(out, "{error}"),
            Self::Exited(127) => out.write_str("exited with 127: its program was not found"),
            Self::Exited(code) => write!(out, "exited with {code}"),
            Self::Killed(signal) => write!(out, "was killed by {signal}"),
            Self::TimedOut { limit } => {
                let limit = limit.as_secs_f32();
                write!(out, "did not return within {limit} s (hook-timeout)")
            }
            Self::Exit(code) => write!(out, "exits with {code}, as the hook says"),
            Self::NotAppeared {
                kind,
                what,
                limit,
                setting,
            } => {
                let (what, limit) = (printable(what), limit.as_secs_f32());
                write!(out, "{kind} '{what}' did not appear within {limit} s{setting}")
            }
            Self::NotRead { path, limit } => {
                let (path, limit) = (printable(path), limit.as_secs_f32());
                write!(out, "nobody read '{path}' within {limit} s")
            }
            Self::Envdir { path, errno } => {
                let why = match errno {
                    Errno::ELOOP => NOT_FOLLOWED,
                    errno => errno.desc(),
                };
                write!(out, "cannot read '{}': {why}", printable(path))
            }
            Self::EnvdirTooLong { path } => {
                write!(
                    out,
                    "cannot read '{}': more than 1 MiB of variables",
                    printable(path)
                )
            }
            Self::ForeignRoot { why } => write!(
                out,
                "not run: {why}, so root would run what is put there by others (run it pre-jail or as-user, give all of the root \
                 directory to root, or set trust-root = true in [vassal])"
            ),
            Self::Nul => out.write_str("a command or a variable holds a NUL byte"),
            Self::OldRootMounted => out.write_str(
                "the old root is still mounted after this: another mount was in its place (look for links and mounts there)",
            ),
            Self::NoRecord => out.write_str("the record of the atexit hooks is not readable"),
        }
    }
}
