//! `vassal-enter --retry`: what vassal-retry@.service runs while a vassal's unit has failed. It lets the pause pass, and has
//! systemd start the vassal again. A service of its own, because the start of a unit that only waits would hold up everything
//! that is ordered after it, and nobody would find the vassal among the failed ones.

use crate::failure::Failure;
use crate::invocation::{Start, environment, vassal_of};
use crate::start::pause::{Pause, pause};
use crate::start::query::systemctl;
use crate::start::source;
use nix::errno::Errno;
use std::path::Path;
use vassal_config::emperor::name::VassalName;
use vassal_escape::unit_name::escape;
use vassal_state::restart_record::{DIRECTORY, Memo, Next, Store};
use vassal_systemd::journal::{Priority, line};

/// The unit that tries again to start `vassal`.
pub fn unit(vassal: &VassalName) -> String {
    format!("vassal-retry@{}.service", escape(vassal.bytes()))
}

/// Has the vassal tried again, after a pause that begins when its unit has failed.
///
/// # Errors
/// When systemd does not do it.
pub fn arrange(start: &Start, memo: &mut Memo) -> std::io::Result<()> {
    memo.next = Next::Retry;
    // A record in memory is found by nobody.
    Store::open(Path::new(DIRECTORY), &escape(start.vassal.bytes())).map_err(std::io::Error::other)?;
    start.memo.write(memo).map_err(std::io::Error::other)?;
    let arranged = systemctl(&["start", "--no-block", "--", &unit(&start.vassal)]);
    if arranged.is_err() {
        memo.next = Next::Restart;
        // A systemd that was only slow begins the wait all the same: it is to find that nobody wants it.
        start.memo.write(memo).map_err(std::io::Error::other)?;
    }
    arranged.map(drop)
}

/// Ends a retry that waits: somebody has started the vassal by hand.
pub fn dismiss(vassal: &VassalName) {
    if let Err(error) = systemctl(&["stop", "--no-block", "--", &unit(vassal)]) {
        line(
            Priority::Warning,
            &format!("cannot stop '{}': {error}", unit(vassal)),
        );
    }
}

/// Waits, and starts the vassal of the unit instance `instance`. Nothing is done when it has been started meanwhile, or is not known. When it is
/// stopped instead, or its file is gone, it is no failed one any more.
///
/// # Errors
/// A record that cannot be read; a systemd that does not do it.
pub fn run(instance: &[u8]) -> Result<(), Failure> {
    let vassal = vassal_of(instance)?;
    let store = match Store::open(Path::new(DIRECTORY), &escape(vassal.bytes())) {
        // The record has gone with the vassal's file: trying that again would never end.
        Err(error) if error.errno == Errno::ENOENT => return Ok(()),
        store => store?,
    };
    let is_wanted = || store.read().next == Next::Retry;
    if !is_wanted() {
        return Ok(());
    }
    let memo = store.read();
    match pause(memo.retry_pause(), &memo.cause, None)? {
        _ if !is_wanted() => Ok(()),
        Pause::Stopped => forget(&store, &vassal),
        Pause::Over if !has_file(&vassal) => {
            line(
                Priority::Notice,
                "the vassal's file is gone; it is not tried again",
            );
            forget(&store, &vassal)
        }
        Pause::Over => start(&store, &vassal),
    }
}

/// Has systemd start the vassal.
fn start(store: &Store, vassal: &VassalName) -> Result<(), Failure> {
    let unit = vassal.unit();
    store.update(|memo| memo.next = Next::Asked)?;
    if systemctl(&["start", "--no-block", "--", &unit]).is_ok() {
        return Ok(());
    }
    let state = systemctl(&["show", "--property=LoadState", "--value", "--", &unit]);
    if state.is_ok_and(|state| state.trim_ascii() == b"masked") {
        return forget(store, vassal);
    }
    // systemd runs this service again.
    store.update(|memo| memo.next = Next::Retry)?;
    Err(Failure::passing(format!("cannot start '{unit}'")))
}

fn forget(store: &Store, vassal: &VassalName) -> Result<(), Failure> {
    store.update(Memo::stopped)?;
    systemctl(&["reset-failed", "--", &vassal.unit()])
        .map(drop)
        .map_err(|error| Failure::passing(error.to_string()))
}

/// Whether the vassal still has a file. What cannot be read is told by the attempt.
fn has_file(vassal: &VassalName) -> bool {
    let emperor = source::read_emperor(Path::new(source::EMPEROR_FILE), &environment());
    emperor.map_or(true, |emperor| source::has_file(&emperor, vassal))
}
