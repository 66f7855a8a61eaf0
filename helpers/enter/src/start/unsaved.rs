//! What the run before this one has lost. vassal-watchdog notes in the restart record which filesystems hold unsaved data, and
//! removes the note when it has unmounted them in order or reported their end. So a record that is not empty at a start means
//! that the run before was killed.

use crate::failure::Failure;
use crate::invocation::Invocation;
use vassal_systemd::events::UNSAVED;
use vassal_systemd::journal::{Event, Priority};

/// Reports it, once.
///
/// # Errors
/// When the record cannot be written.
pub fn report(invocation: &Invocation) -> Result<(), Failure> {
    let unsaved = invocation.record.read().unsaved;
    if unsaved.is_empty() {
        return Ok(());
    }
    let (vassal, unit) = (invocation.display_name(), invocation.vassal.unit());
    let paths: Vec<&str> = unsaved.lines().collect();
    let message = format!(
        "{vassal}: the run before this one was killed: what was written to '{}' and not saved is lost",
        paths.join("', '")
    );
    // This process may be gone when journald reads this (see `Reporter::event` of vassal-watchdog).
    let mut fields = vec![
        ("VASSAL", vassal.as_str()),
        ("OBJECT_SYSTEMD_UNIT", unit.as_str()),
    ];
    fields.extend(paths.iter().map(|path| ("VASSAL_MOUNTPOINT", *path)));
    invocation.journal.write(&Event {
        priority: Priority::Warning,
        id: UNSAVED,
        message: &message,
        fields: &fields,
    });
    invocation.record.update(|record| record.unsaved.clear())?;
    Ok(())
}
