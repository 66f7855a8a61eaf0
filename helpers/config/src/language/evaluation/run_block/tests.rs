//! Blocks, seen from the list they leave.

use super::*;
use crate::language::testing::{evaluated, listed};
use crate::machine::fake::FakeWorld;

fn world() -> FakeWorld {
    FakeWorld::with(&[
        ("f", "one\r\n\n ind\n"),
        ("d/a", ""),
        ("d/b", ""),
        ("b.ini", "[uwsgi]\nx=%(_)\nendif\n"),
    ])
    .set("FOO", "bar")
    .set("UWSGI_RELOADS", "0")
}

#[test]
fn blocks_are_applied_line_by_line() {
    const CASES: &[(&str, &str, &str)] = &[
        (
            "C2 each line is repeated",
            "for=1 2\na=%(_)\nb=x\nend",
            "for=1 2 a=1 a=2 b=x b=x end=",
        ),
        (
            "C2 the condition is asked again",
            "if-not-opt=x\nx=1\ny=2\nendif",
            "if-not-opt=x x=1 endif=",
        ),
        (
            "C4 any end word ends",
            "for=1\na=%(_)\nendif\nb=%(_)",
            "for=1 a=1 endif= b=%(_)",
        ),
        (
            "C4 an untaken opener is dropped",
            "if-env=NO\nif-env=FOO\na=1\nendif\nb=1",
            "if-env=NO endif= b=1",
        ),
        (
            "C5 the context is the value",
            "if-env=FOO\na=[%(_)]\nend",
            "if-env=FOO a=[bar] end=",
        ),
        (
            "C5 of the negation too",
            "if-not-env=FOO=x\na=%(_)\nend",
            "if-not-env=FOO=x a=bar end=",
        ),
        (
            "C5 unless there is none",
            "if-not-env=NO\na=%(_)\nend",
            "if-not-env=NO a=%(_) end=",
        ),
        (
            "C6 raw values are compared",
            "a=$(FOO)\nif-opt=a=bar\nx=1\nend",
            "a=bar if-opt=a=bar end=",
        ),
        (
            "C7 files",
            "if-file=f\na=%(_)\nend\nif-dir=f\nb=1\nend\nif-not-exists=g\nc=1",
            "if-file=f a=f end= if-dir=f end= if-not-exists=g c=1",
        ),
        (
            "C8 a reload",
            "if-reload\na=%(_)\nend\nif-not-reload\nb=1",
            "if-reload= a=%(_) end= if-not-reload=",
        ),
        (
            "C9 the host",
            "if-hostname-match=^fix\na=%(_)\nend\nif-hostname=fixed\nb=1",
            "if-hostname-match=^fix a=^fix end= if-hostname=fixed",
        ),
        (
            "C9 no expression matches all",
            "if-hostname-match=(\na=1\nend",
            "if-hostname-match=( a=1 end=",
        ),
        ("C11 no words", "for= \na=1\nend", "for= end="),
        (
            "C12 times",
            "for-times=2x\na=%(_)\nend\nfor-times=-1\nb=1",
            "for-times=2x a=1 a=2 end= for-times=-1",
        ),
        (
            "C12 lines",
            "for-readline=f\na=[%(_)]\nend",
            "for-readline=f a=[one] a=[] a=[ ind] end=",
        ),
        ("C12 no file", "for-readline=no\na=1\nend", "for-readline=no end="),
        (
            "C12 names",
            "for-glob=d/*\na=%(_)\nend\nfor-glob=no*\nb=%(_)",
            "for-glob=d/* a=d/a a=d/b end= for-glob=no* b=no*",
        ),
        (
            "C13 an included file",
            "if-env=FOO\nini=b.ini\na=%(_)\nend",
            "if-env=FOO ini=b.ini x=%(_) endif= a=bar end=",
        ),
    ];
    for (rule, text, wanted) in CASES {
        assert_eq!(listed(&world(), text), *wanted, "{rule}");
    }
}

#[test]
fn a_block_that_never_ends_its_rounds_is_refused() {
    let error = listed(&world(), "for-times=2000000000\na=1");
    assert!(
        error.starts_with("main.ini:3: the configuration has more than"),
        "{error}"
    );
}

#[test]
fn a_pattern_that_cannot_be_decided_is_refused() {
    let error = listed(&world(), "if-hostname-match=^(?!web)\na=1");
    assert!(
        error.starts_with("main.ini:2: cannot decide whether '^(?!web)' matches"),
        "{error}"
    );
}

#[test]
fn an_opener_in_an_untaken_block_is_warned_of() {
    let mut world = world();
    world.files.insert(
        b"main.ini".to_vec(),
        "[uwsgi]\nif-env=NO\nif-env=FOO\nendif\n".into(),
    );
    let found = evaluated(&world, "--ini main.ini").expect("is accepted");
    let warnings: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("main.ini:3: 'if-env' stands in a block that is not taken"),
        "{warnings:?}"
    );
}

#[test]
fn a_comparison_trims_nothing() {
    let value = |name: &[u8]| (name == b"FOO").then_some(&b"bar"[..]);
    assert_eq!(compare(b"FOO", value), (true, Some(b"bar".to_vec())));
    assert_eq!(compare(b"FOO=bar", value), (true, Some(b"bar".to_vec())));
    assert_eq!(compare(b"FOO=baz", value), (false, Some(b"bar".to_vec())));
    assert_eq!(compare(b"FOO = bar", value), (false, None));
}

#[test]
fn long_lines_come_in_pieces() {
    let lengths = |line: &[u8]| pieces(line).map(|piece| piece.len()).collect::<Vec<_>>();
    assert_eq!(lengths(&[b'x'; 1500]), [1023, 477]);
    assert_eq!(lengths(b"a b \r\n"), [4]);
    assert_eq!(lengths(b"x\0y\n"), [1]);
}
