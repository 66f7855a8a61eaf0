//! The rooms of the source: ARCHITECTURE.md has each, with what is in it.

use crate::text::{files, read, root};
use std::collections::BTreeSet;

/// The folders with source files of the programs and their libraries. One that holds nothing but a file's tests is no room.
fn rooms() -> BTreeSet<String> {
    let sources = files("helpers", ".rs")
        .into_iter()
        .chain(files("generator", ".rs"));
    let folder = |path: String| {
        path.rsplit_once('/')
            .map(|(folder, file)| (folder.to_owned(), file.to_owned()))
    };
    let folders = sources
        .filter_map(folder)
        .filter(|(_, file)| file != "tests.rs" && file != "build.rs");
    folders
        .map(|(folder, _)| folder)
        .filter(|folder| folder.contains("/src"))
        .collect()
}

#[test]
fn every_room_of_the_source_is_in_the_architecture() {
    let text = read("ARCHITECTURE.md");
    let table = text
        .split_once("## 7. The layout\n")
        .expect("a section on the layout")
        .1;
    let row = |line: &str| Some(line.strip_prefix("| `")?.split_once("` | ")?.0.to_owned());
    let listed: BTreeSet<_> = table.lines().filter_map(row).collect();
    let missing: Vec<_> = rooms()
        .into_iter()
        .filter(|room| !listed.contains(room))
        .collect();
    assert!(
        missing.is_empty(),
        "not in section 7 of ARCHITECTURE.md: {missing:?}"
    );
    for room in listed {
        assert!(
            root().join(&room).is_dir(),
            "ARCHITECTURE.md has the room '{room}', which does not exist"
        );
    }
}
