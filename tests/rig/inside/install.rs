//! Installing packages into a layer: the one under test, or Debian's.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use crate::container::cgroup::Cgroup;
use crate::container::nspawn;
use crate::container::rootfs;
use crate::container::stage;
use crate::container::sweep;
use crate::failure::Failure;
use crate::suite::Suite;

/// What is left of an installation, if anything, ends in milliseconds when killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// A file's name has 255 bytes, and the cgroup's of an installation begins with some more.
const NAME_LIMIT: usize = 160;

/// Gives the directory with what installing the package changes in the root of a suite; from the cache, if it is there.
///
/// # Errors
///
/// When the package cannot be read or dpkg cannot install it.
pub(crate) fn install(suite: Suite, package: &Path) -> Result<PathBuf, Failure> {
    let package = package.canonicalize().map_err(Failure::file("find", package))?;
    let root = rootfs::ensure(suite)?;
    let key = format!("{suite}-{:.12}-{:.12}", root.stamp, hash(&package)?);
    let what = format!("the layer with '{}'", package.display());
    cached(&root.path, &key, what, |target| nspawn::install(target, &package))
}

/// Gives the directory with what installing packages of Debian changes in the root of a suite; from the cache, if it is there.
///
/// # Errors
///
/// When there is no mirror or apt cannot install them.
pub(crate) fn add(suite: Suite, packages: &[&str]) -> Result<PathBuf, Failure> {
    let root = rootfs::ensure(suite)?;
    let names = packages.join("+");
    let key = format!("{suite}-{:.12}-{}", root.stamp, file_name(&names));
    cached(&root.path, &key, format!("the layer with {names}"), |target| {
        nspawn::add(target, packages)
    })
}

/// `names`, or their hash where no file can have so long a name.
fn file_name(names: &str) -> String {
    if names.len() <= NAME_LIMIT {
        return names.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The upper directory of a container on the root in which a command has run, once.
fn cached(
    root: &Path,
    key: &str,
    what: String,
    argv: impl FnOnce(&Path) -> Vec<String>,
) -> Result<PathBuf, Failure> {
    let path = rootfs::cache().join("installed").join(key);
    stage::make(&path)?;
    let path = path.canonicalize().map_err(Failure::file("find", &path))?;
    let _held = lock(&path.join("lock"))?;
    let (done, changes) = (path.join("done"), path.join("changes"));
    if !done.exists() {
        remove_if_there(&changes)?;
        // nspawn makes cgroups in the one it is in, so it is given its own.
        let cgroup = Cgroup::create(&format!("{}{key}", sweep::prefix()))?;
        let target = path.join("root");
        let installed = run(root, &changes, &target, &argv(&target), &cgroup);
        cgroup.kill()?;
        cgroup.wait_empty(KILL_LIMIT);
        cgroup.remove()?;
        accept(installed?, what)?;
        File::create(&done).map_err(Failure::file("create", &done))?;
    }
    Ok(changes.join("upper"))
}

/// Runs a command in a container that does not boot. In a thread of its own: its mounts end with it.
fn run(
    root: &Path,
    changes: &Path,
    target: &Path,
    argv: &[String],
    cgroup: &Cgroup,
) -> Result<Output, Failure> {
    let procs = cgroup.procs_below(Path::new(stage::HIERARCHY));
    let install = || {
        stage::leave_host()?;
        stage::overlay(&[root.to_owned()], changes, target)?;
        nspawn::command(&procs, argv)
            .output()
            .map_err(|reason| Failure::Program {
                name: "systemd-nspawn".into(),
                reason,
            })
    };
    match std::thread::scope(|scope| scope.spawn(install).join()) {
        Ok(output) => output,
        Err(_) => panic!("the installing thread panicked"),
    }
}

fn hash(file: &Path) -> Result<String, Failure> {
    let output = Command::new("sha256sum")
        .arg(file)
        .output()
        .map_err(|reason| Failure::Program {
            name: "sha256sum".into(),
            reason,
        })?;
    accept(output, format!("the hash of '{}'", file.display()))
}

/// Gives what a successful program wrote.
fn accept(output: Output, what: String) -> Result<String, Failure> {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    Err(Failure::Build {
        what,
        output: stdout + &String::from_utf8_lossy(&output.stderr),
    })
}

fn lock(path: &Path) -> Result<Flock<File>, Failure> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Failure::file("open", path))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| Failure::file_errno("lock", path)(errno))
}

fn remove_if_there(path: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(path) {
        Err(reason) if reason.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::file("remove", path)(reason))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
