//! What a unit uses, and which limits it has reached, from its cgroup (the kernel's
//! Documentation/admin-guide/cgroup-v2.rst).

use super::hits::{Hit, Hits};
use super::small_files::Directory;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The mountpoint of the unified hierarchy.
const HIERARCHY: &str = "sys/fs/cgroup";

/// The machine's cgroup hierarchy.
#[derive(Debug)]
pub struct Hierarchy {
    place: PathBuf,
    root: Option<Directory>,
    proc: Option<Directory>,
    has_cpu: bool,
    has_memory: bool,
    has_pids: bool,
    has_io: bool,
    page: u64,
}

/// The resources that a unit uses. `None` where its cgroup does not count them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory. Without the memory controller: the sum of its processes' resident pages, with shared pages
    /// counted for each process.
    pub memory: Option<u64>,
    /// Processor time in microseconds.
    pub cpu_usec: Option<u64>,
    /// The number of processes and threads; without the controller that of processes.
    pub tasks: Option<u64>,
    /// Bytes read from and written to disks.
    pub io: Option<(u64, u64)>,
    /// Microseconds for which one of its processes at least has waited for disks, at a limit or without one.
    pub io_waited_usec: Option<u64>,
}

/// The limits of a unit; `None` for no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// `MemoryMax=`
    pub memory_max: Option<u64>,
    /// `MemoryHigh=`
    pub memory_high: Option<u64>,
    /// `CPUQuota=`, as a fraction of one processor.
    pub cpus: Option<f64>,
    /// `TasksMax=`
    pub tasks: Option<u64>,
    /// `IOReadBandwidthMax=`, of the device that has the least.
    pub io_read: Option<u64>,
    /// `IOWriteBandwidthMax=` of the device that has the least.
    pub io_write: Option<u64>,
}

/// How much is read about a unit. Each file costs as much as everything else that is done for the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What a line of a list needs.
    Line,
    /// Everything.
    Full,
}

/// A unit's cgroup that contains processes.
#[derive(Debug)]
pub struct Cgroup<'a> {
    hierarchy: &'a Hierarchy,
    directory: Directory,
    /// Whether the expected main process is among them.
    pub has_main: bool,
    /// Their numbers; used where the kernel does not count processes and memory.
    processes: Vec<u32>,
}

impl Hierarchy {
    /// The hierarchy of the machine at `root`.
    pub fn of(root: &Path) -> Self {
        let hierarchy = root.join(HIERARCHY);
        let controllers = std::fs::read_to_string(hierarchy.join("cgroup.controllers")).unwrap_or_default();
        let has = |name: &str| controllers.split_whitespace().any(|each| each == name);
        Self {
            proc: Directory::open(&root.join("proc")),
            has_cpu: has("cpu"),
            has_memory: has("memory"),
            has_pids: has("pids"),
            has_io: has("io"),
            page: page_size(),
            root: Directory::open(&hierarchy),
            place: hierarchy,
        }
    }

    /// The units in `slice` and in its child slices, with their paths.
    pub fn units(&self, slice: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let directory = self.place.join(relative(slice));
        let entries = directory.read_dir().into_iter().flatten().flatten();
        for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            let path = format!("{slice}/{name}");
            match name.rsplit_once('.') {
                Some((_, "slice")) => found.extend(self.units(&path)),
                Some((_, "service")) => found.extend([(name, path)]),
                _ => {}
            }
        }
        found
    }

    /// The cgroup at `path`; `None` if it does not exist or contains no process. `main` is the expected main process.
    /// If that exists and the kernel has all counters, the processes are not listed.
    pub fn cgroup(&self, path: &str, main: Option<u64>) -> Option<Cgroup<'_>> {
        let directory = self.root.as_ref()?.below(relative(path))?;
        let is_counted = self.has_memory && self.has_pids && main.is_some_and(|main| self.is_there(main));
        let processes = match is_counted {
            true => Vec::new(),
            false => processes(&directory),
        };
        let has_main = is_counted || processes.iter().any(|pid| Some(u64::from(*pid)) == main);
        (is_counted || !processes.is_empty()).then_some(Cgroup {
            hierarchy: self,
            directory,
            has_main,
            processes,
        })
    }

    /// The processes in the cgroup at `path`.
    pub fn processes(&self, path: &str) -> Vec<u32> {
        let directory = self.root.as_ref().and_then(|root| root.below(relative(path)));
        directory.as_ref().map(processes).unwrap_or_default()
    }

    fn is_there(&self, pid: u64) -> bool {
        self.proc.as_ref().is_some_and(|proc| proc.has(&pid.to_string()))
    }

    /// The resident bytes of a process.
    fn resident(&self, pid: u32) -> u64 {
        let pages = |statm: &str| statm.split_whitespace().nth(1)?.parse::<u64>().ok();
        let proc = self.proc.as_ref();
        let pages = proc.and_then(|proc| proc.text(&format!("{pid}/statm"), pages));
        pages.unwrap_or(0) * self.page
    }
}

