//! Failures of starts, reloads and other calls of vassal-enter: what failed with which object. The exit code, the line
//! for the journal and the public line of the status are derived from the failure.
//!
//! Rooms, each of which uses only those before it: place, file, account, hook, app, service.

mod account;
mod app;
mod file;
mod hook;
mod place;
mod service;

pub use account::{AccountFailure, Kind, Lookup};
pub use app::{AppFailure, NoCopy, Root, is_wrong_program};
pub use file::FileFailure;
pub use hook::HookFailure;
pub use place::Place;
pub use service::ServiceFailure;

use std::fmt;
use vassal_config::diagnostic::{Diagnostic, Public};
use vassal_sys::SysError;
use vassal_systemd::exit;

/// The public line of a wrong configuration.
const WRONG: &str = "it is wrong (the journal says why)";
/// The public line of a failure that may pass.
const FAILED: &str = "it failed (the journal says why)";

/// A failure. It is displayed as one line for the journal: file and line, what, why, and the remedy where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Wrong lines in a file.
    Lines(Vec<Diagnostic>),
    /// The files cannot be used, or the unit's name is wrong.
    File(FileFailure),
    /// The app's user cannot be found.
    Account(AccountFailure),
    /// A hook or another step before the app has failed.
    Hook(HookFailure),
    /// The app cannot be started.
    App(AppFailure),
    /// systemd, a socket or the running vassal does not do its part.
    Service(ServiceFailure),
    /// The namespaces cannot be set up.
    Namespace(SysError),
    /// The kernel refused a step that a correct configuration needs.
    System(SysError),
    /// A failure with the place (line, hook or step) where it happened.
    At(Place, Box<Failure>),
    /// A failed command with its last words.
    WithOutput {
        /// The failure.
        failure: Box<Failure>,
        /// What is added to the line for the journal.
        journal: String,
        /// What is added to the public line.
        public: String,
    },
    /// A configuration error of a vassal that has served before: it waits for what is missing instead of giving up.
    Proven(Box<Failure>),
    /// A failure that was reported by the process which becomes the app.
    Reported {
        /// Its exit code.
        code: u8,
        /// Its line for the journal.
        message: String,
        /// Its public line.
        public: Public,
    },
}

impl Failure {
    /// The exit code, one of [`vassal_systemd::exit`]; it decides whether systemd tries again.
    pub fn code(&self) -> u8 {
        match self {
            Self::Lines(_) | Self::File(_) | Self::Account(_) => exit::CONFIG,
            Self::Hook(failure) => failure.code(),
            Self::App(failure) => failure.code(),
            Self::Service(failure) => failure.code(),
            Self::Namespace(_) => exit::NAMESPACE,
            Self::System(_) => exit::OS,
            Self::At(_, failure) | Self::WithOutput { failure, .. } => failure.code(),
            Self::Proven(_) => exit::FAILED,
            Self::Reported { code, .. } => *code,
        }
    }

    /// The public line. Any user of the machine can read the status, so it contains nothing of the file.
    pub fn public(&self) -> Public {
        match self {
            Self::Lines(found) => found
                .first()
                .map_or(Public::words("the configuration is wrong"), Diagnostic::public),
            Self::File(failure) => Public::words(failure.public().unwrap_or(WRONG)),
            Self::App(AppFailure::MountpointUnseen { path, .. }) => {
                Public::mountpoint(path, "cannot be looked at (the journal says why)")
            }
            Self::App(AppFailure::MountpointBehindLink { path }) => {
                Public::mountpoint(path, "is behind a link that is not root's (the journal says why)")
            }
            Self::App(AppFailure::NotAMountpoint { path }) => {
                Public::mountpoint(path, "is not a mountpoint (the journal says why)")
            }
            Self::Service(ServiceFailure::GoesOn { reason, .. }) => Public::words("").with_output(reason),
            Self::Namespace(_) => Public::words("the namespaces cannot be set up (the journal says why)"),
            Self::System(_) => Public::words("the system refused it (the journal says why)"),
            Self::At(place, failure) => failure.public().at(&place.public),
            Self::WithOutput { failure, public, .. } => failure.public().with_output(public),
            Self::Proven(failure) => failure.public(),
            Self::Reported { public, .. } => public.clone(),
            // The hook has chosen this exit code itself.
            Self::Hook(HookFailure::Exit(_)) => Public::words(FAILED),
            Self::Account(_) | Self::Hook(_) | Self::App(_) | Self::Service(_) => {
                Public::words(match self.code() {
                    exit::CONFIG => WRONG,
                    _ => FAILED,
                })
            }
        }
    }

    /// The same failure, with its place: `user001.ini:6: as-root hook 'x': `.
    pub fn at(self, place: &Place) -> Self {
        Self::At(place.clone(), Box::new(self))
    }

