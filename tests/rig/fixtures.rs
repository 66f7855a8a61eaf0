//! What the scenario needs in a machine besides the INI file.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::container::machine::Machine;
use crate::failure::Failure;
use crate::inside::files::Owner;

/// The application, before it has a name.
const APP: &str = include_str!("../machines/fixtures/myapp.pl");

/// The PSGI application: `/` says "hello from NAME pid N", the other routes are listed in machine/fixtures/myapp.pl.
pub fn psgi_app(name: &str) -> String {
    APP.replace("@NAME@", name)
}

/// Puts a zip archive with the application of that name, `myapp.pl` and `name`, into the machine, readable by all. The entries
/// have the modes of regular files, which fuse-zip hands on.
///
/// # Panics
///
/// When it cannot be made.
pub fn zip_app(machine: &Machine, archive: impl AsRef<Path>, name: &str) {
    let bytes = machine.demand(zip(&[
        ("myapp.pl", &psgi_app(name)),
        ("name", &format!("{name}\n")),
    ]));
    machine.write(archive, bytes, 0o644, Owner::ROOT);
}

/// Makes a directory for a tenant to mount on: fusermount wants it to be his own (SEED-3).
///
/// # Panics
///
/// When it cannot be made.
pub fn mountpoint(machine: &Machine, path: impl AsRef<Path>, owner: Owner) {
    machine.make_dir(path, 0o755, owner);
}

/// Prepares the scenario's first vassal: /var/www/app001.zip with an application named `app001`, and user001's /app.
///
/// # Panics
///
/// When that is not possible.
pub fn scenario(machine: &Machine) {
    zip_app(machine, "/var/www/app001.zip", "app001");
    mountpoint(machine, "/app", Owner::USER001);
}

/// Mounts a tmpfs on /ns/cow, with an empty directory for each tenant and `work` for the kernel: its overlay refuses to write to
/// the machine's root, which is an overlay itself.
///
/// # Panics
///
/// When that is not possible.
pub fn cow_on_tmpfs(machine: &Machine) {
    machine
        .must_sh("mount -t tmpfs -o mode=0755 tmpfs /ns/cow; cd /ns/cow; mkdir work user001 user002 user003");
}

fn zip(files: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
    let place = tempfile::tempdir().map_err(Failure::file("create", std::env::temp_dir()))?;
    for (name, text) in files {
        let path = place.path().join(name);
        fs::write(&path, text).map_err(Failure::file("write", path))?;
    }
    let output = Command::new("zip")
        .args(["--quiet", "-X", "archive.zip"])
        .args(files.iter().map(|(name, _)| name))
        .current_dir(place.path())
        .output()
        .map_err(|reason| Failure::Program {
            name: "zip".into(),
            reason,
        })?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        return Err(Failure::Build {
            what: "a zip archive".into(),
            output,
        });
    }
    let archive = place.path().join("archive.zip");
    fs::read(&archive).map_err(Failure::file("read", archive))
}
