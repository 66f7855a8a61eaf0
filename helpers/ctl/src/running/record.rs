//! The health record of a vassal, as vassal-enter and vassal-watchdog keep it.

use super::hits::Met;
use super::small_files::Directory;
use rustix::io::Errno;
use serde::Deserialize;
use std::path::Path;

/// Where the records are.
const DIRECTORY: &str = "run/vassal/health";
/// What their names end in.
const ENDING: &str = ".json";
/// The `schema` that this program knows.
const SCHEMA: u64 = 1;
/// More than any record with every mountpoint that a vassal can have.
const SIZE_LIMIT: usize = 1 << 20;

/// The record (vassal-health(7), THE HEALTH RECORD).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Record {
    schema: u64,
    /// How far it says that the vassal is.
    pub state: String,
    /// Since when.
    pub since_usec: Option<u64>,
    /// When it was written.
    pub written_usec: u64,
    /// Restarts since the vassal was started.
    pub restarts: u64,
    /// Attempts since one that settled.
    pub attempts: u64,
    /// Why the last run ended.
    pub cause: Option<String>,
    /// When the next attempt begins.
    pub next_attempt_usec: Option<u64>,
    /// When the vassal's file was last read.
    pub loaded_usec: Option<u64>,
    /// The main process.
    pub pid: Option<u64>,
    /// The unit's cgroup.
    pub cgroup: Option<String>,
    /// The main process's program.
    pub program: Option<Program>,
    /// The processes of known roles.
    pub processes: Processes,
    /// The open sockets.
    pub sockets: Vec<String>,
    /// What the app says of its health, where it is asked.
    pub check: Option<Check>,
    /// The watched mountpoints.
    pub mounts: Vec<Mount>,
    /// The limits that were met; nothing of a watchdog that does not count them.
    pub limits: Option<Vec<Met>>,
}

/// Which program watches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// Its file's device.
    pub device: u64,
    /// Its file's inode.
    pub inode: u64,
}

/// Processes by their numbers in the vassal's PID namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Processes {
    /// What the app is called.
    pub command: String,
    /// Its first process.
    pub app: Option<u64>,
    /// FUSE daemons.
    pub daemons: Vec<u64>,
}

/// An app that is asked for its health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Check {
    /// `healthy`, `unasked`, `failing` or `sick`.
    pub verdict: String,
    /// Failures in a row.
    pub failures: u64,
    /// When it last answered well.
    pub answered_usec: Option<u64>,
    /// How long that took.
    pub took_usec: Option<u64>,
    /// How long it may take.
    pub deadline_usec: Option<u64>,
}

/// A watched mountpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Its path.
    pub path: String,
    /// Its filesystem's type.
    #[serde(rename = "type")]
    pub fstype: String,
    /// `healthy`, `unprobed`, or a verdict.
    pub verdict: String,
    /// When it last answered.
    pub answered_usec: Option<u64>,
    /// How long that took.
    pub took_usec: Option<u64>,
    /// How long it may take.
    pub deadline_usec: Option<u64>,
}

impl Check {
    /// Whether its last answer was none, or no good one.
    pub fn is_bad(&self) -> bool {
        !["healthy", "unasked"].contains(&self.verdict.as_str())
    }
}

impl Mount {
    /// Whether it is lost.
    pub fn is_bad(&self) -> bool {
        !["healthy", "unprobed"].contains(&self.verdict.as_str())
    }
}

/// The records of a machine.
#[derive(Debug)]
pub struct Records(Option<Directory>);

impl Records {
    /// Those of the machine at `root`.
    pub fn of(root: &Path) -> Self {
        Records(Directory::open(&root.join(DIRECTORY)))
    }

    /// The record of `instance`; nothing where there is none.
    ///
    /// # Errors
    /// One that cannot be read, or that is not one.
    pub fn read(&self, instance: &str) -> Result<Option<Record>, String> {
        let Some(directory) = &self.0 else {
            return Ok(None);
        };
        let name = format!("{instance}{ENDING}");
        let shown = || format!("/{DIRECTORY}/{name}");
        match directory.read(&name, SIZE_LIMIT, |text| serde_json::from_slice::<Record>(text)) {
            Ok(Ok(record)) if record.schema == SCHEMA => Ok(Some(record)),
            Ok(Ok(Record { schema, .. })) => Err(format!(
                "{}: its schema is {schema}, this vassalctl knows {SCHEMA} (upgrade it)",
                shown()
            )),
            Ok(Err(error)) => Err(format!("{}: no health record: {error}", shown())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(format!("{}: cannot read it: {error} (as root?)", shown())),
        }
    }
}

/// The instances of units that have a record.
pub fn instances(root: &Path) -> Vec<String> {
    let Ok(directory) = root.join(DIRECTORY).read_dir() else {
        return Vec::new();
    };
    let names = directory.flatten().map(|entry| entry.file_name());
    let instance = |name: std::ffi::OsString| {
        let name = name.into_string().ok()?;
        // What begins with a dot is about to become one.
        let instance = name.strip_suffix(ENDING)?;
        (!instance.starts_with('.')).then(|| instance.to_owned())
    };
    names.filter_map(instance).collect()
}
