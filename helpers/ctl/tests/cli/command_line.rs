use std::process::Stdio;

use crate::machine::{Machine, Said, vassalctl};

fn say(args: &[&str]) -> Said {
    vassalctl(args).output().unwrap().into()
}

#[test]
fn help_is_a_result_and_a_wrong_command_line_an_error() {
    for args in [
        &["--help"][..],
        &["check", "--help"],
        &["help", "entries"],
        &["--version"],
    ] {
        let said = say(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?}");
        assert!(said.out.contains("vassalctl"), "{said:?}");
    }
    for args in [
        &["frob"][..],
        &["show"],
        &["check", "--frob"],
        &["options", "--man", "uid"],
    ] {
        let said = say(args);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{args:?}");
        assert!(!said.err.is_empty());
    }
}

#[test]
fn json_is_written_in_journalctls_words() {
    let options = |args: &[&str]| say(&[&["options", "uid"], args].concat());
    let indented = options(&["--json"]);
    assert_eq!(options(&["--output=json-pretty"]).out, indented.out);
    let line = options(&["-o", "json"]);
    assert_eq!(line.out.lines().count(), 1);
    assert_eq!(line.json(), indented.json());
    assert_eq!(options(&["--output=short"]).out, options(&[]).out);
    for wrong in [&["--output=xml"][..], &["--json", "-o", "json"], &["--color=no"]] {
        assert_eq!(options(wrong).code, 64, "{wrong:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = vassalctl(&["options"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn a_full_disk_is_one() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let said = Said::from(vassalctl(&["options"]).stdout(full).output().unwrap());
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("vassalctl: cannot write: "), "{said:?}");
}

#[test]
fn words_behind_entries_are_uwsgis() {
    let machine = Machine::new();
    let entries = |args: &[&str]| -> Said {
        let args = [&["entries"], args].concat();
        vassalctl(&args)
            .current_dir(&machine.root)
            .output()
            .unwrap()
            .into()
    };
    let list = entries(&["--set", "foo=1", "--", "[--help"]);
    assert_eq!(
        list.out, "[\n  [\"set\", \"foo=1\"],\n  [\"foo\", \"1\"]\n]\n",
        "{list:?}"
    );
    assert_eq!(entries(&[]).out, "[]\n");
    for refused in [
        &["--help"][..],
        &["--json"],
        &["--", "-M"],
        &["--ini", "missing.ini"],
    ] {
        let said = entries(refused);
        assert_eq!(
            (said.code, said.out.as_str(), said.err.lines().count()),
            (1, "", 1),
            "{said:?}"
        );
    }
}

/// What a script of a shell is answered at the end of `words`.
fn completed(words: &[&str]) -> Vec<String> {
    let mut vassalctl = std::process::Command::new(env!("CARGO_BIN_EXE_vassalctl"));
    vassalctl.arg("--").args(words).env("VASSALCTL_COMPLETE", "bash");
    vassalctl.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    let said = Said::from(vassalctl.env("_CLAP_IFS", "\n").output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    said.out.lines().map(str::to_owned).collect()
}

#[test]
fn completion_knows_the_verbs_and_what_comes_behind_them() {
    for shell in ["bash", "zsh", "fish"] {
        let script = say(&["completions", shell]).out;
        assert!(script.contains("VASSALCTL_COMPLETE"), "{shell}: {script}");
    }
    let verbs = completed(&["vassalctl", ""]);
    for verb in ["list", "status", "check", "show", "migrate", "options", "entries"] {
        assert!(verbs.iter().any(|known| known == verb), "{verb}: {verbs:?}");
    }
    assert_eq!(completed(&["vassalctl", "list", "--sort", "me"]), ["memory"]);
    assert_eq!(
        completed(&["vassalctl", "options", "mountpoint-c"]),
        ["mountpoint-check"]
    );
}

/// script(1) gives the program a terminal.
#[test]
fn colors_are_for_terminals_that_want_them() {
    let machine = Machine::new();
    machine.vassal("user001", "[uwsgi]\nuid = nobody001\n");
    let has_colors = |variables: &[(&str, &str)]| {
        let root = machine.root.display();
        let command = format!("{} check --root {root}", env!("CARGO_BIN_EXE_vassalctl"));
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).stdin(Stdio::null());
        script
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied());
        let said = Said::from(script.output().unwrap());
        assert_eq!(said.code, 1, "{said:?}");
        said.out.contains("\u{1b}[")
    };
    assert!(has_colors(&[]));
    assert!(!has_colors(&[("NO_COLOR", "1")]));
    assert!(!has_colors(&[("TERM", "dumb")]));
    assert!(!machine.say("check", &[]).out.contains('\u{1b}'));
}
