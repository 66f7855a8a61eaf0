//! The names whose change leads a path elsewhere.

use super::answer::Watched;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use vassal_config::machine::trusted::lookups;

/// The names whose change leads `file` elsewhere, and the last one, which is the file.
pub fn way_to(file: &Path) -> Vec<Watched> {
    let mut way = way_into(file);
    if let Some(last) = way.last_mut() {
        last.has_content = true;
    }
    way
}

/// The names whose change leads `path` elsewhere.
pub fn way_into(path: &Path) -> Vec<Watched> {
    let watched = |(directory, name): (PathBuf, OsString)| Watched {
        directory: directory.into_os_string().into_vec(),
        name: Some(name.into_vec()),
        has_content: false,
    };
    lookups(path).into_iter().map(watched).collect()
}
