//! Layers: what a machine has above its Debian root.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::container::rootfs;
use crate::failure::Failure;
use crate::inside::install;
use crate::suite::Suite;

/// A directory that is laid over the root of a machine, unchanged by it.
#[derive(Clone, Debug)]
pub struct Layer {
    path: PathBuf,
}

impl Layer {
    /// A layer of the files in a directory of the host.
    pub fn of(directory: impl Into<PathBuf>) -> Layer {
        Layer {
            path: directory.into(),
        }
    }

    /// A layer in which dpkg has installed a package. It is made once for each package and root, by whichever process needs it
    /// first, and kept in the cache.
    ///
    /// # Errors
    ///
    /// When dpkg cannot install it, with what dpkg wrote.
    pub fn with_package(suite: Suite, package: &Path) -> Result<Layer, Failure> {
        install::install(suite, package).map(Layer::of)
    }

    /// The plain root of a suite, which is below all others.
    ///
    /// # Errors
    ///
    /// When it cannot be built.
    pub fn debian(suite: Suite) -> Result<Layer, Failure> {
        rootfs::ensure(suite).map(|root| Layer::of(root.path))
    }

    /// What installing packages of Debian adds to the root of a suite, kept in the cache.
    ///
    /// # Errors
    ///
    /// When apt cannot install them, with what it wrote.
    pub fn with_debian(suite: Suite, packages: &[&str]) -> Result<Layer, Failure> {
        install::add(suite, packages).map(Layer::of)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The layer in which the package under test is installed: the newest in dist/, or the one that `VASSAL_DEB` names.
///
/// # Panics
///
/// When there is no package, or dpkg cannot install it; with what dpkg wrote.
pub fn installed(suite: Suite) -> Layer {
    match package().and_then(|package| Layer::with_package(suite, &package)) {
        Ok(layer) => layer,
        Err(failure) => panic!("{suite}: {failure}"),
    }
}

/// The package under test: that of `VASSAL_DEB`, or the newest in `dist`.
///
/// # Errors
///
/// There is none.
pub fn package() -> Result<PathBuf, Failure> {
    if let Some(named) = std::env::var_os("VASSAL_DEB") {
        return Ok(PathBuf::from(named));
    }
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
    let is_package = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("vassal_") && name.ends_with("_amd64.deb")
    };
    let age = |path: &PathBuf| {
        fs::metadata(path)
            .and_then(|meta| meta.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let entries = fs::read_dir(&place).map_err(|_| Failure::NoPackage { place: place.clone() })?;
    let packages = entries.flatten().map(|entry| entry.path()).filter(is_package);
    packages.max_by_key(age).ok_or(Failure::NoPackage { place })
}
