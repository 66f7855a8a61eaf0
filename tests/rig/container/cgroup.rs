//! The cgroup of a machine: what is in it is the machine's, and nothing else is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::failure::Failure;

/// Killed processes are gone in milliseconds; the kernel offers no descriptor to wait on for all of them.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The cgroup, beside systemd's, in which commands of the tests run.
const COMMANDS: &str = "rig";

/// A cgroup made for one machine, beneath the cgroup of this process.
pub(crate) struct Cgroup {
    path: PathBuf,
    /// The path in the hierarchy itself, wherever that is mounted.
    within: PathBuf,
}

impl Cgroup {
    /// Makes the cgroup `name`.
    ///
    /// # Errors
    ///
    /// When there is no unified hierarchy or the directory cannot be made.
    pub fn create(name: &str) -> Result<Cgroup, Failure> {
        let Hierarchy { mounted, own } = hierarchy()?;
        let within = own.join(name);
        let path = mounted.join(&within);
        fs::create_dir(&path).map_err(Failure::file("create", &path))?;
        Ok(Cgroup { path, within })
    }

    /// The file that takes processes, where the hierarchy is mounted on `hierarchy`.
    pub fn procs_below(&self, hierarchy: &Path) -> PathBuf {
        hierarchy.join(&self.within).join("cgroup.procs")
    }

    /// The cgroup that the machine's systemd sees as the root: nspawn's `payload` sub-cgroup.
    pub fn payload(&self) -> PathBuf {
        self.path.join("payload")
    }

    /// Makes the cgroup for commands of the tests, a child of the machine's root cgroup that its systemd does not know.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn create_for_commands(&self) -> Result<(), Failure> {
        let path = self.payload().join(COMMANDS);
        fs::create_dir(&path).map_err(Failure::file("create", &path))
    }

    /// The file that takes processes into the cgroup for commands.
    pub fn for_commands(&self) -> PathBuf {
        self.payload().join(COMMANDS).join("cgroup.procs")
    }

    /// All processes of the machine, in ascending order.
    pub fn processes(&self) -> Vec<Pid> {
        processes_below(&self.path)
    }

    /// Those that run in the machine: nspawn's own are not among them.
    pub fn payload_processes(&self) -> Vec<Pid> {
        processes_below(&self.payload())
    }

    /// Kills every process, however many there are and whatever they do: one write, done by the kernel.
    ///
    /// # Errors
    ///
    /// When the kernel has no `cgroup.kill` (before Linux 5.14).
    pub fn kill(&self) -> Result<(), Failure> {
        kill(&self.path)
    }

    /// Kills what runs in the machine; nspawn then tidies up and ends, and all who wait for it are reaped by their parents.
    ///
    /// # Errors
    ///
    /// As for [`Cgroup::kill`].
    pub fn kill_payload(&self) -> Result<(), Failure> {
        kill(&self.payload())
    }

    /// Waits until no process is left; false when some still are after `limit`.
    pub fn wait_empty(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_populated() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        true
    }

    /// Whether a process is left. Zombies do not count.
    pub fn is_populated(&self) -> bool {
        let events = fs::read_to_string(self.path.join("cgroup.events")).unwrap_or_default();
        events.lines().any(|line| line == "populated 1")
    }

    /// Removes the cgroup and all below it.
    ///
    /// # Errors
    ///
    /// When a process is left in it.
    pub fn remove(&self) -> Result<(), Failure> {
        remove_tree(&self.path)
    }
}

/// The directory of the cgroup of this process in the unified hierarchy.
///
/// # Errors
///
/// When there is none.
pub(crate) fn own() -> Result<PathBuf, Failure> {
    let Hierarchy { mounted, own } = hierarchy()?;
    Ok(mounted.join(own))
}

/// The unified hierarchy: where it is mounted, and the cgroup of this process in it, without the leading slash.
struct Hierarchy {
    mounted: PathBuf,
    own: PathBuf,
}

fn hierarchy() -> Result<Hierarchy, Failure> {
    let read = |path: &str| fs::read_to_string(path).map_err(Failure::file("read", path));
    let mounts = read("/proc/self/mountinfo")?;
    let mount = mounts
        .lines()
        .find(|line| line.contains(" - cgroup2 "))
        .and_then(|line| line.split(' ').nth(4));
    let cgroups = read("/proc/self/cgroup")?;
    let own = cgroups.lines().find_map(|line| line.strip_prefix("0::/"));
    match (mount, own) {
        (Some(mount), Some(own)) => Ok(Hierarchy {
            mounted: mount.into(),
            own: own.into(),
        }),
        (None, _) | (_, None) => Err(Failure::NoUnifiedHierarchy),
    }
}

/// The processes of a cgroup and of all below it; those that vanish while looking are not missed.
pub(crate) fn processes_below(cgroup: &Path) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut todo = vec![cgroup.to_owned()];
    while let Some(cgroup) = todo.pop() {
        let listed = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
        found.extend(
            listed
                .lines()
                .filter_map(|line| line.parse().ok())
                .map(Pid::from_raw),
        );
        todo.extend(children(&cgroup));
    }
    found.sort();
    found
}

/// Removes an empty cgroup, children first.
///
/// # Errors
///
/// When a process is left in it: the kernel refuses.
pub(crate) fn remove_tree(cgroup: &Path) -> Result<(), Failure> {
    for child in children(cgroup) {
        remove_tree(&child)?;
    }
    fs::remove_dir(cgroup).map_err(Failure::file("remove", cgroup))
}

fn kill(cgroup: &Path) -> Result<(), Failure> {
    let file = cgroup.join("cgroup.kill");
    fs::write(&file, "1").map_err(Failure::file("write", &file))
}

fn children(cgroup: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(cgroup) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}
