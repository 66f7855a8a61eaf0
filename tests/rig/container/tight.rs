//! Too little of something for one process: a cgroup of the host's, as a machine's own cgroups need not have the controller.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scarce {
    /// Memory: 64 MiB, and no swap.
    Memory,
    /// Processes: there is one, and no other can be made.
    Processes,
}

/// A process with too little; in the end it has enough again.
#[derive(Debug)]
pub struct Tight {
    parent: PathBuf,
    cgroup: PathBuf,
}

impl Tight {
    /// Leaves a process too little.
    ///
    /// # Panics
    ///
    /// When the host cannot.
    pub fn around(process: Pid, scarce: Scarce) -> Tight {
        let (controller, limits): (_, &[(&str, &str)]) = match scarce {
            Scarce::Memory => (
                "memory",
                &[
                    ("memory.limit_in_bytes", "64M"),
                    ("memory.max", "64M"),
                    ("memory.swap.max", "0"),
                ],
            ),
            Scarce::Processes => ("pids", &[("pids.max", "1")]),
        };
        let parent = parent(controller);
        let cgroup = parent.join(format!("vassal-tight-{controller}-{process}"));
        make(fs::create_dir(&cgroup), &cgroup);
        let tight = Tight { parent, cgroup };
        // Each version of cgroups has files of its own.
        let limits = limits.iter().map(|(file, most)| (tight.cgroup.join(file), most));
        for (file, most) in limits.filter(|(file, _)| file.exists()) {
            make(fs::write(&file, most), &file);
        }
        let procs = tight.cgroup.join("cgroup.procs");
        make(fs::write(&procs, process.to_string()), &procs);
        tight
    }
}

impl Drop for Tight {
    fn drop(&mut self) {
        let left = fs::read_to_string(self.cgroup.join("cgroup.procs")).unwrap_or_default();
        for pid in left.lines() {
            // It may have ended.
            fs::write(self.parent.join("cgroup.procs"), pid).ok();
        }
        if let Err(error) = fs::remove_dir(&self.cgroup) {
            eprintln!("cannot remove '{}': {error}", self.cgroup.display());
        }
    }
}

fn make(done: std::io::Result<()>, path: &Path) {
    if let Err(error) = done {
        panic!("cannot write '{}': {error}", path.display());
    }
}

/// A cgroup whose children have a controller: the root of its own hierarchy where it has one, else the nearest cgroup above this
/// process that hands it on.
fn parent(controller: &str) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = |is_it: &dyn Fn(&str) -> bool| {
        let mut lines = mounts.lines().filter(|line| is_it(line));
        lines.find_map(|line| line.split(' ').nth(4).map(PathBuf::from))
    };
    let own_hierarchy = |line: &str| line.contains(" - cgroup ") && line.ends_with(&format!(",{controller}"));
    if let Some(hierarchy) = mounted(&own_hierarchy) {
        return hierarchy;
    }
    let hierarchy = mounted(&|line| line.contains(" - cgroup2 ")).unwrap_or_default();
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = cgroups.lines().find_map(|line| line.strip_prefix("0::/"));
    let hands_it_on = |cgroup: &&Path| {
        let controllers = fs::read_to_string(hierarchy.join(cgroup).join("cgroup.subtree_control"));
        controllers.is_ok_and(|names| names.split_whitespace().any(|name| name == controller))
    };
    match Path::new(own.unwrap_or_default()).ancestors().find(hands_it_on) {
        Some(cgroup) => hierarchy.join(cgroup),
        None => panic!("no cgroup above this process has {controller} in its cgroup.subtree_control"),
    }
}
