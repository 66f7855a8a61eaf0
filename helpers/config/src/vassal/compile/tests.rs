use super::*;
use crate::diagnostic::Origin;
use crate::hooks::namespaces::Namespaces;

fn entries(text: &str) -> Vec<Entry> {
    let line = |(number, line): (usize, &str)| {
        let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
        let origin = Origin::File {
            name: b"u.ini".as_slice().into(),
            line: number as u32 + 1,
            column: 1,
        };
        Entry::new(key.into(), Some(value.into()), origin)
    };
    text.lines().enumerate().map(line).collect()
}

fn plan(text: &str) -> Result<Plan, Vec<Diagnostic>> {
    compile(&entries(text), Settings::default(), &Emperor::default()).map(|(plan, _)| plan)
}

fn warnings(text: &str) -> Vec<String> {
    let (_, warnings) = compile(&entries(text), Settings::default(), &Emperor::default()).unwrap();
    warnings.iter().map(ToString::to_string).collect()
}

fn shown(operations: &[Operation]) -> Vec<String> {
    let place = |operation: &Operation| operation.origin.as_ref().map_or("-".into(), ToString::to_string);
    let text = |operation: &Operation| String::from_utf8_lossy(&operation.text).into_owned();
    operations
        .iter()
        .map(|each| format!("{} {} {}", place(each), each.phase, text(each)))
        .collect()
}

const COPY_ON_WRITE: &str = "uid = user001
hook-as-root = mount:proc none /proc
hook-pre-jail = callret:chdir /
pivot_root = /ufs /ufs/.old_root
exec-as-root = id
hook-as-root = umount:/.old_root rec,detach
exec-as-user = true
hook-in-jail = print:x
exec-as-user-atexit = fusermount -u /app
hook-pre-jail = exec:unionfs-fuse /ufs
mountpoint-check = /
psgi = /var/www/myapp.pl";

#[test]
fn the_steps_are_in_the_order_in_which_uwsgi_does_them() {
    let plan = plan(COPY_ON_WRITE).unwrap();
    assert_eq!(
        shown(&plan.operations),
        [
            "u.ini:3 pre-jail callret:chdir /",
            "u.ini:10 pre-jail exec:unionfs-fuse /ufs",
            "u.ini:8 in-jail print:x",
            "u.ini:4 jail /ufs /ufs/.old_root",
            "u.ini:2 as-root mount:proc none /proc",
            "u.ini:6 as-root umount:/.old_root rec,detach",
            "u.ini:5 as-root id",
            "- as-user ",
            "u.ini:7 as-user true",
        ]
    );
    assert_eq!(shown(&plan.atexit), ["u.ini:9 as-user-atexit fusermount -u /app"]);
    assert!(plan.changes_root);
    assert_eq!(plan.watch[0].path, b"/");
}

#[test]
fn what_is_left_for_uwsgi_is_its_own_and_what_the_taken_lines_implied() {
    let Payload::Uwsgi { entries, .. } = plan(COPY_ON_WRITE).unwrap().payload else {
        panic!("not uwsgi")
    };
    let keys: Vec<_> = entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.key))
        .collect();
    assert_eq!(keys, ["psgi", "master", "need-app"]);
}

