//! Finding things in sources and man pages, by plain text.

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

/// What stands between the first `start` and the next `end`.
///
/// # Panics
///
/// When one of them is missing: the source or page has changed, and so must the test.
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no '{start}'")) + start.len();
    let length = text[from..]
        .find(end)
        .unwrap_or_else(|| panic!("no '{end}' after '{start}'"));
    &text[from..from + length]
}

/// The section of a man page, or from its heading to the next section.
pub fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    between(page, &format!("{heading}\n"), "\n.SH ")
}

/// The lines of a man page that are bold or begin so: names, not prose.
pub fn bold(page: &str) -> String {
    let lines: Vec<_> = page.lines().filter(|line| line.starts_with(".B")).collect();
    lines.join("\n")
}

/// The words of a man page's text, with its hyphens as hyphens.
pub fn words(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    text.replace("\\-", "-")
        .split(|character| !is_part(character))
        .map(str::to_owned)
        .collect()
}

/// Every byte string literal of a source text.
pub fn byte_strings(source: &str) -> BTreeSet<String> {
    source
        .split("b\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(text, _)| text.to_owned())
        .collect()
}

/// Asserts that every one of `names` is among the words of `text`.
///
/// # Panics
///
/// When there are no names at all, or one is missing.
pub fn all_named(names: &BTreeSet<String>, text: &str, place: &str) {
    assert!(names.len() > 2, "too few names were found for {place}: {names:?}");
    let words = words(text);
    let missing: Vec<_> = names.iter().filter(|name| !words.contains(*name)).collect();
    assert!(missing.is_empty(), "not in {place}: {missing:?}");
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