    /// The failure itself, without place and last words.
    #[cfg(test)]
    pub fn cause(&self) -> &Self {
        match self {
            Self::At(_, failure) | Self::WithOutput { failure, .. } | Self::Proven(failure) => {
                failure.cause()
            }
            _ => self,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines(found) => {
                if let Some(first) = found.first() {
                    write!(out, "{first}")?;
                }
                match found.len().saturating_sub(1) {
                    0 => Ok(()),
                    others => write!(out, "; and {others} more (vassalctl check)"),
                }
            }
            Self::File(failure) => write!(out, "{failure}"),
            Self::Account(failure) => write!(out, "{failure}"),
            Self::Hook(failure) => write!(out, "{failure}"),
            Self::App(failure) => write!(out, "{failure}"),
            Self::Service(failure) => write!(out, "{failure}"),
            Self::Namespace(error) | Self::System(error) => write!(out, "{error}"),
            Self::At(place, failure) => write!(out, "{}: {failure}", place.text),
            Self::WithOutput { failure, journal, .. } => write!(out, "{failure}{journal}"),
            Self::Proven(failure) => write!(out, "{failure}"),
            Self::Reported { message, .. } => out.write_str(message),
        }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Lines(vec![diagnostic])
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(found: Vec<Diagnostic>) -> Self {
        Self::Lines(found)
    }
}

impl From<SysError> for Failure {
    fn from(error: SysError) -> Self {
        Self::System(error)
    }
}

impl From<FileFailure> for Failure {
    fn from(failure: FileFailure) -> Self {
        Self::File(failure)
    }
}

impl From<AccountFailure> for Failure {
    fn from(failure: AccountFailure) -> Self {
        Self::Account(failure)
    }
}

impl From<HookFailure> for Failure {
    fn from(failure: HookFailure) -> Self {
        Self::Hook(failure)
    }
}

impl From<AppFailure> for Failure {
    fn from(failure: AppFailure) -> Self {
        Self::App(failure)
    }
}

impl From<ServiceFailure> for Failure {
    fn from(failure: ServiceFailure) -> Self {
        Self::Service(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use std::time::Duration;

    #[test]
    fn the_code_says_whether_another_attempt_can_help() {
        let refused = |errno| SysError::new("chroot to '/a'", errno);
        let unknown = || SysError::new("look at '/a'", Errno::EACCES);
        let unseen = || AppFailure::MountpointUnseen {
            path: b"/a".to_vec(),
            error: unknown(),
        };
        let namespaces = "the namespaces cannot be set up (the journal says why)";
        let cases: [(Failure, u8, &str); 9] = [
            (HookFailure::Exited(127).into(), exit::FAILED, FAILED),
            (HookFailure::Exit(78).into(), exit::CONFIG, FAILED),
            (
                HookFailure::NoRoot(refused(Errno::ENOENT)).into(),
                exit::CONFIG,
                WRONG,
            ),
            (
                HookFailure::NoRoot(refused(Errno::EIO)).into(),
                exit::FAILED,
                FAILED,
            ),
            (HookFailure::Nul.into(), exit::CONFIG, WRONG),
            (
                AppFailure::NoUwsgi { root: Root::Own }.into(),
                exit::CONFIG,
                WRONG,
            ),
            (
                unseen().into(),
                exit::CONFIG,
                "'/a' cannot be looked at (the journal says why)",
            ),
            (
                Failure::Proven(Box::new(AppFailure::KeysTooLong.into())),
                exit::FAILED,
                WRONG,
            ),
            (Failure::Namespace(unknown()), exit::NAMESPACE, namespaces),
        ];
        for (failure, code, public) in cases {
            assert_eq!(failure.code(), code, "{failure}");
            assert_eq!(failure.public().to_string(), public, "{failure}");
        }
    }

    #[test]
    fn the_journal_has_where_and_what_was_said_last_and_the_status_only_what_is_public() {
        let place = Place::context("uid");
        let failure = Failure::from(HookFailure::TimedOut {
            limit: Duration::from_secs(3),
        });
        let said = Failure::WithOutput {
            failure: Box::new(failure.clone().at(&place)),
            journal: "; its last words: /srv/secret".into(),
            public: String::new(),
        };
        assert_eq!(
            said.to_string(),
            "uid: did not return within 3 s (hook-timeout); its last words: /srv/secret"
        );
        assert_eq!(said.public().to_string(), format!("uid: {FAILED}"));
        assert_eq!(said.cause(), &failure);
    }

    #[test]
    fn of_several_wrong_lines_the_first_is_told() {
        let line = |message: &str| Diagnostic::error(None, message);
        let failure = Failure::from(vec![line("one"), line("two"), line("three")]);
        assert_eq!(failure.to_string(), "one; and 2 more (vassalctl check)");
        assert_eq!(failure.code(), exit::CONFIG);
    }
}
