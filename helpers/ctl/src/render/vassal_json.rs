//! The JSON of a vassal, which `list`, `status` and `stats` share (vassalctl(8), JSON).

use super::amounts::rfc3339;
use crate::running::fleet::Vassal;
use crate::running::hits::{self, Hit};
use serde::Serialize;

/// The `schema` of these objects. It is raised when a field is removed or changes its meaning, not when one is added.
pub const SCHEMA: u32 = 1;

/// `{"schema": 1, "vassals": [...]}`
#[derive(Debug, Serialize)]
pub struct Vassals<'a> {
    schema: u32,
    vassals: Vec<Shown<'a>>,
}

impl<'a> Vassals<'a> {
    /// The JSON of `vassals` at `now`.
    pub fn new(vassals: impl Iterator<Item = &'a Vassal>, now: u64) -> Self {
        Self {
            schema: SCHEMA,
            vassals: vassals.map(|vassal| Shown::new(vassal, now)).collect(),
        }
    }
}

/// A vassal.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    name: &'a str,
    unit: String,
    state: &'static str,
    health: &'static str,
    marks: Vec<&'static str>,
    since: Option<String>,
    since_seconds: Option<f64>,
    check: Option<Check<'a>>,
    mounts: Vec<Mount<'a>>,
    restarts: u64,
    attempts: u64,
    cause: Option<&'a str>,
    next_attempt: Option<String>,
    sockets: &'a [String],
    file: Option<String>,
    loaded: Option<String>,
    version: Option<&'a str>,
    memory_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    tasks: Option<u64>,
    io_read_bytes: Option<u64>,
    io_written_bytes: Option<u64>,
    io_waited_seconds: Option<f64>,
    limits: Limits,
    hits: Hits,
}

#[derive(Debug, Serialize)]
struct Mount<'a> {
    path: &'a str,
    #[serde(rename = "type")]
    fstype: &'a str,
    verdict: &'a str,
    answered: Option<String>,
    age_seconds: Option<f64>,
    took_seconds: Option<f64>,
    deadline_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Check<'a> {
    verdict: &'a str,
    failures: u64,
    answered: Option<String>,
    age_seconds: Option<f64>,
    took_seconds: Option<f64>,
    deadline_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Limits {
    memory_max_bytes: Option<u64>,
    memory_high_bytes: Option<u64>,
    cpus: Option<f64>,
    tasks: Option<u64>,
    io_read_bytes_per_second: Option<u64>,
    io_written_bytes_per_second: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Hits {
    memory_max: Option<u64>,
    memory_high: Option<u64>,
    oom_kills: Option<u64>,
    cpu_throttled: Option<u64>,
    cpu_throttled_seconds: Option<f64>,
    tasks: Option<u64>,
    last: LastHits,
}

/// When each limit was last met.
#[derive(Debug, Serialize)]
struct LastHits {
    memory_max: Option<String>,
    memory_high: Option<String>,
    oom_kills: Option<String>,
    cpu_throttled: Option<String>,
    tasks: Option<String>,
}

impl<'a> Shown<'a> {
    /// The JSON of `vassal` at `now`.
    pub fn new(vassal: &'a Vassal, now: u64) -> Self {
        let record = &vassal.record;
        let since = record.since_usec;
        let next_attempt = record.next_attempt_usec.filter(|_| vassal.state.is_bad());
        Self {
            name: &vassal.name,
            unit: vassal.unit(),
            state: vassal.state.word(),
            health: vassal.health.word(),
            marks: vassal.marks.iter().map(|mark| mark.word()).collect(),
            since: since.map(rfc3339),
            since_seconds: since.map(|since| seconds(now.saturating_sub(since))),
            check: record.check.as_ref().map(|check| Check::new(check, now)),
            mounts: record.mounts.iter().map(|mount| Mount::new(mount, now)).collect(),
            restarts: record.restarts,
            attempts: record.attempts,
            cause: record.cause.as_deref(),
            next_attempt: next_attempt.map(rfc3339),
            sockets: &record.sockets,
            file: vassal
                .file
                .as_ref()
                .map(|file| crate::reading::finding::shown(&file.path)),
            loaded: record.loaded_usec.map(rfc3339),
            version: record.program.as_ref().map(|program| program.version.as_str()),
            memory_bytes: vassal.usage.memory,
            cpu_seconds: vassal.usage.cpu_usec.map(seconds),
            tasks: vassal.usage.tasks,
            io_read_bytes: vassal.usage.io.map(|(read, _)| read),
            io_written_bytes: vassal.usage.io.map(|(_, written)| written),
            io_waited_seconds: vassal.usage.io_waited_usec.map(seconds),
            limits: Limits {
                memory_max_bytes: vassal.limits.memory_max,
                memory_high_bytes: vassal.limits.memory_high,
                cpus: vassal.limits.cpus,
                tasks: vassal.limits.tasks,
                io_read_bytes_per_second: vassal.limits.io_read,
                io_written_bytes_per_second: vassal.limits.io_write,
            },
            hits: Hits::new(&vassal.hits),
        }
    }
}

impl Hits {
    fn new(hits: &hits::Hits) -> Self {
        let count = |hit: Option<Hit>| hit.map(|hit| hit.count);
        let last = |hit: Option<Hit>| hit?.last_usec.map(rfc3339);
        Self {
            memory_max: count(hits.memory_max),
            memory_high: count(hits.memory_high),
            oom_kills: count(hits.oom_kills),
            cpu_throttled: count(hits.cpu_throttled),
            cpu_throttled_seconds: hits.cpu_throttled_usec.map(seconds),
            tasks: count(hits.tasks),
            last: LastHits {
                memory_max: last(hits.memory_max),
                memory_high: last(hits.memory_high),
                oom_kills: last(hits.oom_kills),
                cpu_throttled: last(hits.cpu_throttled),
                tasks: last(hits.tasks),
            },
        }
    }
}

impl<'a> Check<'a> {
    fn new(check: &'a crate::running::record::Check, now: u64) -> Self {
        Self {
            verdict: &check.verdict,
            failures: check.failures,
            answered: check.answered_usec.map(rfc3339),
            age_seconds: check.answered_usec.map(|when| seconds(now.saturating_sub(when))),
            took_seconds: check.took_usec.map(seconds),
            deadline_seconds: check.deadline_usec.map(seconds),
        }
    }
}

impl<'a> Mount<'a> {
    fn new(mount: &'a crate::running::record::Mount, now: u64) -> Self {
        Self {
            path: &mount.path,
            fstype: &mount.fstype,
            verdict: &mount.verdict,
            answered: mount.answered_usec.map(rfc3339),
            age_seconds: mount.answered_usec.map(|when| seconds(now.saturating_sub(when))),
            took_seconds: mount.took_usec.map(seconds),
            deadline_seconds: mount.deadline_usec.map(seconds),
        }
    }
}

/// Converts microseconds to seconds.
pub fn seconds(usec: u64) -> f64 {
    usec as f64 / 1e6
}
