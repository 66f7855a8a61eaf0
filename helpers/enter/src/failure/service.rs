//! Failures of what surrounds a start or a reload: systemd, sockets, the running vassal.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use vassal_escape::printable;
use vassal_systemd::exit;

/// Why a program of the host's, a socket or the running vassal does not do its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceFailure {
    /// systemd reads no notification.
    SystemdReadsNothing {
        /// How long was waited.
        limit: Duration,
    },
    /// systemd does not start a unit.
    NotStarted {
        /// The unit.
        unit: String,
    },
    /// systemctl has failed.
    Systemctl {
        /// Why.
        reason: String,
    },
    /// A socket cannot be bound.
    NotBound {
        /// Its address.
        address: SocketAddr,
        /// Why.
        why: &'static str,
    },
    /// There is no vassal to be reloaded.
    NoMainProcess,
    /// The app cannot be reloaded.
    Refused {
        /// Why.
        reason: String,
    },
    /// The next app has not come to serve, and the present one goes on.
    GoesOn {
        /// Why; with numbers and names of programs only.
        reason: String,
        /// What the next app has said.
        said: String,
    },
    /// systemd would listen where a tenant can put something else.
    ForeignSocket {
        /// The socket's path.
        path: Vec<u8>,
        /// What is not root's alone.
        why: String,
    },
    /// A socket of the file is not among those that the vassal has.
    NotBoundYet {
        /// Its address.
        address: String,
    },
    /// The process that was to become the next app is gone.
    NextGone,
    /// The vassal has ended during the reload.
    Ended,
}

impl ServiceFailure {
    /// The exit code that it means.
    pub fn code(&self) -> u8 {
        match self {
            Self::NotBound { .. } => exit::OS,
            Self::NotBoundYet { .. } | Self::ForeignSocket { .. } => exit::CONFIG,
            Self::SystemdReadsNothing { .. }
            | Self::NotStarted { .. }
            | Self::Systemctl { .. }
            | Self::NoMainProcess
            | Self::GoesOn { .. }
            | Self::NextGone
            | Self::Ended => exit::FAILED,
            Self::Refused { .. } => exit::UNAVAILABLE,
        }
    }
}

impl fmt::Display for ServiceFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SystemdReadsNothing { limit } => {
                write!(out, "systemd has read nothing for {} s", limit.as_secs())
            }
            Self::NotStarted { unit } => write!(out, "cannot start '{unit}'"),
            Self::Systemctl { reason } => out.write_str(reason),
            Self::NotBound { address, why } => write!(out, "cannot listen on {address}: {why}"),
            Self::NoMainProcess => out.write_str("there is no main process ($MAINPID)"),
            Self::Refused { reason } => out.write_str(reason),
            Self::GoesOn { reason, said } => write!(out, "{reason}{said}; the app before goes on"),
            Self::ForeignSocket { path, why } => write!(
                out,
                "on demand: '{}': {why}, and systemd makes and removes the socket there as root (name a directory that is root's \
                 alone, such as one below /run)",
                printable(path)
            ),
            Self::NotBoundYet { address } => write!(out, "{address} is not bound yet (systemctl restart)"),
            Self::NextGone => out.write_str("the process that was to become the next app has been killed"),
            Self::Ended => out.write_str("the vassal has ended meanwhile"),
        }
    }
}
