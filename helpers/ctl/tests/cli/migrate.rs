use crate::machine::{Machine, VASSALS};
use crate::seed;

#[test]
fn nothing_of_the_scenario_is_lost() {
    let machine = Machine::new();
    machine.vassal("zip", seed::ZIP_ATEXIT);
    machine.vassal("cow", seed::COPY_ON_WRITE);
    machine
        .say("migrate", &[VASSALS])
        .must_be("migrate_scenario.txt", &machine, 0);
}

/// A line of each fate, some in blocks that are not taken, and errors at no option.
const MIXED: &str = "\
[uwsgi]
uid = user001
ns = /x
refork = true
emperor-freq = 3
if-env = NOT_SET
setns = /y
endif =
my-own-key = 1
hook-as-root = moun:x
include = more.ini
[vassal]
unknown = 1
";

#[test]
fn every_option_is_told_what_becomes_of_it() {
    let machine = Machine::new();
    machine.vassal("mixed", MIXED);
    machine.vassal("ok", "[uwsgi]\nuid = user001\ninclude = more/part.ini\n");
    machine.write(&format!("{VASSALS}/more/part.ini"), "[uwsgi]\nprocesses = 2\n");
    machine
        .say("migrate", &[VASSALS])
        .must_be("migrate_mixed.txt", &machine, 1);
}

#[test]
fn the_emperors_own_file_is_told_line_by_line() {
    let machine = Machine::new();
    let lines = "[uwsgi]\nemperor = /etc/uwsgi/vassals\nemperor-throttle = 500\nemperor-broodlord = 2\nemperor-tyrant = true\n";
    machine.write("etc/vassal/emperor.ini", lines);
    let said = machine.say("migrate", &["--json", "etc/vassal/emperor.ini"]);
    let report = said.json();
    let fates: Vec<_> = report["files"][0]["options"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["fate"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(fates, ["native", "changed", "ignored", "refused"]);
    assert_eq!(said.code, 1);
}

#[test]
fn json_counts_what_it_lists() {
    let machine = Machine::new();
    machine.vassal("mixed", MIXED);
    let said = machine.say("migrate", &["--json", VASSALS]);
    let report = said.json();
    assert_eq!(said.code, 1);
    let file = &report["files"][0];
    let fates: Vec<_> = file["options"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["fate"].as_str().unwrap())
        .collect();
    for fate in ["native", "passed", "changed", "ignored", "refused"] {
        let count = fates.iter().filter(|each| **each == fate).count();
        assert_eq!(
            [&file["counts"][fate], &report["counts"][fate]],
            [count, count],
            "{fate}"
        );
    }
    let refused = &file["options"][1];
    assert_eq!([&refused["option"], &refused["fate"]], ["ns", "refused"]);
    assert!(
        refused["remark"].as_str().unwrap().contains("unshare"),
        "{refused}"
    );
    assert_eq!(file["problems"].as_array().unwrap().len(), 1, "{file}");
}

#[test]
fn a_directory_without_files_and_a_path_that_is_none_are_errors() {
    let machine = Machine::new();
    for path in [VASSALS, "nowhere"] {
        let said = machine.say("migrate", &[path]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    }
}
