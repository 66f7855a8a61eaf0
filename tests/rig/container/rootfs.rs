//! The cached Debian roots that machines are overlays of.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::suite::Suite;

/// A cached root, and the hash of what built it.
pub(crate) struct Rootfs {
    /// Its directory; nothing may write to it.
    pub path: PathBuf,
    /// Changes whenever the root is built anew.
    pub stamp: String,
}

/// Where roots and layers are cached: `VASSAL_MACHINES`, else `target/machines` of the repository.
pub(crate) fn cache() -> PathBuf {
    match std::env::var_os("VASSAL_MACHINES") {
        Some(place) => PathBuf::from(place),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/machines"),
    }
}

/// Gives the root of a suite, building it first when the cache has none or an outdated one.
///
/// # Errors
///
/// When `machines/rootfs.sh` fails, with all it wrote.
pub(crate) fn ensure(suite: Suite) -> Result<Rootfs, Failure> {
    let path = cache().join(suite.name());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("machines/rootfs.sh");
    let output = Command::new(&script)
        .arg(suite.name())
        .arg(&path)
        .output()
        .map_err(|reason| Failure::Program {
            name: script.display().to_string(),
            reason,
        })?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::Build {
            what: format!("the {suite} root"),
            output,
        });
    }
    let path = path.canonicalize().map_err(Failure::file("find", &path))?;
    let stamp_file = path.with_extension("stamp");
    let stamp = std::fs::read_to_string(&stamp_file).map_err(Failure::file("read", &stamp_file))?;
    Ok(Rootfs {
        path,
        stamp: stamp.trim().to_owned(),
    })
}
