//! vassal-watchdog: PID 1 of a vassal's namespaces and systemd's main process. It reaps, watches the mountpoints, says
//! to systemd how things are, and ends everything in order.
//!
//! Rooms, each of which uses only those before it: processes, mountpoints, hang, liveness, app, report, limits, health, shutdown, vassal.
#![forbid(unsafe_code)]

mod app;
mod hang;
mod health;
mod limits;
mod liveness;
mod mountpoints;
mod processes;
mod report;
mod shutdown;
mod vassal;

use std::process::ExitCode;
use vassal::Vassal;
use vassal_state::handoff::Handoff;
use vassal_sys::{caps, scheduler};
use vassal_systemd::exit;
use vassal_systemd::journal::{Priority, log};

fn main() -> ExitCode {
    let number = std::env::args().nth(1).and_then(|number| number.parse().ok());
    let Some(number) = number else {
        eprintln!("usage: vassal-watchdog RECORD (started by vassal-enter, see vassal-watchdog(8))");
        return ExitCode::from(exit::USAGE);
    };
    match scheduler::run_soon_when_woken() {
        // It also works without, a little later on a busy machine.
        Ok(()) | Err(_) => {}
    }
    let ended = caps::keep_at_most(caps::OF_WATCHDOG)
        .and_then(|()| Handoff::load(number))
        .and_then(Vassal::take_over)
        .and_then(Vassal::watch);
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            log(Priority::Error, &error.to_string());
            ExitCode::from(exit::OS)
        }
    }
}
