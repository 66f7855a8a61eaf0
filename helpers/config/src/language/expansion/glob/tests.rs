//! Patterns, against names that are there and names that are not.

use super::*;
use crate::machine::fake::FakeWorld;

#[test]
fn patterns_fit_as_fnmatch_says() {
    const CASES: &[(&str, &str, bool)] = &[
        ("*", "", true),
        ("*.ini", "a.ini", true),
        ("*.ini", "a.inix", false),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false),
        ("?", "a", true),
        ("?", "", false),
        ("[a-c]x", "bx", true),
        ("[!a-c]x", "bx", false),
        ("[^a-c]x", "dx", true),
        ("[]a]", "]", true),
        ("[a-]", "-", true),
        ("[[:digit:]_]", "7", true),
        ("[[:digit:]_]", "x", false),
        ("[a", "[a", true),
        ("\\*", "*", true),
        ("\\*", "a", false),
        ("[\\]]", "]", true),
    ];
    for (pattern, name, wanted) in CASES {
        assert_eq!(
            fits(pattern.as_bytes(), name.as_bytes()),
            *wanted,
            "{pattern} {name}"
        );
    }
}

#[test]
fn slashes_at_both_ends_are_cut_as_glibc_cuts_them() {
    let world = FakeWorld::with(&[("d/a", ""), ("d/b/x", "")]);
    // Each was tried on 2.0.21 with glibc 2.36.
    const CASES: &[(&str, &str)] = &[
        ("d/b/", "d/b/"),
        ("d/b//", "d/b/"),
        ("d/", "d//"),
        ("d/*/", "d/b/"),
        ("d/a/", "d/a"),
        ("d/a*/", "d/a*"),
        ("?/a/", "d/a"),
        ("nope/", "nope"),
        ("nope//", "nope"),
        ("n/", "n/"),
        ("?x/", "?x"),
        ("zz*/q/", "zz*/q"),
        ("//zz*/", "/zz*"),
        ("//zz", "/zz"),
        ("///zz", "///zz"),
        ("//zz/y", "//zz/y"),
    ];
    for (pattern, wanted) in CASES {
        assert_eq!(
            matches(pattern.as_bytes(), &world, &mut 100),
            Some(vec![wanted.as_bytes().to_vec()]),
            "{pattern}"
        );
    }
}

#[test]
fn a_pattern_that_doubles_back_takes_no_time() {
    assert!(!fits(&b"a*".repeat(2000), &[b'a'; 1999]));
}

#[test]
fn names_are_sorted_marked_and_not_hidden() {
    let world = FakeWorld::with(&[
        ("d/b", ""),
        ("d/a", ""),
        ("d/.hid", ""),
        ("d/c/z", ""),
        ("e/c/y", ""),
    ]);
    let found = |pattern: &str| {
        let names = matches(pattern.as_bytes(), &world, &mut 100).expect("there are few");
        names
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(found("d/*"), "d/a d/b d/c/");
    assert_eq!(found("*/c/[yz]"), "d/c/z e/c/y");
    assert_eq!(found("d/.*"), "d/.hid");
    assert_eq!(found("d/[.]*"), "d/[.]*");
    assert_eq!(found("nope/*"), "nope/*");
    assert_eq!(found("d/a"), "d/a");
    assert_eq!(found("d"), "d/");
    assert_eq!(found("d/"), "d//");
    assert_eq!(matches(b"d/*", &world, &mut 5), None);
}
