//! vassalctl, in the hands of an administrator who looks at a tenant's vassal: nothing of the tenant's acts on his terminal, holds
//! the tool up, or gets at him.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Suite, installed, on_each_suite};

use super::connections::scene;

const LIMIT: Duration = Duration::from_secs(30);
const UNIT: &str = "vassal@shown.service";

/// Everything that a tenant can have shown of his: names, command lines, words, the type of a filesystem.
const APP: &str = r#"
import ctypes, os, time
HARM = b"\x1b]0;owned\x07\x1b[2J\x1b[31m\nuser002 serving\r\xe2\x80\xaeabc\x9b"
libc = ctypes.CDLL(None)
for name in (b"one", b"two" * 2000):
    if os.fork() == 0:
        os.execv("/usr/bin/sleep", [HARM + name, "1000"])
os.write(1, HARM + b"\n" + b"\x1b[5m" * 5000 + b"\n")
libc.prctl(15, HARM[:15], 0, 0, 0)
open("/srv/shown/done", "w").close()
time.sleep(1000)
"#;

fn machine(suite: Suite) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    machine.make_dir("/etc/uwsgi/vassals", 0o755, Owner::ROOT);
    machine.make_dir("/srv/shown", 0o777, Owner::ROOT);
    machine
}

fn start(machine: &Machine, command: &str) {
    let text = format!("[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = {command}\n");
    machine.write("/etc/uwsgi/vassals/shown.ini", text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "start", UNIT]);
}

#[test]
fn nothing_that_a_tenant_can_name_or_say_acts_on_the_terminal_of_who_looks_at_his_vassal() {
    const LOOKS: [&str; 8] = [
        "list",
        "list --json",
        "status shown",
        "status --json shown",
        "stats",
        "stats --json",
        "metrics",
        "logs shown",
    ];
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.write("/srv/shown.py", APP, 0o644, Owner::ROOT);
        start(&machine, "exec python3 /srv/shown.py");
        machine.wait_for("three processes", LIMIT, || {
            let seen = machine
                .sh("test -e /srv/shown/done; echo $?; pgrep -xc sleep")
                .stdout;
            if seen == "0\n2\n" { Ok(()) } else { Err(seen) }
        });
        machine.must(&["journalctl", "--sync"]);
        for look in LOOKS {
            let words = format!("vassalctl {look}");
            for (on, how) in [
                ("a pipe", words.clone()),
                ("a terminal", format!("PAGER=cat script -qec '{words}' /dev/null")),
            ] {
                let shown = machine.run(&["sh", "-c", &how]);
                assert!(shown.succeeded(), "{suite}: {look} on {on}: {shown}");
                // Colors of its own are the tool's, on a terminal only.
                let plain = without_colors(&shown.stdout);
                let odd = plain
                    .chars()
                    .find(|char| (char.is_control() && !"\n\r\t".contains(*char)) || *char == '\u{202e}');
                assert_eq!(
                    odd,
                    None,
                    "{suite}: {look} on {on}: {}",
                    shown.stdout.escape_debug()
                );
                assert!(
                    !plain.lines().any(|line| line.trim_start().starts_with("user002")),
                    "{suite}: {look} on {on}: {plain}"
                );
            }
        }
    });
}

/// The text without what sets colors (and nothing else of a terminal).
fn without_colors(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|char: char| !(char.is_ascii_digit() || char == ';'));
        match end.map(|end| part.split_at(end)) {
            Some((_, rest)) if rest.starts_with('m') => plain.push_str(&rest[1..]),
            _ => plain.push_str(&format!("\x1b[{part}")),
        }
    }
    plain
}

