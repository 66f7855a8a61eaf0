//! Writes the health record while no watchdog does: during a start, in a pause, after a failure.

use std::path::Path;
use std::time::SystemTime;
use vassal_config::emperor::name::VassalName;
use vassal_escape::unit_name::escape;
use vassal_state::health::{Health, Place, forget};
use vassal_state::restart_record::DIRECTORY;
use vassal_systemd::journal::{Priority, log};

/// The place of the record. Nothing depends on the record, so a failure is only logged and the vassal runs without one.
pub fn place(vassal: &VassalName) -> Option<Place> {
    let made = Place::make(Path::new(DIRECTORY), &escape(vassal.bytes()));
    made.inspect_err(|error| log(Priority::Warning, &format!("{error}, ignoring")))
        .ok()
}

/// Writes the record, if there is a place for it.
pub fn put(place: Option<&Place>, record: &Health) {
    let written = place.and_then(|place| place.put(&record.json(SystemTime::now())));
    if let Some(error) = written {
        log(Priority::Warning, &format!("{error}, ignoring"));
    }
}

/// Removes the record of a vassal that neither runs nor is about to.
pub fn remove(place: Option<&Place>) {
    if let Some(Err(error)) = place.map(Place::remove) {
        log(Priority::Warning, &format!("{error}, ignoring"));
    }
}

/// Removes the record of a vassal of which only the name is known.
pub fn remove_of(vassal: &VassalName) {
    if let Err(error) = forget(Path::new(DIRECTORY), &escape(vassal.bytes())) {
        log(Priority::Warning, &format!("{error}, ignoring"));
    }
}
