//! Files that name files.

use crate::language::testing::{evaluated, listed, shown};
use crate::machine::fake::FakeWorld;

fn world() -> FakeWorld {
    FakeWorld::with(&[
        ("b.ini", "[uwsgi]\nb=[%n %N %o %x]\n[s]\nbs=[%n %N %o %x]\n"),
        ("c.ini", "[uwsgi]\nini=b.ini\nini=:s\n[s]\ncs=1\n"),
        ("pre", "[uwsgi]\np=%n"),
        ("post", "q=%n\n"),
        ("dir/x", ""),
        ("loop.ini", "[uwsgi]\nini = loop.ini\n"),
        ("tail.ini", "[uwsgi]\nx = 1\ninherit = tail.ini\n"),
    ])
}

#[test]
fn files_are_read_as_their_option_says() {
    const CASES: &[(&str, &str, &str)] = &[
        (
            "I1 in place",
            "a=1\nini=b.ini\nz=2",
            "a=1 ini=b.ini b=[b main b.ini ] z=2",
        ),
        ("S5 a section", "ini=b.ini:s", "ini=b.ini:s bs=[b main b.ini s]"),
        ("S5 an empty one", "ini=b.ini:", "ini=b.ini: b=[b main b.ini ]"),
        (
            "S7 the last file again",
            "ini=b.ini\nini=:s",
            "ini=b.ini b=[b main b.ini ] ini=:s bs=[b main  s]",
        ),
        (
            "S7 the innermost",
            "ini=c.ini\nini=:s",
            "ini=c.ini ini=b.ini b=[b main b.ini ] ini=:s bs=[b main  s] ini=:s bs=[b main  s]",
        ),
        ("S8 a command", "ini=exec://x\nz=%n", "ini=exec://x z=main"),
        (
            "I6 injected",
            "inject-before=pre\ninject-after=post\nini=:s",
            "inject-before=pre inject-after=post ini=:s",
        ),
        (
            "I6 joined",
            "inject-before=pre\nini=b.ini",
            "inject-before=pre ini=b.ini p=b[uwsgi] b=[b main b.ini ]",
        ),
        (
            "I5 inherited",
            "inherit=b.ini\nz=%(b)",
            "inherit=b.ini z=%(b) b=[b main b.ini ]",
        ),
        ("S6 nothing there", "ini=b.ini:no\nz=1", "ini=b.ini:no z=1"),
    ];
    for (rule, text, wanted) in CASES {
        assert_eq!(listed(&world(), text), *wanted, "{rule}");
    }
}

#[test]
fn upper_case_names_are_those_of_the_first_ini_at_the_top() {
    let found = evaluated(&world(), "--include c.ini --ini b.ini:s --ini b.ini").expect("is accepted");
    let wanted = "include=c.ini ini=b.ini b=[b  b.ini ] ini=:s bs=[b   s] ini=b.ini:s bs=[b b b.ini s] ini=b.ini b=[b b b.ini ]";
    assert_eq!(shown(&found), wanted);
}

#[test]
fn the_section_is_cut_off_the_first_name_only_while_that_file_is_read() {
    let world = FakeWorld::with(&[("a.ini", "[s]\na=%O\nini=b.ini\n"), ("b.ini", "[uwsgi]\nb=%O\n")]);
    let found = evaluated(&world, "--ini a.ini:s --ini b.ini").expect("is accepted");
    assert_eq!(
        shown(&found),
        "ini=a.ini:s a=a.ini ini=b.ini b=a.ini ini=b.ini b=a.ini:s"
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    const CASES: &[(&str, &str)] = &[
        (
            "ini=nope.ini",
            "main.ini:2: cannot read 'nope.ini': No such file or directory",
        ),
        ("ini=", "main.ini:2: cannot read '': No such file or directory"),
        (
            "include=b.ini:s",
            "main.ini:2: cannot tell the format of 'b.ini:s' by its ending ('ini =' reads any file, and takes a section)",
        ),
        (
            "include=b.yaml",
            "main.ini:2: cannot read 'b.yaml': only INI files are read",
        ),
        (
            "yaml=b.yaml",
            "main.ini:2: cannot read 'b.yaml' as yaml: only INI is read",
        ),
        ("config=b.ini", "main.ini:2: no plugin reads 'b.ini'"),
        (
            "ini=http://x/y",
            "main.ini:2: cannot read 'http://x/y': this world has no network",
        ),
    ];
    for (text, wanted) in CASES {
        assert!(
            listed(&world(), text).starts_with(wanted),
            "{}",
            listed(&world(), text)
        );
    }
}

#[test]
fn a_file_that_includes_itself_is_refused_with_the_chain() {
    let error = listed(&world(), "ini=loop.ini");
    let chain = "read because of loop.ini:2, loop.ini:2, loop.ini:2, loop.ini:2, ...";
    assert_eq!(
        error,
        format!("loop.ini:2: files include each other more than 32 deep ({chain})")
    );
    assert!(listed(&world(), "inherit=tail.ini").contains("more than 1024 files are read"));
}

#[test]
fn another_section_of_no_file_is_refused() {
    let error = evaluated(&world(), "--ini :s").expect_err("is refused");
    assert_eq!(
        error.to_string(),
        "command line: ':s' names no file, and none was read yet"
    );
}

#[test]
fn an_error_in_an_included_file_tells_who_included_it() {
    let world = FakeWorld::with(&[("bad.ini", "[uwsgi]\n\nset = x\n")]);
    let error = listed(&world, "a=1\nini=bad.ini");
    assert_eq!(
        error,
        "bad.ini:3: 'set' takes KEY=VALUE, not 'x' (read because of main.ini:3)"
    );
}

#[test]
fn empty_sections_and_open_blocks_are_warned_of() {
    let world = FakeWorld::with(&[
        ("a.ini", "[uwsgi]\nif-env=X\nb=1\n"),
        ("b.ini", "[uwsgii]\nx=1\n"),
    ]);
    let found = evaluated(&world, "--ini a.ini --endif --ini b.ini").expect("is accepted");
    let warnings: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
    let wanted = [
        "a.ini:2: 'if-env' has no end in this file, and goes on behind it",
        "command line: there is nothing in section [uwsgi] of 'b.ini'",
    ];
    assert_eq!(warnings, wanted);
}
