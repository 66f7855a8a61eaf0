//! vassal-emperor: what uWSGI's Emperor does in its loop, through systemd. It follows the vassals' files: a new one starts, a
//! changed one is reloaded or
//! restarted, one that is gone is stopped and nothing of it left.
//!
//! The files are the only truth. [`reconcile`] decides what is to be done from the files, the units and what was done before;
//! [`emperor`] looks,
//! and does it; [`service`] waits for the moment. A process that is killed anywhere in between has lost nothing.
//!
//! Rooms, each of which uses only those before it: reconcile, source, drop_ins, memory, systemd1, orders, situation, tell,
//! emperor, outcomes, once, service.
#![forbid(unsafe_code)]

mod drop_ins;
mod emperor;
mod memory;
mod once;
mod orders;
mod outcomes;
mod reconcile;
mod service;
mod situation;
mod source;
mod systemd1;
mod tell;

use drop_ins::{DropIns, GENERATED, WITNESS};
use emperor::Emperor;
use memory::Place;
use nix::sys::signal::{SigSet, Signal};
use reconcile::Remembered;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use tell::Teller;
use vassal_config::emperor::name::VassalName;
use vassal_systemd::exit;
use vassal_systemd::journal::{Priority, log};

/// One look and what follows from it, then the end; `vassalctl sync`.
pub const ONCE: &str = "--once";
/// The same, but nothing is done.
pub const DRY_RUN: &str = "--dry-run";

/// The name of the program, by which it is started.
pub const NAME: &str = source::ask::NAME;

/// The program, with the words behind its name.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let done = match words.as_slice() {
        [source::ask::ARGUMENT] => {
            source::ask::answer(Path::new(GENERATED)).map_err(|error| error.to_string())
        }
        [] if arguments.is_empty() => begin().and_then(|emperor| match service::serve(emperor)? {}),
        [ONCE] => begin().and_then(|emperor| once::once(emperor, false)),
        [ONCE, DRY_RUN] => once::once(emperor(None), true),
        _ => {
            eprintln!("usage: vassal-emperor (started by vassal-emperor.service, see vassal-emperor(8))");
            return ExitCode::from(exit::USAGE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            log(Priority::Error, &why);
            ExitCode::from(exit::FAILED)
        }
    }
}

/// The emperor, with what it has done before; another process of it must not be at work.
fn begin() -> Result<Emperor, String> {
    if !libsystemd::daemon::booted() {
        return Err("this machine was not booted with systemd".to_owned());
    }
    // Heard by a thread that waits for it.
    SigSet::from(Signal::SIGHUP)
        .thread_block()
        .map_err(|errno| format!("cannot block SIGHUP: {errno}"))?;
    let path = Path::new(memory::DIRECTORY);
    let place = Place::take(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let place = place.ok_or(
        "vassal-emperor.service is at work already (systemctl reload vassal-emperor has it look again)",
    )?;
    Ok(emperor(Some(place)))
}

/// The emperor, with what is remembered.
fn emperor(place: Option<Place>) -> Emperor {
    let memory = memory::load(Path::new(memory::DIRECTORY)).unwrap_or_default();
    let trouble = |(name, known): (&VassalName, &Remembered)| Some((name.clone(), known.trouble.clone()?));
    let teller = Teller::new(memory.vassals.iter().filter_map(trouble).collect());
    Emperor::new(
        place,
        DropIns::new(Path::new(GENERATED), Path::new(WITNESS)),
        memory,
        teller,
    )
}
