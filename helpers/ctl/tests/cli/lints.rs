//! Each trap: a machine and a file that step into it, and the nearest that do not.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::machine::{Machine, VASSALS};
use crate::seed;

/// What the program finds in `text` on `machine`: level, rule and line of each.
fn found(machine: &Machine, text: &str, args: &[&str]) -> Vec<(String, String, u64)> {
    machine.vassal("user001", text);
    let said = machine.say("check", &[&["--json", VASSALS], args].concat());
    let report = said.json();
    let findings = report["files"][0]["findings"].as_array().unwrap();
    assert!(
        findings.iter().all(|each| each["hint"] != Value::Null),
        "{report}"
    );
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .iter()
        .map(|each| {
            (
                text(&each["level"]),
                text(&each["rule"]),
                each["line"].as_u64().unwrap_or(0),
            )
        })
        .collect()
}

fn fires(machine: &Machine, text: &str, level: &str, rule: &str, line: u64) {
    let found = found(machine, text, &[]);
    assert_eq!(found, [(level.to_owned(), rule.to_owned(), line)], "{text}");
}

fn is_quiet(machine: &Machine, text: &str) {
    assert_eq!(found(machine, text, &[]), [], "{text}");
}

/// The copy-on-write root without its note: the writable branch first.
fn cow() -> String {
    seed::COPY_ON_WRITE.replace("/precise=RO:/cow/%(uid)=RW", "/cow/%(uid)=RW:/precise=RO")
}

#[test]
fn an_app_without_its_plugin() {
    let machine = Machine::new();
    let text = seed::ZIP.replace("plugin = psgi\n", "");
    fires(&machine, &text, "warning", "missing-plugin", 9);
    fires(
        &machine,
        &text.replace("psgi =", "myapp ="),
        "note",
        "unknown-option",
        9,
    );
    is_quiet(&machine, seed::ZIP);
}

#[test]
fn a_fuse_device_that_is_missing_or_closed() {
    let machine = Machine::new();
    machine.set_mode("dev/fuse", 0o600);
    fires(&machine, seed::ZIP, "warning", "fuse-device", 7);
    is_quiet(&machine, &cow());
    machine.remove("dev/fuse");
    fires(&machine, &cow(), "warning", "fuse-device", 14);
    is_quiet(&machine, "[uwsgi]\nuid = user001\n");
    assert_eq!(found(&machine, seed::ZIP, &["--files-only"]), []);
    machine.remove("dev/null");
    is_quiet(&machine, seed::ZIP);
}

#[test]
fn a_mountpoint_that_is_missing_or_not_the_users() {
    let machine = Machine::new();
    machine.set_mode("app", 0o555);
    fires(&machine, seed::ZIP, "warning", "mountpoint-directory", 7);
    machine.remove("app");
    fires(&machine, seed::ZIP, "warning", "mountpoint-directory", 7);
    let made = seed::ZIP.replace(
        "if-not-reload =\n",
        "if-not-reload =\nhook-as-root = mkdir:/app\n",
    );
    is_quiet(&machine, &made);
    is_quiet(&machine, &seed::ZIP.replace("fuse-zip", "mkdir /app; fuse-zip"));
    machine.remove("ufs");
    fires(&machine, &cow(), "warning", "mountpoint-directory", 14);
    let bind = "[uwsgi]\nuid = user001\nmount-as-root = none /srv /mnt/srv bind\n";
    fires(&machine, bind, "warning", "mountpoint-directory", 3);
    assert_eq!(found(&machine, bind, &["--files-only"]), []);
}

#[test]
fn a_mountpoint_in_a_group_of_the_users() {
    let machine = Machine::new();
    let group = machine.path("etc/group");
    let own = std::fs::read_to_string(&group).unwrap();
    let gid = own.lines().last().unwrap().split(':').nth(2).unwrap().to_owned();
    machine.write("etc/passwd", "user001:x:54321:54321:::\n");
    machine.write(
        "etc/group",
        &format!("user001:x:54321:\nweb:x:{gid}:other,user001\n"),
    );
    machine.set_mode("app", 0o775);
    is_quiet(&machine, seed::ZIP);
    machine.set_mode("app", 0o755);
    fires(&machine, seed::ZIP, "warning", "mountpoint-directory", 7);
    machine.set_mode("app", 0o1777);
    fires(&machine, seed::ZIP, "warning", "mountpoint-directory", 7);
}