#[test]
fn a_line_that_cannot_be_done_is_told_with_its_place() {
    const CASES: &[(&str, &str)] = &[
        (
            "uid = u\nhook-asap = mout:x",
            "u.ini:2: unknown hook action 'mout' (did you mean 'mount'?)",
        ),
        (
            "pivot_root = /ufs",
            "u.ini:1: pivot_root = /ufs: two absolute paths are needed",
        ),
        (
            "mountpoint-check = app",
            "u.ini:1: mountpoint-check = app: not an absolute path",
        ),
        (
            "unshare = fs,user",
            "u.ini:1: unshare: a vassal in a user namespace",
        ),
        ("cap = fly", "u.ini:1: cap: no capability in it"),
        ("file-write = /x", "u.ini:1: file-write = /x: no '=' in it"),
        ("ns = /root", "u.ini:1: 'ns' is not supported: "),
    ];
    for (text, message) in CASES {
        let error = plan(text).unwrap_err()[0].to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn an_app_without_its_plugin_is_what_is_wrong_if_it_does_not_load() {
    let hint = |text| plan(text).unwrap().app_hint;
    assert_eq!(
        hint("uid = u\npsgi = /a.pl").as_deref(),
        Some("u.ini:2: 'psgi' needs a line 'plugin = psgi'")
    );
    assert_eq!(hint("plugins = 0:psgi,http\npsgi = /a.pl"), None);
    assert_eq!(hint("plugin = python3\nwsgi-file = /a.py"), None);
}

#[test]
fn sockets_are_left_to_uwsgi_in_a_network_namespace_of_its_own() {
    let text = entries("http-socket = :9090");
    let count = |net| {
        let mut emperor = Emperor::default();
        emperor.namespaces = Namespaces {
            net,
            ..Namespaces::default()
        };
        compile(&text, Settings::default(), &emperor)
            .unwrap()
            .0
            .listeners
            .len()
    };
    assert_eq!((count(false), count(true)), (1, 0));
}

#[test]
fn every_line_that_is_wrong_is_told() {
    let errors = plan("hook-asap = x\nmountpoint-check = y\nsetns = /z\nuid = 0").unwrap_err();
    assert_eq!(errors.len(), 4, "{errors:?}");
}

const STEPS: &str = "wait-for-mountpoint = /m
wait-for-file = /f
wait-iface = lo
hook-as-root = print:r
hook-post-jail = print:pj
hook-pre-jail = print:j
exec-in-jail = true
file-write = /w=text
unshare = ipc,pid
unshare2 = net
chroot = /new
pidfile = /run/p
logto = /var/log/l
envdir = /e
env = A=B
hook-asap = print:a
umask = 027";

#[test]
fn options_that_are_no_hooks_have_their_place_among_them() {
    let plan = plan(STEPS).unwrap();
    assert_eq!(
        shown(&plan.operations),
        [
            "u.ini:15 settings A=B",
            "u.ini:17 settings 027",
            "u.ini:16 asap print:a",
            "u.ini:14 files /e",
            "u.ini:13 files /var/log/l",
            "u.ini:12 files /run/p",
            "u.ini:6 pre-jail print:j",
            "u.ini:7 in-jail true",
            "u.ini:8 in-jail /w=text",
            "u.ini:9 unshare ipc,pid",
            "u.ini:5 post-jail print:pj",
            "u.ini:11 jail /new",
            "u.ini:10 unshare2 net",
            "u.ini:3 wait lo",
            "u.ini:2 wait /f",
            "u.ini:1 wait /m",
            "u.ini:4 as-root print:r",
            "- as-user ",
        ]
    );
    assert!(plan.namespaces.pid && !plan.namespaces.ipc);
    let unshared = plan
        .operations
        .iter()
        .find_map(|operation| match operation.action {
            Action::Unshare(namespaces) => Some(namespaces),
            _ => None,
        });
    assert!(unshared.is_some_and(|namespaces| namespaces.ipc && !namespaces.pid));
}

#[test]
fn post_jail_runs_only_in_a_jail() {
    let text = "uid = u\nhook-post-jail = print:x";
    let runs = |text: &str| {
        let operations = plan(text).unwrap().operations;
        operations
            .iter()
            .any(|operation| operation.phase == Phase::PostJail)
    };
    assert!(!runs(text));
    assert!(warnings(text)[0].starts_with("u.ini:2: 'hook-post-jail' has no effect"));
    let text = format!("{text}\njailed = true");
    assert!(runs(&text));
    assert!(warnings(&text).is_empty());
}

#[test]
fn what_uwsgi_sees_too_is_left_to_it() {
    let text = "uid = u\numask = 027\nenv = A=B\nunprivileged-binary-patch = /u";
    let Payload::Uwsgi { entries, program } = plan(text).unwrap().payload else {
        panic!("not uwsgi")
    };
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_slice()).collect();
    assert_eq!(keys, [b"umask"]);
    assert_eq!(program.as_deref(), Some(&b"/u"[..]));
}

#[test]
fn a_log_that_uwsgi_opens_again_stays_its_own() {
    let opens = |text: &str| {
        let operations = plan(text).unwrap().operations;
        operations
            .iter()
            .any(|operation| matches!(operation.action, Action::OpenLog(_)))
    };
    assert!(opens("logto = /var/log/x.log"));
    assert!(!opens("logto = /var/log/x.log\nlog-maxsize = 1000"));
    assert!(!opens("logto = 127.0.0.1:514"));
    assert!(!opens("logto = /dev/stderr"));
}

#[test]
fn an_option_of_the_emperor_counts_only_in_a_vassal_that_is_one() {
    assert!(warnings("uid = u\nvassals-include = x")[0].contains("belongs in emperor.ini"));
    assert!(warnings("uid = u\nemperor = /v\nvassals-include = x").is_empty());
}

#[test]
fn hooks_of_a_vassal_whose_user_is_the_emperors_are_that_users() {
    let text = entries(
        "hook-asap = print:a\nhook-pre-jail = print:j\nhook-as-root = print:r\nhook-as-user = print:u",
    );
    let accounts = entries("uid = www-data\ngid = 33\nhook-as-emperor = print:e\nhook-as-vassal = print:v");
    let (emperor, _) = Emperor::from_entries(&accounts).unwrap();
    let (plan, warnings) = compile(&text, Settings::default(), &emperor).unwrap();
    let shown = |plan: &Plan| -> Vec<String> {
        let text = |each: &Operation| String::from_utf8_lossy(&each.text).replace("print:", "");
        let shown = |each: &Operation| format!("{} {}", each.phase, text(each));
        plan.operations.iter().map(shown).collect()
    };
    let users = [
        "as-user ",
        "as-user e",
        "as-user v",
        "as-user a",
        "as-user j",
        "as-user u",
    ];
    assert_eq!(shown(&plan), users);
    assert!(
        warnings
            .iter()
            .any(|warning| warning.message.contains("'hook-as-root' is not run"))
    );
    assert_eq!(plan.identity.uid, emperor.uid);
    assert_eq!(plan.identity.gid, emperor.gid);

    let own = [&text[..], &entries("uid = user001")].concat();
    let (plan, _) = compile(&own, Settings::default(), &emperor).unwrap();
    let roots = [
        "as-emperor e",
        "as-vassal v",
        "asap a",
        "pre-jail j",
        "as-root r",
        "as-user ",
        "as-user u",
    ];
    assert_eq!(shown(&plan), roots);
    assert_eq!(plan.identity.gid, None);
}
