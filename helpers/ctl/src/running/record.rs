//! Reads the health record of a vassal, which vassal-enter and vassal-watchdog write.

use super::hits::Met;
use super::small_files::Directory;
use rustix::io::Errno;
use serde::Deserialize;
use std::path::Path;

/// The directory of the records.
const DIRECTORY: &str = "run/vassal/health";
/// The suffix of their names.
const ENDING: &str = ".json";
/// The `schema` that this program can read.
const SCHEMA: u64 = 1;
/// More than the record of a vassal with the most mountpoints.
const SIZE_LIMIT: usize = 1 << 20;

/// The record (vassal-health(7), THE HEALTH RECORD).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Record {
    schema: u64,
    /// The vassal's state according to the record.
    pub state: String,
    /// When that state began.
    pub since_usec: Option<u64>,
    /// When it was written.
    pub written_usec: u64,
    /// How often it has restarted since it was started.
    pub restarts: u64,
    /// How many attempts there were since the last one that settled.
    pub attempts: u64,
    /// Why the last run ended.
    pub cause: Option<String>,
    /// When the next attempt begins.
    pub next_attempt_usec: Option<u64>,
    /// When the vassal's file was last read.
    pub loaded_usec: Option<u64>,
    /// The unit's main process.
    pub pid: Option<u64>,
    /// The unit's cgroup.
    pub cgroup: Option<String>,
    /// The program of the main process.
    pub program: Option<Program>,
    /// The processes whose roles are known.
    pub processes: Processes,
    /// The addresses of the listening sockets.
    pub sockets: Vec<String>,
    /// The health of the app, where it is asked.
    pub check: Option<Check>,
    /// The watched mountpoints.
    pub mounts: Vec<Mount>,
    /// The limits that were met; nothing of a watchdog that does not count them.
    pub limits: Option<Vec<Met>>,
}

/// The program of the watchdog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// The device of its file.
    pub device: u64,
    /// The inode of its file.
    pub inode: u64,
}

/// Processes, by their numbers in the vassal's PID namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Processes {
    /// The name of the app's program.
    pub command: String,
    /// The app's first process.
    pub app: Option<u64>,
    /// The FUSE daemons.
    pub daemons: Vec<u64>,
}

/// An app that is asked for its health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Check {
    /// `healthy`, `unasked`, `failing` or `sick`.
    pub verdict: String,
    /// The number of failures in a row.
    pub failures: u64,
    /// When it last answered well.
    pub answered_usec: Option<u64>,
    /// How long that answer took.
    pub took_usec: Option<u64>,
    /// How long an answer may take.
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
    /// How long that answer took.
    pub took_usec: Option<u64>,
    /// How long an answer may take.
    pub deadline_usec: Option<u64>,
}

impl Check {
    /// Whether the last check has failed.
    pub fn is_bad(&self) -> bool {
        !["healthy", "unasked"].contains(&self.verdict.as_str())
    }
}

impl Mount {
    /// Whether the mountpoint is lost.
    pub fn is_bad(&self) -> bool {
        !["healthy", "unprobed"].contains(&self.verdict.as_str())
    }
}

/// The health records of a machine.
#[derive(Debug)]
pub struct Records(Option<Directory>);

impl Records {
    /// The records of the machine at `root`.
    pub fn of(root: &Path) -> Self {
        Records(Directory::open(&root.join(DIRECTORY)))
    }

    /// The record of `instance`; `None` if there is none.
    ///
    /// # Errors
    /// A record that cannot be read or is malformed.
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

/// The instances that have a record.
pub fn instances(root: &Path) -> Vec<String> {
    let Ok(directory) = root.join(DIRECTORY).read_dir() else {
        return Vec::new();
    };
    let names = directory.flatten().map(|entry| entry.file_name());
    let instance = |name: std::ffi::OsString| {
        let name = name.into_string().ok()?;
        // A name that begins with a dot belongs to a record that is being written.
        let instance = name.strip_suffix(ENDING)?;
        (!instance.starts_with('.')).then(|| instance.to_owned())
    };
    names.filter_map(instance).collect()
}