#[test]
fn a_process_that_enters_a_vassal_has_neither_the_terminal_nor_a_way_to_more_privileges() {
    // What it is asked; its terminal, where its standard descriptors lead, and whether set-user-id programs give it anything.
    const LOOK: &str = "cut -d\" \" -f7 /proc/self/stat; readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2; \
        grep NoNewPrivs /proc/self/status";
    on_each_suite(|suite| {
        let machine = machine(suite);
        start(&machine, "exec sleep infinity");
        machine.write("/srv/look", format!("#!/bin/sh\n{LOOK}\n"), 0o755, Owner::ROOT);
        let own = machine.must_sh("script -qec 'readlink /proc/self/fd/0' /dev/null");
        assert!(own.starts_with("/dev/pts/"), "{own}");
        for way in [
            "vassalctl enter shown /srv/look",
            "vassalctl enter shown /srv/look </dev/null",
            "vassalctl enter shown /srv/look </dev/null 2>&1 | cat",
        ] {
            machine.write("/srv/way", format!("#!/bin/sh\ntty=$(tty); {way} >/srv/out-$$ 2>&1; {way}\necho code=$? tty=$tty $(cut -d' ' -f7 /proc/self/stat)\n"), 0o755, Owner::ROOT);
            let seen = machine
                .must_sh("script -qec /srv/way /dev/null")
                .replace('\r', "");
            let (tty, number) = {
                let last = seen.lines().last().unwrap_or_default();
                let mut words = last.split_whitespace().skip(1);
                (
                    words
                        .next()
                        .unwrap_or_default()
                        .trim_start_matches("tty=")
                        .to_owned(),
                    words.next().unwrap_or_default().to_owned(),
                )
            };
            let inside: Vec<&str> = seen.lines().collect();
            assert!(inside.contains(&"NoNewPrivs:\t1"), "{suite}: {way}: {seen}");
            assert!(
                !inside[..inside.len() - 1].contains(&number.as_str()),
                "{suite}: {way}: {seen}"
            );
            assert!(
                !inside[..inside.len() - 1].contains(&tty.as_str()),
                "{suite}: {way}: {seen}"
            );
            assert!(seen.contains("code=0"), "{suite}: {way}: {seen}");
        }
        let code = machine.run(&["vassalctl", "enter", "shown", "--", "sh", "-c", "exit 7"]);
        assert_eq!(code.status.code(), Some(7), "{suite}: {code}");
        let fed = machine.must_sh("echo fed | vassalctl enter shown cat");
        assert_eq!(fed, "fed", "{suite}");
    });
}

#[test]
fn a_pager_of_a_user_who_may_only_look_opens_no_shell_of_roots() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        start(&machine, "exec sleep infinity");
        // What stands for less says what it was given.
        machine.make_dir("/srv/bin", 0o755, Owner::ROOT);
        machine.write(
            "/srv/bin/less",
            "#!/bin/sh\necho secure=$LESSSECURE >/srv/shown/less; cat\n",
            0o755,
            Owner::ROOT,
        );
        let look = |variables: &str| {
            machine.must_sh(&format!(
                "rm -f /srv/shown/*; unset PAGER SYSTEMD_PAGER; PATH=/srv/bin:$PATH {variables} script -qec 'vassalctl list' /dev/null; cat /srv/shown/*"
            ))
        };
        // With sudo the variables of the one who calls it do not decide what root runs.
        let seen = look("SUDO_UID=20001 PAGER='touch /srv/shown/pwned;'");
        assert!(seen.ends_with("secure=1"), "{suite}: {seen}");
        assert!(!machine.sh("test -e /srv/shown/pwned").succeeded(), "{suite}");
        let seen = look("");
        assert!(seen.ends_with("secure=1"), "{suite}: {seen}");
        // root's own is root's business.
        look("PAGER='touch /srv/shown/roots; cat'");
        machine.must(&["test", "-e", "/srv/shown/roots"]);
    });
}

#[test]
fn a_file_that_does_not_answer_keeps_no_tool_from_the_other_vassals() {
    const LOOKS: [&str; 4] = ["list", "status user001", "stats --json", "metrics"];
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        scene::mount_on_host(&machine, "/hz", 0);
        let text = "[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = exec sleep infinity\n";
        machine.write("/etc/uwsgi/vassals/user001.ini", text, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&["systemctl", "start", "vassal@user001.service"]);
        machine.must_sh("ln -s /hz/ok /etc/uwsgi/vassals/hung.ini; pkill -STOP -x faultfs");
        for look in LOOKS {
            let shown = machine.run(&["sh", "-c", &format!("timeout --kill-after=1 12 vassalctl {look}")]);
            assert!(shown.succeeded(), "{suite}: {look}: {shown}");
            assert!(shown.stdout.contains("user001"), "{suite}: {look}: {shown}");
        }
        machine.must_sh("pkill -CONT -x faultfs");
        let shown = machine.must(&["vassalctl", "list"]);
        assert!(shown.contains("hung"), "{suite}: {shown}");
    });
}