#[test]
fn a_user_who_is_missing_on_the_host_or_in_the_new_root() {
    let machine = Machine::new();
    let user = "[uwsgi]\nuid = user002\ngid = user001\n";
    fires(&machine, user, "warning", "missing-user", 2);
    fires(
        &machine,
        "[uwsgi]\nuid = 1234\nadd-gid = user002\n",
        "warning",
        "missing-user",
        3,
    );
    assert_eq!(found(&machine, user, &["--files-only"]), []);
    machine.write("ns/precise/etc/passwd", "root:x:0:0:::\n");
    fires(&machine, &cow(), "warning", "missing-user", 9);
    // What a tenant has added counts if the host says the same.
    machine.write("ns/cow/user001/etc/passwd", "user001:x:1:1:::\n");
    fires(&machine, &cow(), "warning", "missing-user", 9);
    machine.write("etc/passwd", "root:x:0:0:::\n");
    fires(&machine, &cow(), "warning", "missing-user", 9);
    machine.write("etc/passwd", "user001:x:1:1:::\n");
    is_quiet(&machine, &cow());
    // A root of which nothing can be seen is not judged.
    machine.remove("ns/precise/etc");
    machine.remove("ns/cow/user001/etc");
    is_quiet(&machine, &cow());
}

#[test]
fn a_user_who_is_missing_in_a_root_made_by_bind_overlay_or_chroot() {
    let machine = Machine::new();
    machine.write("ns/precise/etc/passwd", "root:x:0:0:::\n");
    machine.remove("ns/precise/etc/group");
    let pivot = "pivot_root = /ufs /ufs/.old_root\n";
    let bind = format!("[uwsgi]\nuid = user001\nmount-pre-jail = none /ns/precise /ufs bind\n{pivot}");
    fires(&machine, &bind, "warning", "missing-user", 2);
    let data = "lowerdir=/ns/precise,upperdir=/ns/cow/user001,workdir=/ns/work";
    let overlay = format!("[uwsgi]\nuid = user001\nmount-pre-jail = overlay none /ufs nodev {data}\n{pivot}");
    fires(&machine, &overlay, "warning", "missing-user", 2);
    fires(
        &machine,
        "[uwsgi]\nuid = user001\nchroot = /ns/precise\n",
        "warning",
        "missing-user",
        2,
    );
    machine.write("ns/precise/etc/passwd", "user001:x:1:1:::\n");
    for text in [&bind, &overlay, "[uwsgi]\nuid = user001\nchroot = /ns/precise\n"] {
        is_quiet(&machine, text);
    }
}

#[test]
fn a_command_of_roots_in_a_root_that_is_not_roots_alone() {
    let machine = Machine::new();
    let union = format!("{}exec-as-root = true\n", cow());
    fires(&machine, &union, "warning", "foreign-root", 31);
    is_quiet(&machine, &format!("{union}[vassal]\ntrust-root = true\n"));
    is_quiet(
        &machine,
        &cow().replace("gid = user001", "gid = user001\nexec-pre-jail = true"),
    );
    let chroot = "[uwsgi]\nuid = user001\nchroot = /ns/precise\nhook-as-root = exec:true\n";
    is_quiet(&machine, chroot);
    machine.set_mode("ns/precise/etc", 0o777);
    fires(&machine, chroot, "warning", "foreign-root", 4);
    assert_eq!(found(&machine, chroot, &["--files-only"]), []);
}

