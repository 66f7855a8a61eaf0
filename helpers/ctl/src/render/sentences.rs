//! Short descriptions of a vassal's facts.

use super::amounts::time;
use crate::running::hits::{Hit, Hits};
use crate::running::record::{Check, Mount};

/// The note on a vassal on demand that does not run.
pub const ON_DEMAND: &str = "waiting for its first connection";

/// The verdict on a mountpoint, and how long ago it last answered: `/app healthy 0.4s`.
pub fn mount(mount: &Mount, now: u64) -> String {
    let age = mount.answered_usec.map(|when| time(now.saturating_sub(when)));
    let words = [Some(mount.path.clone()), Some(mount.verdict.clone()), age];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The failures of the app's health check; `None` if there are none: `failing 2x`.
pub fn failing(check: &Check) -> Option<String> {
    check
        .is_bad()
        .then(|| format!("{} {}x", check.verdict, check.failures))
}

/// The app's health, and how long ago it last answered well: `healthy 3.1s`.
pub fn check(check: &Check, now: u64) -> String {
    let age = check.answered_usec.map(|when| time(now.saturating_sub(when)));
    let word = failing(check).unwrap_or_else(|| check.verdict.clone());
    [Some(word), age]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The limits that were met: `MemoryMax= 4x 3m ago`, how long ago it last was.
pub fn hits(hits: &Hits, now: u64) -> impl Iterator<Item = String> {
    let limits = [
        ("killed for memory", hits.oom_kills),
        ("MemoryMax=", hits.memory_max),
        ("MemoryHigh=", hits.memory_high),
        ("CPUQuota=", hits.cpu_throttled),
        ("TasksMax=", hits.tasks),
    ];
    let met = limits.into_iter();
    met.filter_map(move |(name, hit)| {
        let Hit { count, last_usec } = hit.filter(|hit| hit.count > 0)?;
        let ago = last_usec.map(|last| format!(" {} ago", time(now.saturating_sub(last))));
        Some(format!("{name} {count}x{}", ago.unwrap_or_default()))
    })
}
