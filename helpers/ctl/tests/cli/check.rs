use std::fs;

use crate::machine::{Machine, Said, VASSALS, vassalctl};
use crate::seed;

/// One error of each kind, found in five different places of the code.
const WRONG: &str = "\
[uwsgi]
plugin = psgi
uid = user001
\tgid = user001
ini = missing.ini
hook-as-root = moun:x
  pivot_root = relative
exec-as-user = fuse-zip -r /var/www/app001.zip /app
ns = /x
umask = 9
mountpoint-check = app
[vassal]
bad = 1
worse = 2
[Service]
User = x
Group = y
";

#[test]
fn the_files_of_the_scenario_are_clean_where_everything_is_as_it_should_be() {
    let machine = Machine::new();
    machine.vassal("zip", seed::ZIP);
    machine.vassal("watched", seed::ZIP_WATCHED);
    let said = machine.say("check", &[]);
    assert_eq!(said.out, "3 files: 0 errors, 0 warnings, 0 notes\n", "{said:?}");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    machine.vassal("atexit", seed::ZIP_ATEXIT);
    machine.vassal("cow", seed::COPY_ON_WRITE);
    machine
        .say("check", &[])
        .must_be("check_scenario.txt", &machine, 0);
    machine
        .say("check", &["--files-only"])
        .must_be("check_scenario.txt", &machine, 0);
}

#[test]
fn every_error_of_a_file_is_shown_where_it_stands_sorted_by_line() {
    let machine = Machine::new();
    machine.vassal("wrong", WRONG);
    machine
        .say("check", &[VASSALS])
        .must_be("check_wrong.txt", &machine, 2);
}

#[test]
fn json_says_the_same() {
    let machine = Machine::new();
    machine.vassal("wrong", WRONG);
    let said = machine.say("check", &["--json", VASSALS]);
    let report = said.json();
    assert_eq!((said.code, &report["errors"]), (2, &10.into()), "{report}");
    assert_eq!([&report["warnings"], &report["notes"]], [&0, &0]);
    let file = &report["files"][0];
    let path = format!("{VASSALS}/wrong.ini");
    assert_eq!(
        [&file["file"], &file["unit"]],
        [path.as_str(), "vassal@wrong.service"]
    );
    let lines: Vec<_> = file["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [5, 6, 7, 9, 10, 11, 13, 14, 16, 17]);
    let pivot = &file["findings"][2];
    assert_eq!([&pivot["level"], &pivot["file"]], ["error", path.as_str()]);
    assert_eq!([&pivot["line"], &pivot["column"]], [7, 3]);
    assert_eq!(pivot["hint"], "pivot_root = NEW OLD, with OLD below NEW");
}

#[test]
fn two_errors_on_one_line_are_two_errors_of_an_included_file_are_named_by_it() {
    let machine = Machine::new();
    machine.vassal("user001", "[uwsgi]\nuid = user001\ninclude = common/parts.ini\n");
    machine.write(
        &format!("{VASSALS}/common/parts.ini"),
        "[uwsgi]\nns = /x\n\nhook-asap = nothing\n",
    );
    let said = machine.say("check", &["--json", &format!("{VASSALS}/user001.ini")]);
    let places: Vec<_> = said.json()["files"][0]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| format!("{}:{}", found["file"].as_str().unwrap(), found["line"]))
        .collect();
    let parts = format!("{VASSALS}/common/parts.ini");
    assert_eq!(places, [format!("{parts}:2"), format!("{parts}:4")]);
}

