//! A FUSE daemon that fails on demand, and the app that makes it fail: what the fault tests run in their machines.
//!
//! `faultfs [--owner UID] [--allow-other] [--delay MS] [--backing FILE] [--foreground] DIRECTORY` mounts and serves; as root, for any user.
//! What a request does is said by the name of the file ([`files::File`]). `faultfs --http PORT` is the app
//! ([`app`]); `faultfs --torment SIGNAL` sends that signal to the watchdog's probes ([`torment`]). It speaks /dev/fuse itself:
//! a library would answer where the tests want silence.
#![forbid(unsafe_code)]

mod app;
mod daemon;
mod files;
mod mount;
mod torment;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

/// What the arguments ask for.
#[derive(Debug, Default)]
struct Wanted {
    owner: u32,
    allow_other: bool,
    delay: Duration,
    foreground: bool,
    http: Option<u16>,
    torment: String,
    backing: String,
    serve: bool,
    directory: String,
}

fn main() -> ExitCode {
    let Some(wanted) = wanted(std::env::args().skip(1)) else {
        eprintln!(
            "usage: faultfs [--owner UID] [--allow-other] [--delay MS] [--backing FILE] [--foreground] DIRECTORY | --http PORT | --torment SIGNAL"
        );
        return ExitCode::from(64);
    };
    let ended = match wanted.http {
        Some(port) => app::serve(port),
        None if !wanted.torment.is_empty() => torment::newborn(&wanted.torment),
        None if wanted.serve => daemon::serve(&wanted.directory, &wanted.backing, wanted.delay),
        None => mount::mount(&wanted),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faultfs: {}: {error}", wanted.directory);
            ExitCode::FAILURE
        }
    }
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Option<Wanted> {
    let mut wanted = Wanted::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--owner" => wanted.owner = arguments.next()?.parse().ok()?,
            "--allow-other" => wanted.allow_other = true,
            "--delay" => wanted.delay = Duration::from_millis(arguments.next()?.parse().ok()?),
            "--foreground" => wanted.foreground = true,
            "--http" => wanted.http = Some(arguments.next()?.parse().ok()?),
            "--torment" => wanted.torment = arguments.next()?,
            "--backing" => wanted.backing = arguments.next()?,
            "--serve" => wanted.serve = true,
            directory if directory.starts_with('/') => wanted.directory = argument,
            _ => return None,
        }
    }
    (wanted.http.is_some() || !wanted.torment.is_empty() || !wanted.directory.is_empty()).then_some(wanted)
}
