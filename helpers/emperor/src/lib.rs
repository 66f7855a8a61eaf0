//! vassal-emperor: follows the vassals' files, as uWSGI's Emperor does, and acts through systemd. It starts the vassal
//! of a new file, reloads or restarts the vassal of a changed one, and stops the vassal of a removed one and removes
//! everything of it.
//!
//! Only the files decide what should run. [`reconcile`] compares them with the units and with the record of what was
//! done before, and returns the steps to take; [`emperor`] collects the data, [`acting`] carries out the steps, and
//! [`service`] waits for changes. The process may be killed at any point: the next one computes the remaining steps
//! anew.
//!
//! Rooms, each of which uses only those before it: reconcile, source, drop_ins, memory, systemd1, orders, situation,
//! report, emperor, acting, outcomes, once, service.
#![forbid(unsafe_code)]

mod acting;
mod drop_ins;
mod emperor;
mod memory;
mod once;
mod orders;
mod outcomes;
mod reconcile;
mod report;
mod service;
mod situation;
mod source;
mod systemd1;

use drop_ins::{DropIns, GENERATED, SYSTEM_UNITS};
use emperor::Emperor;
use memory::Place;
use nix::sys::signal::{SigSet, Signal};
use reconcile::Remembered;
use report::Reporter;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use vassal_config::emperor::name::VassalName;
use vassal_systemd::exit;
use vassal_systemd::journal::{Priority, log};

/// One pass, and exit; `vassalctl sync`.
pub const ONCE: &str = "--once";
/// The same, but only prints the steps.
pub const DRY_RUN: &str = "--dry-run";

/// The program's name as `argv[0]`.
pub const NAME: &str = source::ask::NAME;

/// Runs the program with its `arguments`, without its name.
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

/// The emperor with the stored record. Fails if another process of it is running.
fn begin() -> Result<Emperor, String> {
    if !libsystemd::daemon::booted() {
        return Err("this machine was not booted with systemd".to_owned());
    }
    // A thread of the service waits for it.
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

/// The emperor with the stored record, or an empty one.
fn emperor(place: Option<Place>) -> Emperor {
    let memory = memory::load(Path::new(memory::DIRECTORY)).unwrap_or_default();
    let error = |(name, known): (&VassalName, &Remembered)| Some((name.clone(), known.error.clone()?));
    let reporter = Reporter::new(memory.vassals.iter().filter_map(error).collect());
    Emperor::new(
        place,
        DropIns::new(Path::new(GENERATED), Path::new(SYSTEM_UNITS)),
        memory,
        reporter,
    )
}