#[test]
fn a_new_root_without_a_user() {
    let machine = Machine::new();
    let text = cow()
        .replace("uid = user001\ngid = user001\n", "")
        .replace("%(uid)", "user001");
    let all = found(&machine, &text, &[]);
    assert!(
        all.contains(&("note".to_owned(), "pivot-without-uid".to_owned(), 15)),
        "{all:?}"
    );
    is_quiet(&machine, &cow());
}

#[test]
fn a_union_that_waits_for_itself() {
    let machine = Machine::new();
    let text = cow()
        .replace("chroot=/ns,", "")
        .replace("/cow/%", "/ns/cow/%")
        .replace("/precise=RO", "/ns/precise=RO");
    fires(&machine, &text, "warning", "union-deadlock", 14);
    // Without pivot_root the daemon's root stays what it is.
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("old_root") && !line.contains("as-root"))
        .collect();
    is_quiet(&machine, &lines.join("\n").replace("check = /", "check = /ufs"));
    let overlay = text.replace(
        "unionfs-fuse -ocow,default_permissions,allow_other /ns/cow/%(uid)=RW:/ns/precise=RO",
        "fuse-overlayfs -o lowerdir=/ns/precise,upperdir=/ns/cow/%(uid),workdir=/ns/work",
    );
    fires(&machine, &overlay, "warning", "union-deadlock", 14);
}

#[test]
fn branches_that_are_missing_doubled_or_in_the_wrong_order() {
    let machine = Machine::new();
    fires(&machine, seed::COPY_ON_WRITE, "note", "union-order", 14);
    is_quiet(&machine, &cow());
    machine.remove("ns/cow/user001");
    fires(&machine, &cow(), "warning", "union-branch", 14);
    assert_eq!(found(&machine, &cow(), &["--files-only"]), []);
    let doubled = cow().replace("/precise=RO", "/ns/precise=RO");
    let all = found(&machine, &doubled, &["--files-only"]);
    assert_eq!(all, [("warning".to_owned(), "union-chroot".to_owned(), 14)]);
}

#[test]
fn an_unmount_at_exit_which_a_reload_of_uwsgis_does_too() {
    let machine = Machine::new();
    fires(&machine, seed::ZIP_ATEXIT, "note", "unmount-at-exit", 13);
    is_quiet(
        &machine,
        &seed::ZIP_ATEXIT.replace("fusermount -u /app", "fusermount -u /other"),
    );
    is_quiet(
        &machine,
        &seed::ZIP_ATEXIT.replace("fusermount -u /app", "echo bye"),
    );
}

#[test]
fn a_check_of_a_path_that_no_hook_mounts() {
    let machine = Machine::new();
    let text = seed::ZIP_WATCHED.replace("mountpoint-check = /app", "mountpoint-check = /ap");
    fires(&machine, &text, "warning", "unmounted-check", 11);
    fires(
        &machine,
        &seed::ZIP_WATCHED.replace("check = /app", "check = /"),
        "warning",
        "unmounted-check",
        11,
    );
    is_quiet(&machine, seed::ZIP_WATCHED);
    is_quiet(&machine, &text.replace("fuse-zip", "/usr/local/bin/mount-all"));
    let mount = "[uwsgi]\nuid = user001\nmount-as-root = tmpfs none /app\nmountpoint-check = /app\n";
    is_quiet(&machine, mount);
    // The app sees what is mounted below the new root without that root's name.
    let inner = cow().replace("mountpoint-check = /", "mountpoint-check = /data");
    fires(&machine, &inner, "warning", "unmounted-check", 30);
    let mounted = inner.replace(
        "pivot_root =",
        "hook-pre-jail = mount:tmpfs none /ufs/data\npivot_root =",
    );
    is_quiet(&machine, &mounted);
}

