use crate::machine::{Machine, VASSALS};
use crate::seed;

fn scenario() -> Machine {
    let machine = Machine::new();
    machine.vassal("user001", seed::ZIP_ATEXIT);
    machine.vassal("cow", seed::COPY_ON_WRITE);
    machine
}

#[test]
fn a_plan_is_shown_operation_by_operation_with_its_lines() {
    let machine = scenario();
    machine
        .say("show", &["user001"])
        .must_be("show_zip.txt", &machine, 0);
    machine.say("show", &["cow"]).must_be("show_cow.txt", &machine, 0);
}

#[test]
fn a_command_its_settings_and_its_unit_are_shown() {
    let machine = Machine::new();
    let text = "\
[uwsgi]
uid = user001
chdir = /srv
hook-as-root = mount:tmpfs none /app nosuid size=1m
safeexec = nothing
hook-as-user = safeexec:false
mountpoint-check = /app
[vassal]
command = python3 -m http.server 8000
mountpoint-interval = 0.5
[Service]
MemoryMax = 1G
";
    machine.vassal("web", text);
    machine
        .say("show", &["web"])
        .must_be("show_command.txt", &machine, 0);
}

#[test]
fn a_vassal_is_named_by_itself_by_its_unit_or_by_its_file() {
    let machine = scenario();
    machine.vassal("my-app", seed::ZIP);
    let file = format!("{VASSALS}/my-app.ini");
    for name in [
        "my-app",
        "my-app.ini",
        "my\\x2dapp",
        "vassal@my-app",
        "vassal@my-app.service",
        "vassal@my\\x2dapp.service",
        &file,
    ] {
        let said = machine.say("show", &[name, "--json"]);
        assert_eq!(said.json()["unit"], "vassal@my-app.service", "{name}");
    }
    let said = machine.say("show", &["nobody"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert_eq!(
        said.err,
        "vassalctl: there is no vassal 'nobody' in /etc/uwsgi/vassals\n"
    );
}

#[test]
fn json_has_every_operation_with_its_place() {
    let machine = scenario();
    let shown = machine.say("show", &["cow", "--json"]).json();
    let operations = shown["operations"].as_array().unwrap();
    let phases: Vec<_> = operations
        .iter()
        .map(|each| each["phase"].as_str().unwrap())
        .collect();
    let wanted = [
        "pre-jail", "pre-jail", "jail", "as-root", "as-root", "as-root", "as-user",
    ];
    assert_eq!(phases, wanted);
    assert_eq!(operations[2]["action"], "pivot_root");
    assert_eq!(operations[2]["value"], "/ufs /ufs/.old_root");
    let from = &operations[2]["from"];
    let file = machine.path(&format!("{VASSALS}/cow.ini"));
    assert_eq!(
        (from["file"].as_str(), &from["line"]),
        (file.to_str(), &17.into())
    );
    assert_eq!(shown["namespaces"], serde_json::json!(["fs", "pid"]));
    assert_eq!(shown["watch"][0]["path"], "/");
    assert_eq!(shown["sockets"][0]["address"], "0.0.0.0:9090");
    let given: Vec<_> = shown["app"]["given"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["option"].as_str().unwrap())
        .collect();
    assert_eq!(given[..3], ["plugins-dir", "plugins-dir", "plugin"]);
    assert!(
        shown["drop_in"]
            .as_str()
            .unwrap()
            .contains("Documentation=file:///etc/uwsgi/vassals/cow.ini\n")
    );
}

#[test]
fn a_file_that_has_no_plan_is_told_on_standard_error() {
    let machine = Machine::new();
    machine.vassal("user001", "[uwsgi]\nns = /x\n");
    let said = machine.say("show", &["user001"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("user001.ini:2:1"), "{said:?}");
}

#[test]
fn a_directory_that_is_a_link_keeps_the_name_that_the_generator_knows() {
    let machine = scenario();
    std::fs::rename(machine.path(VASSALS), machine.path("srv")).unwrap();
    std::os::unix::fs::symlink(machine.path("srv"), machine.path(VASSALS)).unwrap();
    let shown = machine.say("show", &["cow", "--json"]).json();
    assert!(
        shown["drop_in"]
            .as_str()
            .unwrap()
            .contains("Documentation=file:///etc/uwsgi/vassals/cow.ini\n")
    );
}
