//! The handle on a booted machine.

use std::path::Path;
use std::time::Duration;

use nix::unistd::Pid;
use tempfile::TempDir;

use crate::container::boot::Boot;
use crate::container::cgroup::Cgroup;
use crate::container::keeper::Keeper;
use crate::container::layer::Layer;
use crate::container::stage::Staged;
use crate::container::startup::Leader;
use crate::failure::Failure;
use crate::inside::files::Owner;
use crate::suite::Suite;

/// A booted machine; dropping it destroys it and checks that nothing is left.
pub struct Machine {
    pub(crate) name: String,
    pub(crate) suite: Suite,
    pub(crate) booted_in: Duration,
    pub(crate) leader: Leader,
    pub(crate) cgroup: Cgroup,
    pub(crate) staged: Staged,
    /// Absent only while the machine is being destroyed.
    pub(crate) keeper: Option<Keeper>,
    /// Absent only while the machine is being destroyed.
    pub(crate) place: Option<TempDir>,
}

impl Machine {
    /// Boots a machine of a suite with layers, lowest first, and the usual options; see [`Boot`] for others.
    ///
    /// # Panics
    ///
    /// When it does not come up, with its console.
    pub fn boot(suite: Suite, layers: &[Layer]) -> Machine {
        match layers.iter().fold(Boot::of(suite), Boot::layer).start() {
            Ok(machine) => machine,
            Err(failure) => panic!("{suite}: {failure}"),
        }
    }

    /// The name, unique on the host.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The suite it runs.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// How long it took from the call to a started-up systemd.
    pub fn booted_in(&self) -> Duration {
        self.booted_in
    }

    /// The host's pid of the machine's PID 1.
    pub fn leader(&self) -> Pid {
        self.leader.pid
    }

    /// What the machine's console shows.
    pub fn console(&self) -> String {
        let console = self.place.as_ref().map(|place| place.path().join("console"));
        console
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default()
    }

    /// Creates or replaces a file, in place; missing directories on the way become root's, mode 0755.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>, mode: u32, owner: Owner) {
        self.demand(self.leader.root.write(path.as_ref(), bytes.as_ref(), mode, owner));
    }

    /// Makes a directory, unless it is there, and gives it mode and owner.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn make_dir(&self, path: impl AsRef<Path>, mode: u32, owner: Owner) {
        self.demand(self.leader.root.make_dir(path.as_ref(), mode, owner));
    }

    /// What a file holds.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Vec<u8> {
        self.demand(self.leader.root.read(path.as_ref()))
    }

    /// The same as text.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    pub fn read_text(&self, path: impl AsRef<Path>) -> String {
        String::from_utf8_lossy(&self.read(path)).into_owned()
    }

    pub(crate) fn demand<T>(&self, result: Result<T, Failure>) -> T {
        match result {
            Ok(value) => value,
            Err(failure) => panic!("{} ({}): {failure}", self.name, self.suite),
        }
    }
}
