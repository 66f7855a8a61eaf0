//! Failures of what surrounds a start or a reload: systemd, sockets, the running vassal.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
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
    NoReload,
    /// The app does not serve again.
    NotServing {
        /// How long was waited.
        limit: Duration,
    },
    /// The vassal has ended during the reload.
    Ended,
}

impl ServiceFailure {
    /// The exit code that it means.
    pub fn code(&self) -> u8 {
        match self {
            Self::NotBound { .. } => exit::OS,
            Self::SystemdReadsNothing { .. }
            | Self::NotStarted { .. }
            | Self::Systemctl { .. }
            | Self::NoMainProcess
            | Self::NotServing { .. }
            | Self::Ended => exit::FAILED,
            Self::NoReload => exit::UNAVAILABLE,
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
            Self::NoReload => out.write_str(
                "the app cannot be reloaded (it does not serve yet, or [vassal] has no reload-signal)",
            ),
            Self::NotServing { limit } => {
                write!(out, "the app does not serve again within {} s", limit.as_secs())
            }
            Self::Ended => out.write_str("the vassal has ended meanwhile"),
        }
    }
}
