//! How often a vassal has met its limits, and when it last did: what its control group has counted since the health record was written,
//! on top of what that has kept of all runs.

use serde::Deserialize;

/// One limit's hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// How many, since the vassal was started.
    pub count: u64,
    /// When there was one, in microseconds since the epoch, as far as that is known: the record looks every 30 s at least.
    pub last_usec: Option<u64>,
}

/// The hits of all limits; nothing where they are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// It was slowed down at `MemoryHigh=`.
    pub memory_high: Option<Hit>,
    /// It was at `MemoryMax=`.
    pub memory_max: Option<Hit>,
    /// Processes that were killed for that.
    pub oom_kills: Option<Hit>,
    /// Periods in which it had used up `CPUQuota=`.
    pub cpu_throttled: Option<Hit>,
    /// For how long it stood still for that in this run, in microseconds.
    pub cpu_throttled_usec: Option<u64>,
    /// Processes that could not be made because of `TasksMax=`.
    pub tasks: Option<Hit>,
}

/// What a health record has of one limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Met {
    /// Which.
    pub limit: String,
    /// How often it was met in all runs.
    pub hits: u64,
    /// What of that the present control group had counted.
    pub counter: u64,
    /// When it was last seen to be met.
    pub last_usec: Option<u64>,
}

impl Hits {
    /// These, which the control group has counted until `now`, with those of the runs before; `met` is what the health record says of
    /// them, if it is one that does.
    pub fn of_all_runs(self, met: Option<&[Met]>, now: u64) -> Self {
        let Some(met) = met else { return self };
        let sum = |counted: Option<Hit>, word: &str| {
            let before = met.iter().find(|each| each.limit == word);
            if counted.is_none() && before.is_none() {
                return None;
            }
            let before = before.cloned().unwrap_or_default();
            let counted = counted.map_or(before.counter, |hit| hit.count);
            let more = counted.saturating_sub(before.counter);
            Some(Hit {
                count: before.hits + more,
                last_usec: if more > 0 { Some(now) } else { before.last_usec },
            })
        };
        Self {
            memory_high: sum(self.memory_high, "memory_high"),
            memory_max: sum(self.memory_max, "memory_max"),
            oom_kills: sum(self.oom_kills, "oom_kill"),
            cpu_throttled: sum(self.cpu_throttled, "cpu"),
            cpu_throttled_usec: self.cpu_throttled_usec,
            tasks: sum(self.tasks, "tasks"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(oom_kills: Option<u64>) -> Hits {
        let hit = |count| Hit {
            count,
            last_usec: None,
        };
        Hits {
            oom_kills: oom_kills.map(hit),
            ..Hits::default()
        }
    }

    #[test]
    fn hits_of_runs_that_have_ended_count_and_the_latest_one_says_when() {
        let met = Met {
            limit: "oom_kill".into(),
            hits: 5,
            counter: 2,
            last_usec: Some(7),
        };
        let cases = [
            // The next run has counted none, or those that the record knows, or another one.
            (Some(0), std::slice::from_ref(&met), Some((5, Some(7)))),
            (Some(2), std::slice::from_ref(&met), Some((5, Some(7)))),
            (Some(3), std::slice::from_ref(&met), Some((6, Some(99)))),
            // It does not run.
            (None, std::slice::from_ref(&met), Some((5, Some(7)))),
            (Some(1), &[], Some((1, Some(99)))),
            (Some(0), &[], Some((0, None))),
            (None, &[], None),
        ];
        for (now, met, expected) in cases {
            let found = counted(now).of_all_runs(Some(met), 99).oom_kills;
            assert_eq!(
                found.map(|hit| (hit.count, hit.last_usec)),
                expected,
                "{now:?} {met:?}"
            );
        }
        // A record of an earlier version does not know when.
        assert_eq!(counted(Some(4)).of_all_runs(None, 99), counted(Some(4)));
    }
}