#[test]
fn the_exit_code_says_how_bad_it_is() {
    let machine = Machine::new();
    let code = |text: &str| {
        machine.vassal("user001", text);
        machine.say("check", &[VASSALS]).code
    };
    assert_eq!(code("[uwsgi]\nuid = user001\n"), 0);
    assert_eq!(code("[uwsgi]\nuid = nobody001\n"), 1);
    assert_eq!(code("[uwsgi]\nuid = 0\n"), 2);
    assert_eq!(machine.say("check", &["missing.ini"]).code, 2);
    let missing = machine.say("check", &["/no/directory"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing.out.contains("/no/directory: No such file or directory"),
        "{missing:?}"
    );
    for name in ["user001", "vassal@user001.service"] {
        let said = machine.say("check", &[name]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.out.contains("user001.ini:2"), "{said:?}");
    }
    assert_eq!(machine.say("check", &["--what"]).code, 64);
}

#[test]
fn files_are_checked_without_an_emperor_and_outside_of_its_directory() {
    let machine = Machine::new();
    machine.remove("etc/vassal");
    machine.write(
        "git/user001.ini",
        "[uwsgi]\nuid = user001\ninclude = %d/more.ini\n",
    );
    machine.write("git/more.ini", "[uwsgi]\nplugin = psgi\n");
    machine.write("git/README", "no INI");
    let said = machine.say("check", &["git/user001.ini", "git/more.ini", "git"]);
    assert!(
        said.out.ends_with("4 files: 0 errors, 2 warnings, 0 notes\n"),
        "{said:?}"
    );
    let all = machine.say("check", &[]);
    assert_eq!((all.code, all.out.as_str()), (2, ""));
    assert!(
        all.err.contains("there is no '/etc/vassal/emperor.ini'"),
        "{all:?}"
    );
}

#[test]
fn another_emperors_file_counts_when_it_is_named() {
    let machine = Machine::new();
    machine.write("other.ini", "[uwsgi]\nemperor = /srv/other\nvassal-set = ns=/x\n");
    machine.write("srv/other/one.ini", "[uwsgi]\nuid = user001\n");
    let said = machine.say("check", &["--emperor", "other.ini"]);
    assert_eq!(said.code, 2);
    assert!(said.out.contains("'ns' is not supported"), "{said:?}");
    machine.write("other.ini", "[uwsgi]\nemperor = relative\nemperor = http://x\n");
    let wrong = machine.say("check", &["--emperor", "other.ini", "srv/other/one.ini"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.out.contains("other.ini:2:1") && wrong.out.contains("other.ini:3:1"),
        "{wrong:?}"
    );
}

#[test]
fn nothing_is_executed() {
    let machine = Machine::new();
    let witness = machine.path("witness");
    let text = format!(
        "[uwsgi]\nuid = user001\na = @(exec://touch {0})\nini = exec://touch {0}\nexec-asap = touch {0}\nb = @(fd://0)\n",
        witness.display()
    );
    machine.vassal("user001", &text);
    for (verb, args) in [
        ("check", &[][..]),
        ("show", &["user001"]),
        ("migrate", &[VASSALS]),
    ] {
        let said = machine.say(verb, args);
        assert!(!witness.exists(), "{verb}: {said:?}");
    }
    let said = machine.say("check", &[]);
    assert!(said.out.contains("note[not-run]: 'exec://touch "), "{said:?}");
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn a_file_that_everybody_may_write_is_an_error_as_it_is_for_a_start() {
    let machine = Machine::new();
    machine.vassal("user001", "[uwsgi]\nuid = user001\n");
    machine.set_mode(&format!("{VASSALS}/user001.ini"), 0o666);
    let said = machine.say("check", &[]);
    assert_eq!(said.code, 2);
    assert!(said.out.contains("everybody may write it"), "{said:?}");
}

#[test]
fn no_byte_of_a_file_acts_on_a_terminal() {
    let machine = Machine::new();
    let hostile = "\u{1b}[31m\u{9b}\u{202e}\u{7f}\u{8}\r";
    let text = format!(
        "[uwsgi]\nuid = {hostile}x\n{hostile} = {hostile}y\nhook-as-root = {hostile}z:1\nns = {hostile}\n\
         exec-as-user = {hostile} w\n[vassal]\n{hostile}v = 1\n"
    );
    let is_harmless = |said: &Said| {
        let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!said.out.chars().chain(said.err.chars()).any(bad), "{said:?}");
    };
    machine.vassal("user001", &text);
    machine.vassal(
        "shown",
        &text
            .replace("hook-as-root", "a")
            .replace("ns =", "b =")
            .replace("[vassal]", "[x]"),
    );
    for (verb, args) in [
        ("check", &[][..]),
        ("check", &["--json"]),
        ("show", &["user001"]),
        ("show", &["shown"]),
        ("show", &["shown", "--json"]),
        ("migrate", &[VASSALS]),
        ("migrate", &["--json", VASSALS]),
        ("options", &[hostile]),
    ] {
        let args: Vec<&str> = args.to_vec();
        let said = match verb {
            "options" => vassalctl(&[&["options"], args.as_slice()].concat())
                .output()
                .unwrap()
                .into(),
            _ => machine.say(verb, &args),
        };
        assert!(!said.out.is_empty() || !said.err.is_empty());
        is_harmless(&said);
    }
    for args in [
        &["check", hostile][..],
        &["show", hostile],
        &["migrate", hostile],
        &[hostile],
        &["check", "--emperor", hostile],
    ] {
        is_harmless(&vassalctl(args).output().unwrap().into());
    }
    machine.vassal(hostile, "[uwsgi]\nuid = 0\n");
    machine.vassal("\u{9b}31m", "[uwsgi]\nuid = 0\n");
    for verb in ["check", "migrate"] {
        is_harmless(&machine.say(verb, &[VASSALS]));
    }
}

#[test]
fn the_emperors_own_file_is_checked_where_it_is_named_or_all_is() {
    let machine = Machine::new();
    let text = format!("{}emperor-freq = 2\n", seed::EMPEROR);
    machine.write("etc/vassal/emperor.ini", &text);
    machine.vassal("user001", "[uwsgi]\nuid = user001\n");
    for args in [
        &[][..],
        &["etc/vassal/emperor.ini"],
        &["etc/vassal/emperor.ini", VASSALS],
    ] {
        let said = machine.say("check", args);
        assert_eq!(said.code, 1, "{args:?}: {said:?}");
        assert!(said.out.contains("emperor.ini:4:1"), "{said:?}");
    }
    assert_eq!(machine.say("check", &[VASSALS]).code, 0);
    machine.write(
        "etc/vassal/emperor.ini",
        &seed::EMPEROR.replace("/vassals", "/vassal"),
    );
    let said = machine.say("check", &[]);
    assert_eq!(said.code, 1);
    assert!(
        said.out
            .contains("warning[missing-directory]: there is no directory '/etc/uwsgi/vassal'"),
        "{said:?}"
    );
}

#[test]
fn an_emperors_file_that_is_wrong_is_told_by_every_verb() {
    let machine = Machine::new();
    machine.write("etc/vassal/emperor.ini", "[uwsgi]\nemperor = vassals\n");
    machine.vassal("user001", "[uwsgi]\nuid = user001\n");
    let wrong = "emperor = vassals: not an absolute path";
    assert!(machine.say("check", &[VASSALS]).out.contains(wrong));
    let shown = machine.say("show", &[&format!("{VASSALS}/user001.ini")]);
    assert_eq!(shown.code, 2);
    assert!(shown.err.contains(wrong), "{shown:?}");
    assert!(machine.say("migrate", &[VASSALS]).err.contains(wrong));
}

#[test]
fn what_is_checked_is_not_changed() {
    let machine = Machine::new();
    machine.vassal("user001", WRONG);
    let path = machine.path(&format!("{VASSALS}/user001.ini"));
    machine.say("check", &[]);
    assert_eq!(fs::read_to_string(path).unwrap(), WRONG);
}

#[test]
fn how_a_reload_would_be_done_is_told_with_the_line_that_decides() {
    const CASES: &[(&str, &str, &str)] = &[
        (
            "http-socket = :9090\n",
            "overlap",
            "overlap (two can run side by side)\n",
        ),
        (
            "http-socket = :9090\nspooler = /srv/a\n",
            "in-place",
            "in-place (site.ini:4: 'spooler': the spoolers of both would take the same tasks)\n",
        ),
    ];
    for (lines, way, told) in CASES {
        let machine = Machine::new();
        machine.vassal("site", &format!("[uwsgi]\nuid = root\n{lines}"));
        let said = machine.say("check", &["site"]);
        assert!(said.out.contains(&format!("reload: {told}")), "{said:?}");
        let report = machine.say("check", &["--json", "site"]).json();
        assert_eq!(report["files"][0]["reload"]["way"], *way);
    }
}