#[test]
fn a_plugin_that_anything_needs_and_no_line_loads() {
    let machine = Machine::new();
    for line in [
        "rack = /app/config.ru",
        "php-docroot = /app",
        "cgi = /app",
        "http = :8080",
        "fastrouter = :8080",
        "logger = file:/tmp/x",
        "route = ^/old redirect:/new",
        "gevent = 10",
    ] {
        let text = format!("[uwsgi]\nuid = user001\n{line}\n");
        fires(&machine, &text, "warning", "missing-plugin", 3);
    }
    machine.write("usr/lib/uwsgi/plugins/http_plugin.so", "");
    is_quiet(&machine, "[uwsgi]\nuid = user001\nplugin = http\nhttp = :8080\n");
    is_quiet(&machine, "[uwsgi]\nuid = user001\nroute = ^/old log:old\n");
}

#[test]
fn a_name_that_is_almost_an_option() {
    let machine = Machine::new();
    let start = "[uwsgi]\nuid = user001\n";
    for line in ["mountpoint-chek = /app", "proceses = 2", "exec-as-usr = true"] {
        fires(
            &machine,
            &format!("{start}{line}\n"),
            "warning",
            "unknown-option",
            3,
        );
    }
    fires(
        &machine,
        &format!("{start}my-own-thing = 1\n"),
        "note",
        "unknown-option",
        3,
    );
    // Placeholders, declared options, and the options of a plugin nobody knows.
    for lines in [
        "base = /srv\nchdir = %(base)/app\n",
        "set-placeholder = proceses=2\n",
        "declare-option = proceses=processes=$1\nproceses = 2\n",
        "proceses = 2\nif-opt = proceses=2\nmaster = true\nendif =\n",
    ] {
        is_quiet(&machine, &format!("{start}{lines}"));
    }
    machine.write("usr/lib/uwsgi/plugins/mine_plugin.so", "");
    is_quiet(&machine, &format!("{start}plugin = mine\nproceses = 2\n"));
}

#[test]
fn a_section_or_a_directive_that_nothing_reads() {
    let machine = Machine::new();
    let start = "[uwsgi]\nuid = user001\n";
    for section in ["vasal", "service", "Vassal", "units", "UWSGI"] {
        let text = format!("{start}[{section}]\nTasksMax = 5\n");
        fires(&machine, &text, "warning", "unknown-section", 4);
    }
    is_quiet(&machine, &format!("{start}[staging]\nprocesses = 5\n"));
    fires(
        &machine,
        &format!("{start}[Service]\nMemoryMx = 1G\n"),
        "warning",
        "unknown-directive",
        4,
    );
    fires(
        &machine,
        &format!("{start}[Unit]\nSomethingNew = 1\n"),
        "warning",
        "unknown-directive",
        4,
    );
    is_quiet(
        &machine,
        &format!("{start}[Service]\nMemoryMax = 1G\n[Unit]\nX-Mine = 1\n"),
    );
}

#[test]
fn a_limit_that_systemd_cannot_read_is_an_error() {
    let machine = Machine::new();
    for line in [
        "MemoryMax = 100MB",
        "MemoryMax = 20Q",
        "CPUQuota = 50",
        "TasksMax = many",
    ] {
        let text = format!("[uwsgi]\nuid = user001\n[Service]\n{line}\n");
        fires(&machine, &text, "error", "", 4);
    }
}

#[test]
fn a_file_whose_directory_is_missing_or_closed_to_the_user() {
    let machine = Machine::new();
    let start = "[uwsgi]\nuid = user001\n";
    for line in [
        "logto = /var/log/apps/a.log",
        "pidfile = /run/apps/a.pid",
        "http-socket = /run/apps/a.sock",
    ] {
        fires(
            &machine,
            &format!("{start}{line}\n"),
            "warning",
            "file-directory",
            3,
        );
    }
    is_quiet(
        &machine,
        &format!("{start}hook-asap = mkdir:/run/apps\nhttp-socket = /run/apps/a.sock\n"),
    );
    std::fs::create_dir_all(machine.path("run/apps")).unwrap();
    is_quiet(&machine, &format!("{start}http-socket = /run/apps/a.sock\n"));
    machine.write("etc/passwd", "user001:x:54321:54321:::\n");
    machine.write("etc/group", "user001:x:54321:\n");
    fires(
        &machine,
        &format!("{start}http-socket = /run/apps/a.sock\n"),
        "warning",
        "socket-directory",
        3,
    );
    is_quiet(
        &machine,
        &format!("{start}chown-socket = user001\nhttp-socket = /run/apps/a.sock\n"),
    );
}

