//! Installing a package into a layer.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use crate::cgroup::Cgroup;
use crate::failure::Failure;
use crate::nspawn;
use crate::rootfs;
use crate::stage;
use crate::suite::Suite;
use crate::sweep;

/// What is left of an installation, if anything, ends in milliseconds when killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Gives the directory with what installing the package changes in the root of a suite; from the cache, if it is there.
///
/// # Errors
///
/// When the package cannot be read or dpkg cannot install it.
pub(crate) fn install(suite: Suite, package: &Path) -> Result<PathBuf, Failure> {
    let package = package.canonicalize().map_err(Failure::file("find", package))?;
    let root = rootfs::ensure(suite)?;
    let key = format!("{suite}-{:.12}-{:.12}", root.stamp, hash(&package)?);
    let path = rootfs::cache().join("installed").join(&key);
    stage::make(&path)?;
    let path = path.canonicalize().map_err(Failure::file("find", &path))?;
    let _held = lock(&path.join("lock"))?;
    let (done, changes) = (path.join("done"), path.join("changes"));
    if !done.exists() {
        remove_if_there(&changes)?;
        // nspawn makes cgroups in the one it is in, so it is given its own.
        let cgroup = Cgroup::create(&format!("{}{key}", sweep::prefix()))?;
        let installed = dpkg(&root.path, &changes, &path.join("root"), &package, &cgroup);
        cgroup.kill()?;
        cgroup.wait_empty(KILL_LIMIT);
        cgroup.remove()?;
        installed?;
        File::create(&done).map_err(Failure::file("create", &done))?;
    }
    Ok(changes.join("upper"))
}

/// Runs dpkg in a container that does not boot. In a thread of its own: its mounts end with it.
fn dpkg(root: &Path, changes: &Path, target: &Path, package: &Path, cgroup: &Cgroup) -> Result<(), Failure> {
    let procs = cgroup.procs_below(Path::new(stage::HIERARCHY));
    let install = || {
        stage::leave_host()?;
        stage::overlay(&[root.to_owned()], changes, target)?;
        nspawn::command(&procs, &nspawn::install(target, package))
            .output()
            .map_err(|reason| Failure::Program {
                name: "systemd-nspawn".into(),
                reason,
            })
    };
    let output = match std::thread::scope(|scope| scope.spawn(install).join()) {
        Ok(output) => output?,
        Err(_) => panic!("the installing thread panicked"),
    };
    accept(output, format!("the layer with '{}'", package.display())).map(drop)
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
