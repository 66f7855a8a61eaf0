//! The as-user-atexit hooks. After the app has ended, the watchdog runs this same program with `--atexit` inside the
//! app's namespaces. A reload does not run them (EXE-11 is not copied); their failures are logged and change nothing
//! (EXE-12).

use crate::failure::{Failure, HookFailure};
use crate::hooks::actions::perform::{Unlimited, perform};
use crate::hooks::atexit_record::{Kept, Record};
use crate::hooks::session::Session;
use nix::unistd::chdir;
use std::io::stderr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use vassal_escape::printable;
use vassal_state::codec::Reader;
use vassal_sys::creds::{Keep, become_user};
use vassal_sys::{fds, mounts};
use vassal_systemd::journal::{Priority, log};

/// Runs the hooks in the record whose descriptor is `number`, as their user. A failed hook does not prevent the next
/// one.
///
/// # Errors
/// A record that cannot be read; when becoming the user fails.
pub fn run(number: &[u8]) -> Result<(), Failure> {
    let number = std::str::from_utf8(number)
        .ok()
        .and_then(|number| number.parse().ok());
    let record = Record::read(&mut Reader::from_memfd(number.unwrap_or(-1))?);
    let record = record.ok_or(HookFailure::NoRecord)?;
    fds::cloexec_from(3)?;
    let proc = mounts::detached_proc()?;
    become_user(&record.credentials, Keep::Nothing)?;
    if let Err(errno) = chdir(&record.directory) {
        let (shown, why) = (printable(record.directory.as_os_str().as_bytes()), errno.desc());
        warn(&format!("cannot change to directory '{shown}': {why}"));
    }
    let mut session = Session::new(record.environment, &record.shells, record.limit, &proc);
    let output = stderr();
    let mut shell = Unlimited(output.as_fd());
    for action in record.before {
        if let Err(failure) = perform(&action, &mut session, &mut shell) {
            warn(&failure.to_string());
        }
    }
    for Kept { action, place } in record.hooks {
        if let Err(failure) = perform(&action, &mut session, &mut shell) {
            warn(&format!("{place}: {failure}"));
        }
    }
    Ok(())
}

fn warn(problem: &str) {
    log(Priority::Warning, &format!("{problem}, ignoring"));
}
