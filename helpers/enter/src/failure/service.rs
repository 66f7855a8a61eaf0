//! Failures in the surroundings of a start or a reload: systemd, sockets, the running vassal.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use vassal_escape::printable;
use vassal_systemd::exit;

/// What has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceFailure {
    /// systemd does not read notifications.
    SystemdReadsNothing {
        /// How long it was waited for.
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
        /// The last words of the next app.
        said: String,
    },
    /// systemd would listen on a path that a tenant can change.
    ForeignSocket {
        /// The socket's path.
        path: Vec<u8>,
        /// The directory or link that is not trusted, and why.
        why: String,
    },
    /// The running vassal does not have a socket that the file names.
    NotBoundYet {
        /// Its address.
        address: String,
    },
    /// The process that was to become the next app has ended.
    NextGone,
    /// The vassal has ended during the reload.
    Ended,
}

impl ServiceFailure {
    /// The exit code.
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
