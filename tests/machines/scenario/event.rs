//! The journal's structured events of a vassal.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vassal_tests::Machine;

use crate::LIMIT;

/// One entry of the journal.
pub struct Event {
    fields: Vec<(String, String)>,
}

impl Event {
    /// The value of a field; empty when it has none of that name.
    pub fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// When the journal got it.
    pub fn time(&self) -> SystemTime {
        let micros = self.field("__REALTIME_TIMESTAMP").parse().unwrap();
        UNIX_EPOCH + Duration::from_micros(micros)
    }
}

/// The entries with a field of that value, oldest first.
pub fn events(machine: &Machine, matches: &str) -> Vec<Event> {
    machine.must(&["journalctl", "--sync"]);
    let export = machine.must(&["journalctl", "--quiet", "--output=export", matches]);
    let parse = |entry: &str| {
        let field = |line: &str| {
            line.split_once('=')
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        Event {
            fields: entry.lines().filter_map(field).collect(),
        }
    };
    export
        .split("\n\n")
        .filter(|entry| !entry.is_empty())
        .map(parse)
        .collect()
}

/// Waits for the event in which the watchdog gives its verdict on user001's mountpoint.
pub fn wait_for_verdict(machine: &Machine, verdict: &str) -> Event {
    let wanted = format!("VASSAL_VERDICT={verdict}");
    let mut found = machine.wait_for(&format!("{wanted} in the journal"), LIMIT, || {
        let found = events(machine, &wanted);
        if found.is_empty() { Err("none") } else { Ok(found) }
    });
    assert_eq!(found.len(), 1, "one loss, one event\n{}", machine.state());
    found.remove(0)
}
