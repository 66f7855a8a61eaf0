//! Reports data loss of the previous run. vassal-watchdog lists filesystems with unsaved data in the restart record,
//! and clears the list when it has unmounted them in order or has reported their loss. So a list that is not empty at a
//! start means that the previous run was killed.

use crate::failure::Failure;
use crate::invocation::Invocation;
use vassal_systemd::events::UNSAVED;
use vassal_systemd::journal::{Event, Priority};

/// Reports a loss, once.
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
    // These fields are set here because this process may have ended when journald reads the event (see
    // `Reporter::event` in vassal-watchdog).
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
