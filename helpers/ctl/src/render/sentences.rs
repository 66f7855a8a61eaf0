//! Short descriptions of a vassal's facts.

use super::amounts::time;
use crate::running::cgroup::Hits;
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

/// The limits that were reached: `MemoryMax= 4x`.
pub fn hits(hits: &Hits) -> impl Iterator<Item = String> {
    let limits = [
        ("killed for memory", hits.oom_kills),
        ("MemoryMax=", hits.memory_max),
        ("MemoryHigh=", hits.memory_high),
        ("CPUQuota=", hits.cpu_throttled),
        ("TasksMax=", hits.tasks),
    ];
    let met = limits.into_iter();
    met.filter_map(|(name, count)| Some(format!("{name} {}x", count.filter(|count| *count > 0)?)))
}
