//! Passes the sockets of a `command` as systemd does (sd_listen_fds(3)): from descriptor 3 on, with their names, for
//! the process whose number (in its own PID namespace) is in `LISTEN_PID`.

use crate::app::supervise::Control;
use crate::environment::Environment;
use crate::sockets::open::Open;
use nix::sys::socket::{getsockopt, sockopt};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;
use vassal_sys::{SysError, fds};

/// The first passed descriptor (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// The environment variables that describe the sockets to the command which this process becomes.
pub fn environment(plan: &Plan) -> Environment {
    let names: Vec<_> = plan
        .listeners
        .iter()
        .filter_map(|listener| listener.name.clone())
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let variables = [
        ("LISTEN_FDS", names.len().to_string()),
        ("LISTEN_PID", std::process::id().to_string()),
        ("LISTEN_FDNAMES", names.join(":")),
    ];
    variables.map(|(name, value)| (name.into(), value.into())).into()
}

/// Moves this end of the conversation to a descriptor above those that [`place`] fills.
///
/// # Errors
/// `EMFILE`.
pub fn above_sockets(control: Control, plan: &Plan) -> Result<Control, SysError> {
    match &plan.payload {
        Payload::Command { .. } if !plan.listeners.is_empty() => control.above(last(plan.listeners.len())),
        Payload::Command { .. } | Payload::Uwsgi { .. } => Ok(control),
    }
}

fn last(count: usize) -> RawFd {
    FIRST + count as RawFd
}

/// Puts `sockets` under the descriptor numbers that the command expects. Descriptors which had these numbers are
/// closed, so this is done right before the exec.
///
/// # Errors
/// `EMFILE`.
pub fn place(sockets: &[Open]) -> Result<(), SysError> {
    let bound = |open: &Open| {
        let new = open.spare.as_ref().filter(|spare| listens(spare));
        fds::copy_above(new.unwrap_or(&open.fd), last(sockets.len()))
    };
    let copies = sockets.iter().map(bound).collect::<Result<Vec<_>, _>>()?;
    let mut numbered = (FIRST..).zip(&copies);
    numbered.try_for_each(|(number, socket)| fds::place_at(socket.as_fd(), number))
}

/// Whether the socket is bound; an unbound socket does not listen (socket(7)).
pub fn listens(socket: &OwnedFd) -> bool {
    getsockopt(socket, sockopt::AcceptConn).unwrap_or(false)
}
