//! What was read of a vassal, in a few words.

use super::amounts::time;
use crate::running::hits::{Hit, Hits};
use crate::running::record::{Check, Mount};

/// What is said of a vassal that does not run, and whose first connection starts it.
pub const ON_DEMAND: &str = "waiting for its first connection";

/// `/app healthy 0.4s`: what a mountpoint said, and how long ago.
pub fn mount(mount: &Mount, now: u64) -> String {
    let age = mount.answered_usec.map(|when| time(now.saturating_sub(when)));
    let words = [Some(mount.path.clone()), Some(mount.verdict.clone()), age];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `failing 2x`: what the app said of its health when it was last asked, where that is not good.
pub fn failing(check: &Check) -> Option<String> {
    check
        .is_bad()
        .then(|| format!("{} {}x", check.verdict, check.failures))
}

/// `healthy 3.1s`: what it said, and how long ago it was well.
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
