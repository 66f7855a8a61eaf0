//! `vassal-enter --retry`, which vassal-retry@.service runs while a vassal's unit has failed: it waits, and then lets
//! systemd start the vassal. It is a service of its own because a vassal's unit that only waits would hold up all units
//! ordered after it, and would not be listed as failed.

use crate::environment::inherited;
use crate::failure::{Failure, ServiceFailure};
use crate::health;
use crate::invocation::{Invocation, vassal_of};
use crate::start::pause::{Pause, pause};
use crate::start::query::systemctl;
use crate::start::source;
use nix::errno::Errno;
use std::path::Path;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::vassals::EMPEROR_FILE;
use vassal_escape::unit_name::escape;
use vassal_state::restart_record::{DIRECTORY, Next, RestartRecord, Store};
use vassal_systemd::journal::{Priority, log};

/// The name of the unit that tries to start `vassal` again.
pub fn unit(vassal: &VassalName) -> String {
    format!("vassal-retry@{}.service", escape(vassal.bytes()))
}

/// Starts the retry unit, which begins its pause when the vassal's unit has failed.
///
/// # Errors
/// When systemd does not start it.
pub fn arrange(invocation: &Invocation, record: &mut RestartRecord) -> std::io::Result<()> {
    record.next = Next::Retry;
    // The retry could not find a record that is only in memory.
    Store::open(Path::new(DIRECTORY), &escape(invocation.vassal.bytes())).map_err(std::io::Error::other)?;
    invocation.record.write(record).map_err(std::io::Error::other)?;
    let arranged = systemctl(&["start", "--no-block", "--", &unit(&invocation.vassal)]);
    if arranged.is_err() {
        record.next = Next::Restart;
        // systemd may have been too slow to answer and still start the retry, which then has to find that it is not
        // wanted.
        invocation.record.write(record).map_err(std::io::Error::other)?;
    }
    arranged.map(drop)
}

/// Stops a waiting retry, because the vassal was started by hand.
pub fn dismiss(vassal: &VassalName) {
    if let Err(error) = systemctl(&["stop", "--no-block", "--", &unit(vassal)]) {
        log(
            Priority::Warning,
            &format!("cannot stop '{}': {error}", unit(vassal)),
        );
    }
}

/// Waits, and starts the vassal of the unit instance `instance`. Nothing is done if it has been started meanwhile, or
/// does not exist. If it has been stopped meanwhile, or its file is gone, its failed state is reset.
///
/// # Errors
/// A record that cannot be read; when systemd does not start the vassal.
pub fn run(instance: &[u8]) -> Result<(), Failure> {
    let vassal = vassal_of(instance)?;
    let store = match Store::open(Path::new(DIRECTORY), &escape(vassal.bytes())) {
        // The record is removed with the vassal's file; a failure here would be retried for ever.
        Err(error) if error.errno == Errno::ENOENT => return Ok(()),
        store => store?,
    };
    let is_wanted = || store.read().next == Next::Retry;
    if !is_wanted() {
        return Ok(());
    }
    let record = store.read();
    let time = record.retry_pause(source::pauses(&record, &inherited()));
    match pause(time, &record.cause, None)? {
        _ if !is_wanted() => Ok(()),
        Pause::Stopped => forget(&store, &vassal),
        Pause::Over if !has_file(&vassal) => {
            log(
                Priority::Notice,
                "the vassal's file is gone; it is not tried again",
            );
            forget(&store, &vassal)
        }
        Pause::Over => start(&store, &vassal),
    }
}

/// Lets systemd start the vassal.
fn start(store: &Store, vassal: &VassalName) -> Result<(), Failure> {
    let unit = vassal.unit();
    store.update(|record| record.next = Next::Asked)?;
    if systemctl(&["start", "--no-block", "--", &unit]).is_ok() {
        return Ok(());
    }
    let state = systemctl(&["show", "--property=LoadState", "--value", "--", &unit]);
    if state.is_ok_and(|state| state.trim_ascii() == b"masked") {
        return forget(store, vassal);
    }
    // systemd will run this service again.
    store.update(|record| record.next = Next::Retry)?;
    Err(ServiceFailure::NotStarted { unit }.into())
}

fn forget(store: &Store, vassal: &VassalName) -> Result<(), Failure> {
    store.update(RestartRecord::stopped)?;
    health::remove_of(vassal);
    systemctl(&["reset-failed", "--", &vassal.unit()])
        .map(drop)
        .map_err(|error| {
            ServiceFailure::Systemctl {
                reason: error.to_string(),
            }
            .into()
        })
}

/// Whether the vassal still has a file. If that cannot be found out, the answer is yes and the attempt reports the
/// error.
fn has_file(vassal: &VassalName) -> bool {
    let emperor = source::read_emperor(Path::new(EMPEROR_FILE), &inherited());
    emperor.map_or(true, |emperor| source::has_file(&emperor, vassal))
}
