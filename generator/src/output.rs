//! Files in the generator's output directory: complete or not there at all.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// The file in a vassal's drop-in directory. 50 leaves room before and after for the administrator's own.
const DROP_IN: &str = "50-vassal.conf";
/// Where units of the package are.
const UNITS: &str = "/usr/lib/systemd/system";
const TARGET: &str = "vassals.target";

/// Writes the drop-in of `unit` below `dir`: into a temporary file beside it, which is then renamed, so that neither a
/// full disk nor a second generator leaves a part of one.
///
/// # Errors
/// Whatever the filesystem says.
pub fn write_drop_in(dir: &Path, unit: &str, text: &str) -> io::Result<()> {
    let directory = dir.join(format!("{unit}.d"));
    fs::create_dir_all(&directory)?;
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .permissions(PermissionsExt::from_mode(0o644))
        .tempfile_in(&directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(directory.join(DROP_IN))
        .map_err(|error| error.error)?;
    Ok(())
}

/// Makes `vassals.target` want `unit`.
///
/// # Errors
/// Whatever the filesystem says.
pub fn write_wants(dir: &Path, unit: &str) -> io::Result<()> {
    let directory = dir.join(format!("{TARGET}.wants"));
    fs::create_dir_all(&directory)?;
    match symlink(format!("{UNITS}/vassal@.service"), directory.join(unit)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
