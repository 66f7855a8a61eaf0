//! vassal-watchdog: PID 1 of a vassal's namespaces and systemd's main process. It reaps, watches the mountpoints, says
//! to systemd how things are, and ends everything in order.
#![forbid(unsafe_code)]

mod asking;
mod behind;
mod connections;
mod deafen;
mod disturbed;
mod emperor_protocol;
mod evidence;
mod farewell;
mod gather;
mod grid;
mod judge;
mod master;
mod mountpoint;
mod obituary;
mod payload_notify;
mod probe;
mod processes;
mod progress;
mod readying;
mod reaper;
mod reload;
mod report;
mod retiring;
mod rhythm;
mod running;
mod serving;
mod shutdown;
mod sleeper;
mod slept;
mod standstill;
mod table;
mod threads;
mod unanswered;
mod vassal;

use std::process::ExitCode;
use vassal::Vassal;
use vassal_sys::exit;
use vassal_sys::handoff::Handoff;
use vassal_sys::journal::{Priority, line};
use vassal_sys::{caps, prompt};

fn main() -> ExitCode {
    let number = std::env::args().nth(1).and_then(|number| number.parse().ok());
    let Some(number) = number else {
        eprintln!("usage: vassal-watchdog RECORD (started by vassal-enter, see vassal-watchdog(8))");
        return ExitCode::from(exit::USAGE);
    };
    match prompt::run_soon_when_woken() {
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
            line(Priority::Error, &error.to_string());
            ExitCode::from(exit::OS)
        }
    }
}
