//! The order of a start, with a double of the kernel that records the steps and fails at one of them.

use super::double::{Record, Root};
use super::*;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::settings::Emperor;
use vassal_config::machine::fake::FakeWorld;
use vassal_config::vassal::read::read;

/// The plan of a vassal's file under an emperor with these lines.
fn plan(emperor: &str, file: &str) -> Plan {
    let world = FakeWorld::with(&[("emperor.ini", emperor), ("u.ini", file)]);
    let (emperor, _) = Emperor::read(b"emperor.ini", &world).unwrap();
    read(&emperor, &VassalName::parse(b"u").unwrap(), &world)
        .unwrap()
        .plan
}

/// What both processes of a start of `plan` do, when one of them fails at a step.
fn start(plan: &Plan, root_fails: Option<usize>, app_fails: Option<usize>) -> (Record, Record, bool) {
    let (mut root, mut app) = (Record::failing_at(root_fails), Record::failing_at(app_fails));
    let kernel = Root {
        plan,
        root: &mut root,
        app: &mut app,
        reported: None,
    };
    let is_started = execute(plan, kernel).is_ok();
    (root, app, is_started)
}

const EMPEROR: &str = "[uwsgi]
emperor = /v
hook-as-emperor = print:the emperor's
hook-as-vassal = print:a
";
const EVERY_PHASE: &str = "[uwsgi]
socket = /run/u.sock
chown-socket = www
uid = 1000
gid = 1000
exec-as-user-atexit = true
hook-as-user = print:i
hook-as-root = umount:/old rec,detach
wait-for-interface = eth0
unshare2 = net
pivot_root = /new /new/old
hook-post-jail = print:e
unshare = ipc
hook-in-jail = print:d
hook-pre-jail = print:c
safe-pidfile = /run/u.pid
hook-asap = print:b
env = A=1
";
const PLAIN: &str = "[uwsgi]\nuid = 1000\ngid = 1000\n";

const ROOT: [&str; 28] = [
    "note foreign mounts",
    "as-vassal print:a",
    "settings A=1",
    "asap print:b",
    "files /run/u.pid",
    "pre-jail print:c",
    "in-jail print:d",
    "bind sockets",
    "unshare ipc",
    "post-jail print:e",
    "judge new root",
    "jail /new /new/old",
    "unshare2 net",
    "wait eth0",
    "as-root umount:/old rec,detach",
    "check old root",
    "find user",
    "prepare files",
    "copy keys",
    "connect",
    "fork",
    "write pidfiles",
    "wait for hooks",
    "find mountpoints",
    "let go",
    "wait for exec",
    "keep sockets",
    "become watchdog",
];
const APP: [&str; 13] = [
    "start session",
    "mount keys",
    "become user",
    "as-user print:i",
    "wait for go",
    "enter directory",
    "write pending lines",
    "place output",
    "seal",
    "filter calls",
    "reset signals",
    "place descriptors",
    "exec",
];

#[test]
fn every_phase_has_its_place_in_a_start() {
    let (root, app, is_started) = start(&plan(EMPEROR, EVERY_PHASE), None, None);
    assert!(is_started);
    assert_eq!(root.steps, ROOT);
    assert_eq!(app.steps, APP);
}

#[test]
fn after_a_step_of_root_that_fails_nothing_more_is_done() {
    let plan = plan(EMPEROR, EVERY_PHASE);
    let fork = ROOT.iter().position(|step| *step == "fork").unwrap();
    for (at, step) in ROOT.iter().enumerate() {
        let (root, app, is_started) = start(&plan, Some(at), None);
        assert!(!is_started, "{step}");
        assert_eq!(root.steps, ROOT[..=at], "{step}");
        // A process that is not forked does nothing, not even as the user.
        assert_eq!(app.steps.is_empty(), at <= fork, "{step}");
    }
}

#[test]
fn after_a_step_of_the_app_that_fails_it_does_nothing_more_and_there_is_no_watchdog() {
    let plan = plan(EMPEROR, EVERY_PHASE);
    for (at, step) in APP.iter().enumerate() {
        let (root, app, is_started) = start(&plan, None, Some(at));
        assert!(!is_started, "{step}");
        assert_eq!(app.steps, APP[..=at], "{step}");
        assert_eq!(
            root.steps.last().map(String::as_str),
            Some("wait for hooks"),
            "{step}"
        );
    }
}

#[test]
fn root_is_given_up_before_a_tenants_hook_and_every_capability_before_the_exec() {
    let (_, app, _) = start(&plan(EMPEROR, EVERY_PHASE), None, None);
    let at = |step: &str| app.steps.iter().position(|done| done == step).unwrap();
    assert!(at("become user") < at("as-user print:i"));
    assert!(at("wait for go") < at("seal"));
    assert!(at("seal") < at("filter calls") && at("filter calls") < at("exec"));
}

#[test]
fn the_emperors_own_hooks_are_not_run_inside() {
    let (root, app, _) = start(&plan(EMPEROR, EVERY_PHASE), None, None);
    let mut steps = root.steps.iter().chain(&app.steps);
    assert!(!steps.any(|step| step.starts_with("as-emperor")));
}

#[test]
fn an_app_with_nothing_to_report_is_not_waited_for_and_mountpoints_are_found_before_it_runs() {
    let (root, app, _) = start(&plan("[uwsgi]\nemperor = /v\n", PLAIN), None, None);
    let expected = [
        "note foreign mounts",
        "check old root",
        "find user",
        "prepare files",
        "copy keys",
        "connect",
        "find mountpoints",
        "fork",
        "write pidfiles",
        "wait for exec",
        "keep sockets",
        "become watchdog",
    ];
    assert_eq!(root.steps, expected);
    assert!(!app.steps.iter().any(|step| step == "wait for go"));
}

#[test]
fn without_an_owner_the_user_binds_the_unix_sockets_after_the_hooks() {
    let file = PLAIN.replace("uid", "socket = /run/u.sock\nhook-as-user = print:i\nuid");
    let (root, app, _) = start(&plan("[uwsgi]\nemperor = /v\n", &file), None, None);
    assert!(!root.steps.iter().any(|step| step == "bind sockets"));
    let at = |step: &str| app.steps.iter().position(|done| done == step).unwrap();
    assert!(at("as-user print:i") < at("bind sockets") && at("bind sockets") < at("wait for go"));
}

#[test]
fn with_mounts_of_its_own_the_vassal_has_the_copies_of_keys_already() {
    let emperor = "[uwsgi]\nemperor = /v\nemperor-use-clone = fs,pid\n";
    let (_, app, _) = start(&plan(emperor, PLAIN), None, None);
    assert_eq!(app.steps[..2], ["start session", "become user"]);
}

#[test]
fn without_a_filter_no_call_is_forbidden() {
    let file = format!("{PLAIN}[vassal]\nseccomp = false\n");
    let (_, app, _) = start(&plan("[uwsgi]\nemperor = /v\n", &file), None, None);
    assert!(!app.steps.iter().any(|step| step == "filter calls"));
}
