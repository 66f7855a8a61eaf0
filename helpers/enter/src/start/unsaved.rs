//! What the run before this one has lost: vassal-watchdog keeps in the restart record which filesystems hold what is not
//! saved, and takes it out when it has ended them in order or told of their end. What is left there is news: somebody has
//! killed it.

use crate::failure::Failure;
use crate::invocation::Start;
use vassal_systemd::events::UNSAVED;
use vassal_systemd::journal::{Event, Priority};

/// Tells of it, once.
///
/// # Errors
/// When the record cannot be written.
pub fn tell(start: &Start) -> Result<(), Failure> {
    let unsaved = start.record.read().unsaved;
    if unsaved.is_empty() {
        return Ok(());
    }
    let (vassal, unit) = (start.shown_name(), start.vassal.unit());
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
    start.journal.write(&Event {
        priority: Priority::Warning,
        id: UNSAVED,
        message: &message,
        fields: &fields,
    });
    start.record.update(|record| record.unsaved.clear())?;
    Ok(())
}
