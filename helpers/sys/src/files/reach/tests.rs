use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// Where each path of a directory of the test's own ends: its last name, and whether something is there.
#[test]
fn a_path_ends_where_its_names_lead() {
    let place = std::env::temp_dir().join(format!("vassal-reach-{}", std::process::id()));
    fs::create_dir_all(place.join("a/b")).unwrap();
    symlink("a/b", place.join("link")).unwrap();
    let root = open(&place, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).unwrap();
    // The path, whether a link at its end is followed, and the name and what is there.
    type Case = (&'static str, Last, Result<(&'static str, bool), Errno>);
    const CASES: &[Case] = &[
        ("a/b", Last::Followed, Ok(("b", true))),
        ("/a/../../a/b", Last::Followed, Ok(("b", true))),
        ("a/none", Last::Followed, Ok(("none", false))),
        ("none/b", Last::Followed, Err(Errno::ENOENT)),
        ("link", Last::Kept, Ok(("link", true))),
        ("/", Last::Followed, Ok((".", true))),
    ];
    for (path, last, expected) in CASES {
        let found = place_below(&root, Path::new(path), *last);
        let found = found.map(|place| (place.name.to_string_lossy().into_owned(), place.object.is_some()));
        let expected = expected.map(|(name, is_there)| (name.to_owned(), is_there));
        assert_eq!(found, expected, "{path}");
    }
    let judged = judge(&root, Path::new("link"), Last::Kept).unwrap();
    let is_roots = fstat(&root).is_ok_and(|status| why_foreign(&status).is_none());
    assert_eq!(judged.foreign.is_none(), is_roots);
    fs::remove_dir_all(&place).unwrap();
}
