//! The names on the way to a path: a change of one of them makes the path lead elsewhere.

use super::answer::Watched;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use vassal_config::machine::trusted::lookups;

/// The names on the way to `file`, and the last one, whose content is relevant as well.
pub fn watches_of_file(file: &Path) -> Vec<Watched> {
    let mut way = watches_of_path(file);
    if let Some(last) = way.last_mut() {
        last.has_content = true;
    }
    way
}

/// The names on the way to `path`.
pub fn watches_of_path(path: &Path) -> Vec<Watched> {
    let watched = |(directory, name): (PathBuf, OsString)| Watched {
        directory: directory.into_os_string().into_vec(),
        name: Some(name.into_vec()),
        has_content: false,
    };
    lookups(path).into_iter().map(watched).collect()
}
