//! How often a vassal has met its limits since it was started, and when it last did. The kernel counts that for a control group
//! (the kernel's Documentation/admin-guide/cgroup-v2.rst), which ends with each run: what ends a run, such as a kill for memory,
//! would be forgotten with it.

use crate::codec::{Reader, Writer};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A limit whose hits the kernel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `MemoryMax=`
    MemoryMax,
    /// `MemoryHigh=`
    MemoryHigh,
    /// Processes that were killed for memory.
    OomKill,
    /// Periods in which `CPUQuota=` was used up.
    Cpu,
    /// Processes and threads that `TasksMax=` has prevented.
    Tasks,
}

impl Limit {
    /// Every one; their places are their numbers in a record.
    pub const ALL: [Limit; 5] = [
        Limit::MemoryMax,
        Limit::MemoryHigh,
        Limit::OomKill,
        Limit::Cpu,
        Limit::Tasks,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Limit::MemoryMax => "memory_max",
            Limit::MemoryHigh => "memory_high",
            Limit::OomKill => "oom_kill",
            Limit::Cpu => "cpu",
            Limit::Tasks => "tasks",
        }
    }

    /// The file of a control group that counts its hits, and the key there.
    pub fn counter(self) -> (&'static str, &'static str) {
        match self {
            Limit::MemoryMax => ("memory.events", "max"),
            Limit::MemoryHigh => ("memory.events", "high"),
            Limit::OomKill => ("memory.events", "oom_kill"),
            Limit::Cpu => ("cpu.stat", "nr_throttled"),
            Limit::Tasks => ("pids.events", "max"),
        }
    }
}

/// What is known of one limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Met {
    /// How often it was met, in all runs.
    pub hits: u32,
    /// What the control group of the present run had counted by then.
    pub counter: u32,
    /// When that was last seen to grow, in whole seconds.
    last: u32,
}

impl Met {
    /// When it was last seen to be met.
    pub fn last(&self) -> Option<SystemTime> {
        (self.last > 0).then(|| UNIX_EPOCH + Duration::from_secs(self.last.into()))
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitHits {
    /// The control group that was counted last, by its inode.
    cgroup: u32,
    met: [Met; Limit::ALL.len()],
}

impl LimitHits {
    /// Takes account of what the control group with the inode `cgroup` has counted until `now`; nothing where it does not count that.
    /// Whether a limit was met since the last time.
    pub fn count(&mut self, cgroup: u64, counters: [Option<u64>; Limit::ALL.len()], now: SystemTime) -> bool {
        let cgroup = cgroup as u32;
        let is_another = self.cgroup != cgroup;
        self.cgroup = cgroup;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut is_news = false;
        for (met, counter) in self.met.iter_mut().zip(counters) {
            if is_another {
                met.counter = 0;
            }
            let counter = counter.map(|counter| u32::try_from(counter).unwrap_or(u32::MAX));
            let counter = counter.unwrap_or(met.counter);
            let more = counter.saturating_sub(met.counter);
            if more > 0 {
                met.hits = met.hits.saturating_add(more);
                met.last = u32::try_from(now).unwrap_or(u32::MAX);
                is_news = true;
            }
            met.counter = counter;
        }
        is_news
    }

    /// Those that were met.
    pub fn met(&self) -> impl Iterator<Item = (Limit, &Met)> {
        let all = Limit::ALL.into_iter().zip(&self.met);
        all.filter(|(_, met)| met.hits > 0)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.number(self.cgroup as i32);
        writer.list(&self.met, |writer, Met { hits, counter, last }| {
            for number in [*hits, *counter, *last] {
                writer.number(number as i32);
            }
        });
    }

    pub(crate) fn read(reader: &mut Reader) -> Option<Self> {
        let cgroup = reader.number()? as u32;
        let met = reader.list(|reader| {
            Some(Met {
                hits: reader.number()? as u32,
                counter: reader.number()? as u32,
                last: reader.number()? as u32,
            })
        })?;
        Some(Self {
            cgroup,
            met: met.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn met(limits: &LimitHits) -> Vec<(&'static str, u32, u32, Option<SystemTime>)> {
        let all = limits.met();
        all.map(|(limit, met)| (limit.word(), met.hits, met.counter, met.last()))
            .collect()
    }

    #[test]
    fn hits_add_up_over_control_groups_and_say_when_they_were_last_seen() {
        let mut limits = LimitHits::default();
        let none = [None, None, None, Some(0), None];
        assert!(!limits.count(7, none, at(1)));
        let some = [Some(0), Some(0), Some(2), Some(5), None];
        assert!(limits.count(7, some, at(2)));
        // The same counters are no news, nor is one that cannot be read any more.
        assert!(!limits.count(7, some, at(3)) && !limits.count(7, [None; 5], at(4)));
        assert_eq!(
            met(&limits),
            [("oom_kill", 2, 2, Some(at(2))), ("cpu", 5, 5, Some(at(2)))]
        );
        // The next run has a control group of its own, which begins to count anew.
        assert!(!limits.count(8, none, at(5)));
        assert!(limits.count(8, [None, None, Some(1), Some(0), Some(u64::MAX)], at(6)));
        let expected = [
            ("oom_kill", 3, 1, Some(at(6))),
            ("cpu", 5, 0, Some(at(2))),
            ("tasks", u32::MAX, u32::MAX, Some(at(6))),
        ];
        assert_eq!(met(&limits), expected);
        let mut writer = Writer::default();
        limits.write(&mut writer);
        assert_eq!(
            LimitHits::read(&mut Reader::new(writer.into_bytes())),
            Some(limits)
        );
    }
}
