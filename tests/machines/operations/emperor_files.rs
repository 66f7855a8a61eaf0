//! The emperor's file as distributions and people have it.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Suite, fixtures, installed, on_each_suite};

const LIMIT: Duration = Duration::from_secs(20);

/// Options of the kind that Debian's package has.
const DEBIAN: &str = "\
[uwsgi]
master = true
workers = 2
no-orphans = true
log-date = true
uid = www-data
gid = www-data
emperor = /etc/uwsgi-emperor/vassals
";

/// Options of the kind that Fedora's has.
const FEDORA: &str = "\
[uwsgi]
uid = uwsgi
gid = uwsgi
pidfile = /run/uwsgi/uwsgi.pid
emperor = /etc/uwsgi.d
stats = /run/uwsgi/stats.sock
chmod-socket = 660
emperor-tyrant = true
cap = setgid,setuid
";

/// Options of the kind that OpenWrt's has.
const OPENWRT: &str = "\
[uwsgi]
strict = true
plugin = syslog
emperor = /etc/uwsgi/vassals/*.ini
cheap = true
idle = 360
";

fn app(port: u16) -> String {
    format!("[uwsgi]\nplugin = psgi\nhttp-socket = :{port}\npsgi = /srv/app/myapp.pl\n")
}

fn machine(suite: Suite) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    machine.write("/srv/app/myapp.pl", fixtures::psgi_app("app"), 0o644, Owner::ROOT);
    machine.write("/srv/app/name", "app\n", 0o644, Owner::ROOT);
    machine.must(&["rm", "/etc/vassal/emperor.ini"]);
    machine
}

fn write(machine: &Machine, path: &str, text: impl AsRef<[u8]>) {
    machine.write(path, text, 0o644, Owner::ROOT);
}

/// The vassal is started, serves, is read by `vassalctl`, and its app runs as this user.
fn serves(machine: &Machine, name: &str, port: u16, user: &str) {
    machine.must(&["systemctl", "daemon-reload"]);
    let wanted = machine.unit("vassals.target", "Wants");
    assert!(wanted.contains(&format!("vassal@{name}.service")), "{wanted}");
    machine.must(&["systemctl", "start", &format!("vassal@{name}")]);
    machine.poll_http(port, "/live", LIMIT);
    let users = machine.must_sh("ps -o user= -C uwsgi | sort -u");
    assert_eq!(users, user, "{}: {name}", machine.suite());
    machine.must(&["vassalctl", "show", name]);
    machine.must(&["systemctl", "reload", &format!("vassal@{name}")]);
    machine.must(&["systemctl", "stop", &format!("vassal@{name}")]);
}

#[test]
fn debians_file_is_taken_as_it_is_and_its_user_is_that_of_the_vassals() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        write(&machine, "/etc/uwsgi-emperor/emperor.ini", DEBIAN);
        write(&machine, "/etc/uwsgi-emperor/vassals/one.ini", app(9090));
        write(
            &machine,
            "/etc/uwsgi-emperor/vassals/own.ini",
            app(9090) + "uid = user001\ngid = user001\n",
        );
        let ways = [
            "ln --symbolic --force /etc/uwsgi-emperor/emperor.ini /etc/vassal/emperor.ini",
            "rm /etc/vassal/emperor.ini; printf '[uwsgi]\\ninclude = /etc/uwsgi-emperor/emperor.ini\\nemperor-use-clone = fs,pid\\n' >/etc/vassal/emperor.ini",
        ];
        for way in ways {
            machine.must_sh(way);
            serves(&machine, "one", 9090, "www-data");
            serves(&machine, "own", 9090, "user001");
        }
        machine.must_sh("vassalctl check || test $? = 1");
    });
}

#[test]
fn fedoras_file_is_taken_without_the_tyrant() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must(&["useradd", "--system", "uwsgi"]);
        write(&machine, "/etc/uwsgi.ini", FEDORA);
        write(&machine, "/etc/uwsgi.d/one.ini", app(9090));
        machine.must_sh("ln --symbolic /etc/uwsgi.ini /etc/vassal/emperor.ini");
        assert!(
            !machine.run(&["systemctl", "start", "vassal@one"]).succeeded(),
            "{suite}"
        );
        let status = machine.status("vassal@one").stdout;
        assert!(
            status.contains("emperor.ini:8: emperor-tyrant is not supported")
                && status.contains("leave it out"),
            "{suite}: {status}"
        );
        machine.must_sh("sed --in-place '/emperor-tyrant/d' /etc/uwsgi.ini");
        serves(&machine, "one", 9090, "uwsgi");
    });
}

#[test]
fn openwrts_pattern_finds_the_vassals() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        write(&machine, "/etc/vassal/emperor.ini", OPENWRT);
        let user = "uid = www-data\ngid = www-data\n";
        write(&machine, "/etc/uwsgi/vassals/one.ini", app(9090) + user);
        write(&machine, "/etc/uwsgi/vassals/no.conf", app(9090));
        serves(&machine, "one", 9090, "www-data");
        // With wildcards on the way, with a scheme, and two files that have the same name.
        write(
            &machine,
            "/etc/vassal/emperor.ini",
            "[uwsgi]\nemperor = glob:///srv/*/conf/*.ini\n",
        );
        write(&machine, "/srv/a/conf/two.ini", app(9091) + user);
        write(&machine, "/srv/b/conf/three.ini", app(9092) + user);
        write(&machine, "/srv/b/conf/two.ini", app(9093) + user);
        serves(&machine, "two", 9091, "www-data");
        serves(&machine, "three", 9092, "www-data");
        let check = machine.run(&["vassalctl", "check"]).stdout;
        assert!(
            check.contains("/srv/b/conf/two.ini") && check.contains("an earlier"),
            "{suite}: {check}"
        );
    });
}

#[test]
fn a_relative_path_begins_at_chdir_or_is_refused_with_the_line_to_write() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let user = "uid = www-data\ngid = www-data\n";
        write(&machine, "/etc/uwsgi/vassals/one.ini", app(9090) + user);
        write(
            &machine,
            "/etc/vassal/emperor.ini",
            "[uwsgi]\nemperor = etc/uwsgi/vassals\n",
        );
        assert!(
            !machine.run(&["systemctl", "start", "vassal@one"]).succeeded(),
            "{suite}"
        );
        let status = machine.status("vassal@one").stdout;
        assert!(
            status.contains("'emperor = /etc/uwsgi/vassals'"),
            "{suite}: {status}"
        );
        write(
            &machine,
            "/etc/vassal/emperor.ini",
            "[uwsgi]\nchdir = /etc/uwsgi\nemperor = vassals\n",
        );
        serves(&machine, "one", 9090, "www-data");
    });
}

/// What each hook leaves says who ran it. As under uWSGI (measured beside it): those before as-root are the Emperor's user's, and
/// as-root ones are not run; a vassal with a user of its own has all of them, those of root too.
#[test]
fn under_an_emperor_with_a_user_no_hook_of_its_vassals_is_roots() {
    const HOOKS: [&str; 6] = [
        "as-emperor",
        "as-vassal",
        "asap",
        "pre-jail",
        "as-root",
        "as-user",
    ];
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.make_dir("/srv/who", 0o777, Owner::ROOT);
        let hook = |phase: &str, user: &str| format!("hook-{phase} = exec:id -un >/srv/who/{user}.{phase}\n");
        let emperor = format!(
            "{DEBIAN}emperor-use-clone = fs,pid\nhook-as-emperor = exec:id -un >/srv/who/e.as-emperor\n\
            vassals-stop-hook = /usr/local/bin/gone\n{}",
            hook("as-vassal", "e")
        );
        write(&machine, "/etc/vassal/emperor.ini", emperor);
        machine.write(
            "/usr/local/bin/gone",
            "#!/bin/sh\nid -un >/srv/who/e.stop\n",
            0o755,
            Owner::ROOT,
        );
        let hooks = |user: &str| {
            HOOKS[2..]
                .iter()
                .map(|phase| hook(phase, user))
                .collect::<String>()
        };
        write(
            &machine,
            "/etc/uwsgi-emperor/vassals/one.ini",
            app(9090) + &hooks("one"),
        );
        let own = "uid = user001\ngid = user001\n";
        write(
            &machine,
            "/etc/uwsgi-emperor/vassals/own.ini",
            app(9090) + own + &hooks("own"),
        );
        serves(&machine, "one", 9090, "www-data");
        let who = machine.must_sh("cd /srv/who; grep . *");
        let expected = "e.as-emperor:www-data\ne.as-vassal:www-data\ne.stop:www-data\none.as-user:www-data\none.asap:www-data\none.pre-jail:www-data";
        assert_eq!(who, expected, "{suite}");
        machine.must_sh("rm /srv/who/*");
        serves(&machine, "own", 9090, "user001");
        let who = machine.must_sh("cd /srv/who; grep . own.*");
        assert_eq!(
            who, "own.as-root:root\nown.as-user:user001\nown.asap:root\nown.pre-jail:root",
            "{suite}"
        );
    });
}
