//! Finding things in sources and documents, by plain text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests are below the repository's root")
        .to_path_buf()
}

/// The text of a file of the repository.
///
/// # Panics
///
/// When it cannot be read.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|reason| panic!("cannot read '{path}': {reason}"))
}

/// Every file below a directory of the repository whose name ends so, by its path in the repository.
///
/// # Panics
///
/// When a directory cannot be read.
pub fn files(directory: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        let entries = fs::read_dir(root().join(&directory));
        for entry in entries.unwrap_or_else(|reason| panic!("cannot list '{directory}': {reason}")) {
            let entry = entry.expect("a directory entry");
            let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().expect("a file type").is_dir() {
                left.push(path);
            } else if path.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Runs of characters between backquotes.
pub fn quoted(markdown: &str) -> BTreeSet<String> {
    markdown
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