fn processes(directory: &Directory) -> Vec<u32> {
    directory.text("cgroup.procs", |text| {
        text.lines().filter_map(|line| line.parse().ok()).collect()
    })
}

/// The path of a cgroup relative to the hierarchy.
fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

impl Cgroup<'_> {
    /// Reads usage and reached limits; each file is read once.
    pub fn counts(&self, detail: Detail) -> (Usage, Hits) {
        let Hierarchy {
            has_memory,
            has_pids,
            has_io,
            ..
        } = self.hierarchy;
        let cpu = ["usage_usec", "nr_throttled", "throttled_usec"];
        let [cpu_usec, cpu_throttled, cpu_throttled_usec] = self.values("cpu.stat", cpu);
        let [memory_high, memory_max, oom_kills] = match has_memory {
            true => self.values("memory.events", ["high", "max", "oom_kill"]),
            false => [None; 3],
        };
        let usage = Usage {
            memory: match has_memory {
                true => self.number("memory.current"),
                false => Some(
                    self.processes
                        .iter()
                        .map(|pid| self.hierarchy.resident(*pid))
                        .sum(),
                ),
            },
            cpu_usec,
            tasks: match (has_pids, detail) {
                (true, Detail::Full) => self.number("pids.current"),
                (true, Detail::Line) => None,
                (false, _) => Some(self.processes.len() as u64),
            },
            io: (*has_io && detail == Detail::Full).then(|| self.io()),
            io_waited_usec: match detail {
                Detail::Full if *has_io => self.io_waited(),
                Detail::Full | Detail::Line => None,
            },
        };
        let hit = |count: Option<u64>| {
            let last_usec = None;
            count.map(|count| Hit { count, last_usec })
        };
        let hits = Hits {
            memory_high: hit(memory_high),
            memory_max: hit(memory_max),
            oom_kills: hit(oom_kills),
            cpu_throttled: hit(cpu_throttled),
            cpu_throttled_usec,
            tasks: hit(has_pids.then(|| self.values("pids.events", ["max"])[0]).flatten()),
        };
        (usage, hits)
    }

    /// Reads the limits.
    pub fn limits(&self) -> Limits {
        let Hierarchy {
            has_cpu,
            has_memory,
            has_pids,
            has_io,
            ..
        } = self.hierarchy;
        let limit = |file, is_counted: bool| is_counted.then(|| self.number(file)).flatten();
        let cpu = |text: &str| {
            let mut words = text.split_whitespace().map(|word| word.parse::<f64>().ok());
            match (words.next()??, words.next()??) {
                (quota, period) if period > 0.0 => Some(quota / period),
                _ => None,
            }
        };
        Limits {
            memory_max: limit("memory.max", *has_memory),
            memory_high: limit("memory.high", *has_memory),
            cpus: has_cpu.then(|| self.directory.text("cpu.max", cpu)).flatten(),
            tasks: limit("pids.max", *has_pids),
            io_read: has_io.then(|| self.least_io("rbps=")).flatten(),
            io_write: has_io.then(|| self.least_io("wbps=")).flatten(),
        }
    }

    fn io(&self) -> (u64, u64) {
        self.directory.text("io.stat", |text| {
            let sum = |key: &str| {
                let words = text.split_whitespace().filter_map(|word| word.strip_prefix(key));
                words.filter_map(|value| value.parse::<u64>().ok()).sum()
            };
            (sum("rbytes="), sum("wbytes="))
        })
    }

    /// The first line says how long any of its processes has waited, and the last word of it for how long in all.
    fn io_waited(&self) -> Option<u64> {
        self.directory.text("io.pressure", |text| {
            let some = text.lines().find(|line| line.starts_with("some "))?;
            some.rsplit_once("total=")?.1.trim().parse().ok()
        })
    }

    /// The least limit of any device. What has none says 'max'.
    fn least_io(&self, key: &str) -> Option<u64> {
        self.directory.text("io.max", |text| {
            let words = text.split_whitespace().filter_map(|word| word.strip_prefix(key));
            words.filter_map(|value| value.parse().ok()).min()
        })
    }

    fn number(&self, file: &str) -> Option<u64> {
        // 'max', which means no limit, is not a number.
        self.directory.text(file, |text| text.trim().parse().ok())
    }

    fn values<const N: usize>(&self, file: &str, keys: [&str; N]) -> [Option<u64>; N] {
        self.directory.text(file, |text| {
            let mut values = [None; N];
            for (key, value) in pairs(text) {
                if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
                    values[place] = Some(value);
                }
            }
            values
        })
    }
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, value.trim().parse().ok()?))
    })
}

