//! The health record of a vassal, as vassal-enter and vassal-watchdog keep it.

use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the records are.
const DIRECTORY: &str = "run/vassal/health";
/// What their names end in.
const ENDING: &str = ".json";
/// The `schema` that this program knows.
const SCHEMA: u64 = 1;
/// More than any record with every mountpoint that a vassal can have.
const SIZE_LIMIT: u64 = 1 << 20;

/// Most records are shorter.
const USUAL_SIZE: usize = 2048;

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
    /// The watched mountpoints.
    pub mounts: Vec<Mount>,
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

impl Mount {
    /// Whether it is lost.
    pub fn is_bad(&self) -> bool {
        !["healthy", "unprobed"].contains(&self.verdict.as_str())
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

/// The record of `instance`; nothing where there is none.
///
/// # Errors
/// One that cannot be read, or that is not one.
pub fn read(root: &Path, instance: &str) -> Result<Option<Record>, String> {
    let path = path(root, instance);
    let Ok(file) = File::open(&path) else {
        return match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => Err(format!("{}: cannot read it (as root?)", path.display())),
        };
    };
    let mut text = String::with_capacity(USUAL_SIZE);
    file.take(SIZE_LIMIT)
        .read_to_string(&mut text)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let record: Record = serde_json::from_str(&text)
        .map_err(|error| format!("{}: no health record: {error}", path.display()))?;
    match record.schema {
        SCHEMA => Ok(Some(record)),
        other => Err(format!(
            "{}: its schema is {other}, this vassalctl knows {SCHEMA} (upgrade it)",
            path.display()
        )),
    }
}

fn path(root: &Path, instance: &str) -> PathBuf {
    root.join(DIRECTORY).join(format!("{instance}{ENDING}"))
}
