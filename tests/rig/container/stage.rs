//! The file systems a machine stands on, mounted in the private mount namespace of its keeper.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

use crate::cow;
use crate::failure::Failure;
use crate::inside::files::{Owner, Root};

/// Where the keeper mounts the unified cgroup hierarchy, over whatever the host has there.
pub(crate) const HIERARCHY: &str = "/sys/fs/cgroup";

/// A file or directory that is there when the machine boots.
pub(crate) struct Planned {
    pub path: PathBuf,
    /// What a file holds; a directory has none.
    pub bytes: Option<Vec<u8>>,
    pub mode: u32,
    pub owner: Owner,
}

/// What to mount, and what to put into it.
pub(crate) struct Stage {
    /// An empty directory of the host to mount on.
    pub place: PathBuf,
    /// The cached root.
    pub debian: PathBuf,
    /// What lies above it, uppermost first.
    pub layers: Vec<PathBuf>,
    /// Whether the root has the layout of the copy-on-write scenario, too.
    pub copy_on_write: bool,
    pub planned: Vec<Planned>,
}

/// Descriptors into the stage; the paths mean nothing outside the keeper's namespace.
pub(crate) struct Staged {
    /// The directory of all FUSE connections of the kernel.
    pub connections: OwnedFd,
    /// The upper directory of the machine's root: what has changed in it.
    pub changes: OwnedFd,
}

impl Stage {
    /// The directory to boot.
    pub fn root(&self) -> PathBuf {
        self.place.join("root")
    }

    /// The file system of FUSE connections, to be bound into the machine: nspawn gives it no /sys/fs/fuse.
    pub fn connections(&self) -> PathBuf {
        self.place.join("connections")
    }

    /// Leaves the host's mount namespace and mounts everything.
    ///
    /// # Errors
    ///
    /// When the kernel refuses a mount or a planned file cannot be written.
    pub fn set_up(&self) -> Result<Staged, Failure> {
        leave_host()?;
        mount_new("tmpfs", &self.place, Some("mode=0755"))?;
        let connections = self.connections();
        make(&connections)?;
        mount_new("fusectl", &connections, None)?;
        let shared = if self.copy_on_write {
            cow::layers(self)?
        } else {
            Vec::new()
        };
        let debian = std::slice::from_ref(&self.debian);
        let lower = [self.layers.as_slice(), &shared, debian].concat();
        overlay(&lower, &self.place.join("changes"), &self.root())?;
        let root = Root::open(&self.root())?;
        for planned in &self.planned {
            match &planned.bytes {
                Some(bytes) => root.write(&planned.path, bytes, planned.mode, planned.owner)?,
                None => root.make_dir(&planned.path, planned.mode, planned.owner)?,
            }
        }
        Ok(Staged {
            connections: open_dir(&connections)?,
            changes: open_dir(&self.place.join("changes/upper"))?,
        })
    }
}

/// Gives this thread a mount namespace of its own from which nothing propagates, with a /run that is not the host's (nspawn
/// keeps its state there) and, whatever the host has, a purely unified cgroup hierarchy for nspawn to find.
///
/// # Errors
///
/// When the kernel refuses.
pub(crate) fn leave_host() -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| Failure::Namespace {
        step: "unshare the mount namespace",
        errno,
    })?;
    let all_private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, all_private, None::<&str>).map_err(|errno| Failure::Mount {
        what: "private propagation",
        target: "/".into(),
        errno,
    })?;
    mount_new("tmpfs", Path::new("/run"), Some("mode=0755"))?;
    hide_fuse_node()?;
    mount_new("cgroup2", Path::new(HIERARCHY), None)
}

/// Keeps the host's node from an nspawn that would give it to the machine (257 and later do): the machine has its own, or none.
fn hide_fuse_node() -> Result<(), Failure> {
    let node = Path::new("/dev/fuse");
    if !node.exists() {
        return Ok(());
    }
    mount(
        Some("/dev/null"),
        node,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|errno| Failure::Mount {
        what: "/dev/null",
        target: node.to_owned(),
        errno,
    })
}

/// Mounts an overlay of `lower` (uppermost first) on `target`, which is made; changes go to `changes/upper`.
///
/// # Errors
///
/// When a directory cannot be made or the kernel refuses the mount.
pub(crate) fn overlay(lower: &[PathBuf], changes: &Path, target: &Path) -> Result<(), Failure> {
    let (upper, work) = (changes.join("upper"), changes.join("work"));
    for directory in [&upper, &work, target] {
        make(directory)?;
    }
    let lower: Vec<String> = lower.iter().map(|path| escape(path)).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        escape(&upper),
        escape(&work)
    );
    mount_new("overlay", target, Some(&options))
}

/// Makes a directory and those above it.
///
/// # Errors
///
/// When the system refuses.
pub(crate) fn make(directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(Failure::file("create", directory))
}

/// Opens a directory for finding things in it later.
///
/// # Errors
///
/// When it cannot be opened.
pub(crate) fn open_dir(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(Failure::file_errno("open", path))
}

fn mount_new(kind: &'static str, target: &Path, options: Option<&str>) -> Result<(), Failure> {
    mount(Some(kind), target, Some(kind), MsFlags::empty(), options).map_err(|errno| Failure::Mount {
        what: kind,
        target: target.to_owned(),
        errno,
    })
}

/// Overlay's options are separated by commas, and its lower directories by colons.
fn escape(path: &Path) -> String {
    path.display()
        .to_string()
        .replace('\\', "\\\\")
        .replace(':', "\\:")
        .replace(',', "\\,")
}