/// The size of a page (getauxval(3), AT_PAGESZ).
fn page_size() -> u64 {
    const WORD: usize = size_of::<usize>();
    const PAGE_SIZE: usize = 6;
    let auxiliary = std::fs::read("/proc/self/auxv").unwrap_or_default();
    let word = |bytes: &[u8]| bytes.try_into().map(usize::from_ne_bytes).unwrap_or(0);
    let mut entries = auxiliary.chunks_exact(2 * WORD);
    let entry = entries.find(|entry| word(&entry[..WORD]) == PAGE_SIZE);
    entry.map_or(4096, |entry| word(&entry[WORD..]) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(HIERARCHY).join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_unit_says_what_it_uses_may_use_and_how_often_it_met_a_limit() {
        let root = machine(&[
            ("cgroup.controllers", "cpu io memory pids\n"),
            ("v/cgroup.procs", "4\n"),
            ("v/memory.current", "4096\n"),
            ("v/memory.max", "8192\n"),
            ("v/memory.high", "max\n"),
            ("v/memory.events", "low 0\nhigh 3\nmax 4\noom 1\noom_kill 2\n"),
            (
                "v/cpu.stat",
                "usage_usec 500\nnr_periods 9\nnr_throttled 5\nthrottled_usec 600\n",
            ),
            ("v/cpu.max", "150000 100000\n"),
            ("v/pids.current", "7\n"),
            ("v/pids.max", "64\n"),
            ("v/pids.events", "max 8\n"),
            (
                "v/io.stat",
                "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n",
            ),
            (
                "v/io.max",
                "8:0 rbps=900 wbps=max riops=max wiops=5\n8:16 rbps=800 wbps=max\n",
            ),
            (
                "v/io.pressure",
                "some avg10=0.00 avg60=0.01 avg300=0.00 total=77\nfull avg10=0.00 total=70\n",
            ),
            ("empty/cgroup.procs", ""),
        ]);
        let hierarchy = Hierarchy::of(root.path());
        let unit = hierarchy.cgroup("/v", None).unwrap();
        let usage = Usage {
            memory: Some(4096),
            cpu_usec: Some(500),
            tasks: Some(7),
            io: Some((11, 22)),
            io_waited_usec: Some(77),
        };
        assert_eq!(unit.counts(Detail::Full).0, usage);
        let limits = Limits {
            memory_max: Some(8192),
            memory_high: None,
            cpus: Some(1.5),
            tasks: Some(64),
            io_read: Some(800),
            io_write: None,
        };
        assert_eq!(unit.limits(), limits);
        let hit = |count| {
            let last_usec = None;
            Some(Hit { count, last_usec })
        };
        let hits = Hits {
            memory_high: hit(3),
            memory_max: hit(4),
            oom_kills: hit(2),
            cpu_throttled: hit(5),
            cpu_throttled_usec: Some(600),
            tasks: hit(8),
        };
        assert_eq!(unit.counts(Detail::Line).1, hits);
        assert!(hierarchy.cgroup("/empty", None).is_none() && hierarchy.cgroup("/none", None).is_none());
    }

    #[test]
    fn without_controllers_the_processes_are_counted() {
        let root = machine(&[("v/cgroup.procs", "1\n2\n"), ("v/cpu.stat", "usage_usec 5\n")]);
        for (pid, pages) in [(1, 10), (2, 5)] {
            let place = root.path().join(format!("proc/{pid}"));
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("statm"), format!("100 {pages} 1 1 0 1 0")).unwrap();
        }
        let hierarchy = Hierarchy::of(root.path());
        let usage = hierarchy.cgroup("/v", None).unwrap().counts(Detail::Line).0;
        let expected = (Some(15 * page_size()), Some(5), Some(2), None);
        assert_eq!((usage.memory, usage.cpu_usec, usage.tasks, usage.io), expected);
    }
}
