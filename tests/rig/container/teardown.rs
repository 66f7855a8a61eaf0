//! The end of a machine, and the proof that nothing of it is left.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use crate::container::machine::Machine;
use crate::failure::Failure;
use crate::inside::fuse;

/// Killed processes end in milliseconds, unless they wait for a FUSE daemon that waits for itself. Aborting too early harms nobody.
const KILL_LIMIT: Duration = Duration::from_millis(500);

/// What the kernel may take to end what was aborted.
const ABORT_LIMIT: Duration = Duration::from_secs(10);

/// Connections vanish with the last reference to their mount, which the kernel may drop a moment after the processes.
const CONNECTION_LIMIT: Duration = Duration::from_secs(5);
const CONNECTION_INTERVAL: Duration = Duration::from_millis(2);

impl Drop for Machine {
    fn drop(&mut self) {
        let left = self.destroy();
        if left.is_empty() {
            return;
        }
        let left = format!(
            "{} ({}) left behind: {}",
            self.name(),
            self.suite(),
            left.join("; ")
        );
        if std::thread::panicking() {
            eprintln!("{left}");
        } else {
            panic!("{left}");
        }
    }
}

impl Machine {
    /// Kills everything, unmounts everything, removes everything; gives what was found that should not be.
    fn destroy(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        let connections = self.fuse_connections();
        left.extend(self.kill_all(&connections));
        if let Some(keeper) = self.keeper.take() {
            keeper.stop();
        }
        left.extend(self.cgroup.remove().err().map(|failure| failure.to_string()));
        left.extend(self.mounts_left());
        if let Some(place) = self.place.take() {
            left.extend(
                place
                    .close()
                    .err()
                    .map(|reason| format!("its directory: {reason}")),
            );
        }
        left.extend(
            self.connections_left(connections)
                .map(|connection| format!("FUSE connection {connection}")),
        );
        left
    }

    fn kill_all(&self, connections: &BTreeSet<u32>) -> Vec<String> {
        let mut failures = Vec::new();
        failures.extend(self.cgroup.kill_payload().err());
        if self.cgroup.wait_empty(KILL_LIMIT) {
            return told(failures);
        }
        // A daemon that waits for its own file system ignores even SIGKILL; only this ends it.
        failures.extend(
            connections
                .iter()
                .filter_map(|number| fuse::abort(&self.staged.connections, *number).err()),
        );
        failures.extend(self.cgroup.kill().err());
        let mut left = told(failures);
        if !self.cgroup.wait_empty(ABORT_LIMIT) {
            left.push(format!("processes {:?}", self.cgroup.processes()));
        }
        left
    }

    fn mounts_left(&self) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let place = format!("/{}-", self.name());
        mounts
            .lines()
            .filter(|line| line.contains(&place))
            .map(|line| format!("mount '{line}'"))
            .collect()
    }

    /// Of the machine's connections, those that the kernel still has although nobody has them mounted: a number may have been
    /// given to another machine in the meantime.
    fn connections_left(&self, of_machine: BTreeSet<u32>) -> impl Iterator<Item = u32> + use<> {
        let begun = Instant::now();
        let mut left = of_machine;
        loop {
            let (existing, mounted) = (
                fuse::existing(&self.staged.connections),
                fuse::mounted_by_anyone(),
            );
            left.retain(|connection| existing.contains(connection) && !mounted.contains(connection));
            if left.is_empty() || begun.elapsed() > CONNECTION_LIMIT {
                return left.into_iter();
            }
            std::thread::sleep(CONNECTION_INTERVAL);
        }
    }
}

fn told(failures: Vec<Failure>) -> Vec<String> {
    failures.iter().map(Failure::to_string).collect()
}
