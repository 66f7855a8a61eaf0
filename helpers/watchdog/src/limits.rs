//! How often the vassal has met its limits, as its control group counts it. Read when the health record is written, and never else.

use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use std::time::SystemTime;
use vassal_state::limit_hits::{Limit, LimitHits};
use vassal_sys::proc::Proc;

/// The unified hierarchy below the host's proc.
const HIERARCHY: &str = "1/root/sys/fs/cgroup";

/// Adds what the control group at `path` has counted until `now` to what is known of `limits`. Whether one was met since the last time.
pub fn count(limits: &mut LimitHits, host_proc: &Proc, path: &str, now: SystemTime) -> bool {
    let place = format!("{HIERARCHY}{path}");
    // Without one there is nothing to count.
    let Ok(cgroup) = fstatat(host_proc, place.as_str(), AtFlags::empty()) else {
        return false;
    };
    let mut counters = [None; Limit::ALL.len()];
    let mut file = ("", None);
    for (limit, counter) in Limit::ALL.into_iter().zip(&mut counters) {
        let (name, key) = limit.counter();
        if file.0 != name {
            file = (name, host_proc.text(&format!("{place}/{name}")));
        }
        *counter = file.1.as_deref().and_then(|text| value(text, key));
    }
    limits.count(cgroup.st_ino, counters, now)
}

/// The value of `key` in a file of lines of keys and values.
fn value(text: &str, key: &str) -> Option<u64> {
    let values = text.lines().filter_map(|line| line.split_once(' '));
    let mut values = values.filter(|(name, _)| *name == key);
    values.next()?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let text = "low 0\nhigh 3\nmax 4\noom 1\noom_kill 2\n";
        let found = ["max", "oom_kill", "oom", "kill"].map(|key| value(text, key));
        assert_eq!(found, [Some(4), Some(2), Some(1), None]);
    }
}
