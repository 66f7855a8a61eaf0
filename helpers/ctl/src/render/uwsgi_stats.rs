//! Statistics with the keys of uWSGI's Emperor (EMP-26), and the keys of `vassalctl list --json` for each vassal beside
//! them. Times are in seconds since the epoch. Values that vassal does not have are 0.

use super::vassal_json::{SCHEMA, Shown};
use crate::running::fleet::Vassal;
use crate::state::State;
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;
use vassal_escape::printable;

/// `{"version": "...", "vassals": [...], "blacklist": [...]}`
#[derive(Debug, Serialize)]
pub struct Stats<'a> {
    schema: u32,
    version: &'static str,
    pid: u32,
    uid: u32,
    gid: u32,
    cwd: &'static str,
    emperor: Vec<String>,
    emperor_tyrant: u32,
    throttle_level: u32,
    vassals: Vec<One<'a>>,
    blacklist: Vec<Throttled>,
}

/// A vassal.
#[derive(Debug, Serialize)]
struct One<'a> {
    id: String,
    pid: u64,
    born: u64,
    last_mod: u64,
    last_heartbeat: u64,
    loyal: u32,
    ready: u32,
    accepting: u32,
    last_loyal: u64,
    last_ready: u64,
    last_accepting: u64,
    first_run: u64,
    last_run: u64,
    cursed: u64,
    zerg: u32,
    on_demand: String,
    uid: u32,
    gid: u32,
    monitor: String,
    respawns: u64,
    #[serde(flatten)]
    shown: Shown<'a>,
}

/// A vassal that waits for its next attempt.
#[derive(Debug, Serialize)]
struct Throttled {
    id: String,
    throttle_level: u64,
    attempt: u64,
    first_attempt: u64,
    last_attempt: u64,
}

impl<'a> Stats<'a> {
    /// The statistics of `vassals` at `now`; `places` are those of emperor.ini.
    pub fn new(places: Vec<String>, vassals: &[&'a Vassal], now: u64) -> Self {
        let throttled = vassals.iter().filter(|vassal| vassal.state.is_bad());
        Self {
            schema: SCHEMA,
            version: concat!("vassal ", env!("CARGO_PKG_VERSION")),
            // Their parent is systemd.
            pid: 1,
            uid: 0,
            gid: 0,
            cwd: "/",
            emperor: places,
            emperor_tyrant: 0,
            throttle_level: 0,
            vassals: vassals.iter().map(|vassal| One::new(vassal, now)).collect(),
            blacklist: throttled.map(|vassal| Throttled::new(vassal, now)).collect(),
        }
    }
}

/// uWSGI identifies a vassal by its file.
fn id(vassal: &Vassal) -> String {
    format!("{}.ini", vassal.name)
}

impl<'a> One<'a> {
    fn new(vassal: &'a Vassal, now: u64) -> Self {
        let record = &vassal.record;
        let since = record.since_usec.map_or(0, seconds);
        let serves = matches!(vassal.state, State::Serving | State::Reloading);
        let served = if serves { since } else { 0 };
        let file = vassal.file.as_ref();
        let modified = file.and_then(|file| Some(file.dates?.modified));
        let place = file.and_then(|file| file.path.parent());
        Self {
            id: id(vassal),
            pid: record.pid.unwrap_or_default(),
            born: since,
            last_mod: modified.unwrap_or_default(),
            last_heartbeat: 0,
            loyal: serves.into(),
            ready: serves.into(),
            accepting: serves.into(),
            last_loyal: served,
            last_ready: served,
            last_accepting: served,
            first_run: since,
            last_run: since,
            cursed: if vassal.state == State::Stopping { since } else { 0 },
            zerg: 0,
            on_demand: vassal.on_demand.clone().unwrap_or_default(),
            uid: 0,
            gid: 0,
            monitor: place.map_or_else(String::new, |place| printable(place.as_os_str().as_bytes())),
            respawns: record.restarts,
            shown: Shown::new(vassal, now),
        }
    }
}

impl Throttled {
    fn new(vassal: &Vassal, now: u64) -> Self {
        let record = &vassal.record;
        let left = record
            .next_attempt_usec
            .map_or(0, |next| next.saturating_sub(now));
        Self {
            id: id(vassal),
            throttle_level: left / 1000,
            attempt: record.attempts,
            first_attempt: 0,
            last_attempt: record.since_usec.map_or(0, seconds),
        }
    }
}

fn seconds(usec: u64) -> u64 {
    usec / 1_000_000
}
