//! vassal-enter: what `vassal@NAME.service` executes. It reads the vassal's file as uWSGI would read it now, enters
//! new namespaces, runs the hooks, starts the app as the vassal's user, and becomes vassal-watchdog.
//!
//! Rooms, each of which uses only those before it: failure, health, stop, start_place, environment, namespaces, mountpoints,
//! files, user, invocation,
//! sockets, handed_over, hooks, app, inside, start, reload.
#![deny(unsafe_code)]

mod app;
mod environment;
mod failure;
mod files;
mod handed_over;
mod health;
mod hooks;
mod inside;
mod invocation;
mod mountpoints;
mod namespaces;
mod reload;
mod sockets;
mod start;
mod start_place;
mod stop;
mod user;

use failure::Failure;
use invocation::LAST_LINE_LIMIT;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use vassal_sys::fds;
use vassal_sys::memory::Memory;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::{exit, lines};

/// A start allocates a few blocks of each of many sizes. musl's allocator would map and unmap pages again and again.
#[global_allocator]
static ALLOCATOR: Memory = Memory::new();

fn main() -> ExitCode {
    if let Err(error) = fds::open_standard() {
        log(Priority::Error, &error.to_string());
        return ExitCode::from(exit::OS);
    }
    let code = command_line();
    // Lines that journald had no room for are kept in this process, which ends now.
    if let Err(error) = lines::deliver(LAST_LINE_LIMIT) {
        log(Priority::Warning, &error.to_string());
    }
    code
}

fn command_line() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let arguments: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    match arguments.as_slice() {
        [instance] => ExitCode::from(start::run::start_vassal(instance)),
        [b"--atexit", descriptor] => report(hooks::atexit::run(descriptor), Priority::Warning),
        [b"--reload", instance] => report(reload::run(instance), Priority::Error),
        [b"--may-listen", path] => report(sockets::systemds::may_listen(path), Priority::Error),
        [b"--retry", instance] => report(start::retry::run(instance), Priority::Error),
        _ => {
            eprintln!(
                "usage: vassal-enter INSTANCE (started by vassal@INSTANCE.service, see vassal-enter(8))"
            );
            ExitCode::from(exit::USAGE)
        }
    }
}

fn report(result: Result<(), Failure>, priority: Priority) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log(priority, &failure.to_string());
            ExitCode::from(failure.code())
        }
    }
}