#[test]
fn a_port_that_only_root_may_bind_and_uwsgi_binds_as_the_user() {
    let machine = Machine::new();
    machine.write("etc/passwd", "user001:x:54321:54321:::\n");
    let start = "[uwsgi]\nuid = user001\n";
    machine.write("usr/lib/uwsgi/plugins/http_plugin.so", "");
    let http = "plugin = http\nhttp = localhost:80\n";
    for line in [
        http,
        "plugin = http\nhttps2 = addr=localhost:443,spdy=1\n",
        "master = 1\nstats = :99\n",
    ] {
        fires(&machine, &format!("{start}{line}"), "warning", "low-port", 4);
    }
    let mixed = "shared-socket = localhost:80\nshared-socket = 127.0.0.1:9000\n";
    fires(&machine, &format!("{start}{mixed}"), "warning", "low-port", 3);
    is_quiet(
        &machine,
        &format!("{start}plugin = http\nshared-socket = :80\nhttp = =0\n"),
    );
    is_quiet(&machine, &format!("{start}http-socket = :80\n"));
    is_quiet(&machine, &format!("{start}plugin = http\nhttp = :80\n"));
    is_quiet(&machine, &format!("{start}{http}cap = net_bind_service\n"));
    is_quiet(
        &machine,
        &format!("{start}plugin = http\nhttp = localhost:8080\n"),
    );
    machine.write("proc/sys/net/ipv4/ip_unprivileged_port_start", "80\n");
    is_quiet(&machine, &format!("{start}{http}"));
}

#[test]
fn what_the_user_may_not_open_and_a_start_does_not_give_him() {
    let machine = Machine::new();
    machine.write("etc/passwd", "user001:x:54321:54321:::\n");
    machine.write("srv/lock", "");
    std::fs::create_dir_all(machine.path("srv/spool")).unwrap();
    let start = "[uwsgi]\nuid = user001\n";
    for line in ["spooler = /srv/spool", "flock = /srv/lock"] {
        fires(&machine, &format!("{start}{line}\n"), "warning", "users-file", 3);
    }
    is_quiet(&machine, &format!("{start}spooler = /srv/missing\n"));
    for line in [
        "pidfile2 = /srv/a.pid",
        "stats = /srv/a.sock",
        "master-fifo = /srv/a",
        "cache2 = name=x,items=10,store=/srv/a",
        "shared-socket = /srv/a.sock",
    ] {
        fires(
            &machine,
            &format!("{start}{line}\n"),
            "warning",
            "users-directory",
            3,
        );
    }
    is_quiet(
        &machine,
        &format!("{start}hook-asap = chown:/srv user001 user001\npidfile2 = /srv/a.pid\n"),
    );
    is_quiet(&machine, &format!("{start}stats = 127.0.0.1:9000\n"));
    let log = "log-reopen = true\nlogto = /var/log/none/a.log\n";
    fires(&machine, &format!("{start}{log}"), "warning", "file-directory", 4);
    let tls = "https-socket = :8443,/srv/cert.pem,/srv/lock\n";
    fires(&machine, &format!("{start}{tls}"), "warning", "key-file", 3);
    machine.write("srv/cert.pem", "");
    is_quiet(&machine, &format!("{start}{tls}"));
    std::fs::set_permissions(machine.path("srv/lock"), Permissions::from_mode(0o600)).unwrap();
    let hook = "exec-as-user = /bin/true\n";
    is_quiet(&machine, &format!("{start}{tls}{hook}"));
    machine.write(
        "etc/vassal/emperor.ini",
        "[uwsgi]\nemperor = /etc/uwsgi/vassals\n",
    );
    is_quiet(&machine, &format!("{start}{tls}"));
    fires(&machine, &format!("{start}{tls}{hook}"), "warning", "key-file", 3);
}
