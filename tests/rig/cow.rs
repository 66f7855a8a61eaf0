//! The copy-on-write scenario: a root shared by all tenants, and a writable directory for each.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::container::machine::Machine;
use crate::container::stage;
use crate::container::stage::Stage;
use crate::failure::Failure;
use crate::fixtures;
use crate::inside::files::{Owner, Root};

/// The tenants' shared root, as the seed's layout names it.
const BASE: &str = "ns/precise";

/// Where the seed loads plugins from, in the shared root.
const PSGI_PLUGIN: &str = "opt/uwsgi/plugins/psgi_plugin.so";

/// The directories of the seed's layout.
const DIRECTORIES: [&str; 5] = [
    "/ufs",
    "/ns/precise/.old_root",
    "/ns/cow/user001",
    "/ns/cow/user002",
    "/ns/cow/user003",
];

/// The layers that add the scenario to a machine's root: above, what the shared root needs for it; below, the shared root.
///
/// They are layers and not mounts because in the seed all of it is plain directories: its `umount:/.old_root rec,detach` would take
/// mounts beneath /ns away from the union's daemon.
///
/// # Errors
///
/// When a file cannot be written.
pub(crate) fn layers(stage: &Stage) -> Result<Vec<PathBuf>, Failure> {
    let above = stage.place.join("scenario");
    stage::make(&above)?;
    let root = Root::open(&above)?;
    for directory in DIRECTORIES {
        root.make_dir(Path::new(directory), 0o755, Owner::ROOT)?;
    }
    let shared = Path::new("/").join(BASE);
    let plugin = stage.debian.join("usr/lib/uwsgi/plugins/psgi_plugin.so");
    let plugin = fs::read(&plugin).map_err(Failure::file("read", plugin))?;
    root.write(&shared.join(PSGI_PLUGIN), &plugin, 0o644, Owner::ROOT)?;
    root.write(
        &shared.join("var/www/myapp.pl"),
        fixtures::psgi_app("base").as_bytes(),
        0o644,
        Owner::ROOT,
    )?;
    Ok(vec![above, stage.debian.with_extension("base")])
}

impl Machine {
    /// The paths in /ns/precise that differ from what they were at boot, deleted ones included; none when every tenant kept to
    /// his own directory. The kernel keeps this record: it is the upper directory of the machine's root.
    ///
    /// # Panics
    ///
    /// When the record cannot be read.
    pub fn base_changes(&self) -> Vec<PathBuf> {
        let top = PathBuf::from(format!("/proc/self/fd/{}", self.staged.changes.as_raw_fd()));
        let mut found = Vec::new();
        collect(&top.join(BASE), &mut found);
        let within = |path: PathBuf| path.strip_prefix(&top).map(Path::to_owned).unwrap_or(path);
        let mut found: Vec<PathBuf> = found.into_iter().map(within).collect();
        found.sort();
        found
    }
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return found.push(path.to_owned()),
        Err(reason) if reason.kind() == ErrorKind::NotFound => return,
        Err(reason) => panic!("cannot look for changes in '{}': {reason}", path.display()),
    }
    found.push(path.to_owned());
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), found)),
        Err(reason) => panic!("cannot look for changes in '{}': {reason}", path.display()),
    }
}
