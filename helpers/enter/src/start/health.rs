//! The health record as long as there is no watchdog that keeps it: a start, a pause, a failure.

use crate::invocation::Start;
use std::path::Path;
use std::time::SystemTime;
use vassal_config::emperor::name::{VassalName, escape};
use vassal_state::health::{Health, Place, State, forget};
use vassal_state::restart_record::{DIRECTORY, RestartRecord};
use vassal_systemd::journal::{Priority, log};

/// The record's place. Nothing depends on the record, so a vassal whose record cannot be kept runs without one.
pub fn place(vassal: &VassalName) -> Option<Place> {
    let made = Place::make(Path::new(DIRECTORY), &escape(vassal.bytes()));
    made.inspect_err(|error| log(Priority::Warning, &format!("{error}, ignoring")))
        .ok()
}

/// How far the vassal is, and what its restart record says of earlier runs.
pub fn put(start: &Start, state: State, restarts: &RestartRecord, next_attempt: Option<SystemTime>) {
    let Some(place) = &start.health else { return };
    let record = Health {
        restarts: restarts.restarts,
        attempts: restarts.attempts,
        cause: restarts.cause.clone(),
        next_attempt,
        ..Health::new(start.shown_name(), start.vassal.unit(), state)
    };
    if let Some(error) = place.put(&record.json(SystemTime::now())) {
        log(Priority::Warning, &format!("{error}, ignoring"));
    }
}

/// The vassal does not run, and is not about to: no record says that it does.
pub fn remove(place: Option<&Place>) {
    if let Some(Err(error)) = place.map(Place::remove) {
        log(Priority::Warning, &format!("{error}, ignoring"));
    }
}

/// The same where this program has only its name.
pub fn remove_of(vassal: &VassalName) {
    if let Err(error) = forget(Path::new(DIRECTORY), &escape(vassal.bytes())) {
        log(Priority::Warning, &format!("{error}, ignoring"));
    }
}
