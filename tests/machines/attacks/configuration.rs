//! The files that configure: what a tenant's filesystem, links and rights can do to those who read and write them.

use std::time::{Duration, Instant};

use vassal_tests::{Machine, Owner, Suite, installed, on_each_suite};

const FAULTFS: &str = env!("CARGO_BIN_EXE_faultfs");
const VASSALS: &str = "/etc/uwsgi/vassals";
const GENERATOR: &str = "/usr/lib/systemd/system-generators/vassal-generator";

/// What a daemon-reload may take when filesystems hang: two waits of a second, and what it takes otherwise.
const RELOAD_LIMIT: Duration = Duration::from_secs(4);

fn machine(suite: Suite) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    let program = match std::fs::read(FAULTFS) {
        Ok(program) => program,
        Err(reason) => panic!("{FAULTFS}: {reason}"),
    };
    machine.write("/usr/local/bin/faultfs", program, 0o755, Owner::ROOT);
    machine.must_sh("mkdir --parents /mnt/fault /mnt/place && faultfs --allow-other /mnt/fault");
    machine
}

/// A vassal whose unit has a limit.
fn limited(limit: &str) -> String {
    format!("[uwsgi]\nuid = user001\nhttp-socket = :9090\n[Service]\nMemoryMax={limit}\n")
}

fn write(machine: &Machine, name: &str, limit: &str) {
    machine.write(
        format!("{VASSALS}/{name}.ini"),
        limited(limit),
        0o644,
        Owner::ROOT,
    );
}

/// A daemon-reload that ends in time.
fn reload(machine: &Machine, what: &str) {
    let begun = Instant::now();
    machine.must(&["systemctl", "daemon-reload"]);
    let took = begun.elapsed();
    assert!(
        took < RELOAD_LIMIT,
        "{}: {what}: daemon-reload took {took:?}",
        machine.suite()
    );
}

fn has_limit(machine: &Machine, what: &str, name: &str, mebibytes: u64) {
    let seen = machine.unit(&format!("vassal@{name}.service"), "MemoryMax");
    assert_eq!(
        seen,
        (mebibytes << 20).to_string(),
        "{}: {what}: MemoryMax of {name}",
        machine.suite()
    );
}

/// Lets everybody go who waits for an answer.
fn release(machine: &Machine) {
    machine.must_sh("pkill -KILL faultfs; while pgrep vassal-generat >/dev/null; do sleep 0.01; done");
}

#[test]
fn a_file_that_does_not_answer_costs_its_vassal_its_news_and_nobody_anything() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for name in ["aaa", "hung", "zzz"] {
            write(&machine, name, "512M");
        }
        reload(&machine, "healthy");
        // The request for the open, for the bytes, for a page of them: the last two through the file that is open already.
        for (news, file) in [(1024, "open"), (1025, "hang"), (1026, "page")] {
            machine.must_sh(&format!(
                "cd {VASSALS}; ln --symbolic --force /mnt/fault/{file} hung.ini; ln --symbolic --force /mnt/fault/{file} never.ini"
            ));
            for name in ["aaa", "zzz"] {
                write(&machine, name, &format!("{news}M"));
            }
            reload(&machine, file);
            for name in ["aaa", "zzz"] {
                has_limit(&machine, file, name, news);
            }
            has_limit(&machine, file, "hung", 512);
            let wanted = machine.unit("vassals.target", "Wants");
            for name in ["aaa", "hung", "never", "zzz"] {
                let unit = format!("vassal@{name}.service");
                assert!(
                    wanted.contains(&unit),
                    "{suite}: {file}: {unit} is not in {wanted}"
                );
            }
            let shown = machine.must(&["systemctl", "cat", "vassal@hung.service"]);
            assert!(
                shown.contains("# ERROR: /etc/uwsgi/vassals/hung.ini: cannot read it: no answer"),
                "{shown}"
            );
        }
        release(&machine);
        write(&machine, "aaa", "600M");
        machine.must_sh(&format!("cd {VASSALS}; rm hung.ini"));
        write(&machine, "hung", "700M");
        reload(&machine, "mended");
        has_limit(&machine, "mended", "aaa", 600);
        has_limit(&machine, "mended", "hung", 700);
    });
}

#[test]
fn files_that_hang_in_many_vassals_are_not_waited_for_one_after_the_other() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.must_sh(&format!(
            "cd {VASSALS}; for n in $(seq 100); do ln --symbolic /mnt/fault/open a$n.ini; done"
        ));
        write(&machine, "a50b", "512M");
        write(&machine, "zzz", "512M");
        reload(&machine, "a hundred");
        has_limit(&machine, "a hundred", "a50b", 512);
        has_limit(&machine, "a hundred", "zzz", 512);
        release(&machine);
    });
}

#[test]
fn a_directory_or_an_emperors_file_that_does_not_answer_leaves_every_unit_as_it_is() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let emperor =
            "[uwsgi]\nemperor = /mnt/place\nemperor = /etc/uwsgi/vassals\nemperor-use-clone = fs,pid\n";
        machine.write("/etc/vassal/emperor.ini", emperor, 0o644, Owner::ROOT);
        write(&machine, "aaa", "512M");
        machine.write("/mnt/place/away.ini", limited("600M"), 0o644, Owner::ROOT);
        reload(&machine, "healthy");
        has_limit(&machine, "healthy", "away", 600);
        // Nothing in it answers, the lookup of a name neither.
        machine.must_sh("faultfs --allow-other /mnt/place");
        machine.must_sh("pkill -STOP --full '[/]mnt/place'");
        write(&machine, "aaa", "700M");
        reload(&machine, "a directory");
        has_limit(&machine, "a directory", "aaa", 700);
        has_limit(&machine, "a directory", "away", 600);
        let wanted = machine.unit("vassals.target", "Wants");
        assert!(wanted.contains("vassal@away.service"), "{suite}: {wanted}");

        // ln(1) would ask for the file itself.
        let link = "import os; os.remove('/etc/vassal/emperor.ini'); \
            os.symlink('/mnt/place/emperor.ini', '/etc/vassal/emperor.ini')";
        machine.must(&["python3", "-c", link]);
        write(&machine, "aaa", "800M");
        reload(&machine, "an emperor's file");
        has_limit(&machine, "an emperor's file", "aaa", 700);
        has_limit(&machine, "an emperor's file", "away", 600);

        // What includes a file that does not answer.
        let including = format!("{emperor}include = /mnt/place/more.ini\n");
        machine.must_sh("rm /etc/vassal/emperor.ini");
        machine.write("/etc/vassal/emperor.ini", including, 0o644, Owner::ROOT);
        reload(&machine, "an included file");
        has_limit(&machine, "an included file", "aaa", 700);

        release(&machine);
        machine.must_sh("umount --lazy /mnt/place");
        machine.write("/etc/vassal/emperor.ini", emperor, 0o644, Owner::ROOT);
        reload(&machine, "mended");
        has_limit(&machine, "mended", "aaa", 800);
    });
}

#[test]
fn directories_that_hang_are_not_waited_for_one_after_the_other() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        let places: String = (1..=6).map(|n| format!("emperor = /mnt/place/{n}\n")).collect();
        let emperor = format!("[uwsgi]\n{places}emperor = {VASSALS}\nemperor-use-clone = fs,pid\n");
        machine.write("/etc/vassal/emperor.ini", emperor, 0o644, Owner::ROOT);
        machine.must_sh("cd /mnt/place; mkdir 1 2 3 4 5 6");
        machine.write("/mnt/place/3/away.ini", limited("600M"), 0o644, Owner::ROOT);
        write(&machine, "aaa", "512M");
        reload(&machine, "healthy");
        machine.must(&["faultfs", "--allow-other", "/mnt/place"]);
        // A shell of its own: that which has mounted has the path in its command line, too.
        machine.must_sh("pkill -STOP --full '[/]mnt/place'");
        write(&machine, "aaa", "700M");
        reload(&machine, "six directories");
        has_limit(&machine, "six directories", "aaa", 700);
        has_limit(&machine, "six directories", "away", 600);
        release(&machine);
        machine.must_sh("umount --lazy /mnt/place");
    });
}

#[test]
fn a_mount_whose_daemon_is_dead_leaves_its_vassals_units_as_they_are() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        write(&machine, "aaa", "512M");
        write(&machine, "dead", "512M");
        reload(&machine, "healthy");
        machine.must_sh(&format!(
            "ln --symbolic --force /mnt/fault/ok {VASSALS}/dead.ini; pkill -KILL faultfs"
        ));
        write(&machine, "aaa", "600M");
        reload(&machine, "dead");
        has_limit(&machine, "dead", "aaa", 600);
        has_limit(&machine, "dead", "dead", 512);
    });
}

#[test]
fn the_generator_by_hand_writes_nowhere_and_along_no_link() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        write(&machine, "aaa", "512M");
        let alone = machine.run(&[GENERATOR]);
        assert_eq!(alone.status.code(), Some(64), "{suite}: {alone}");
        assert!(alone.stderr.contains("usage:"), "{suite}: {alone}");
        machine.must_sh("find /tmp -name '*vassal*' | grep . && exit 1 || true");
        // What another user has laid there: the directory, the file, and the target's directory.
        machine.must_sh(
            "mkdir /tmp/out /srv/victim; echo mine >/srv/victim/50-vassal.conf; cd /tmp/out
            ln --symbolic /srv/victim vassal@aaa.service.d; ln --symbolic /srv/victim vassals.target.wants",
        );
        let output = machine.run(&[GENERATOR, "/tmp/out"]);
        assert!(output.stderr.contains("/tmp/out"), "{suite}: {output}");
        assert_eq!(
            machine.must_sh("ls /srv/victim; cat /srv/victim/*"),
            "50-vassal.conf\nmine",
            "{suite}"
        );
        machine.must_sh(
            "cd /tmp/out; rm vassals.target.wants vassal@aaa.service.d; mkdir vassal@aaa.service.d
            ln --symbolic /srv/victim/50-vassal.conf vassal@aaa.service.d/50-vassal.conf",
        );
        machine.must(&[GENERATOR, "/tmp/out"]);
        assert_eq!(machine.must_sh("cat /srv/victim/*"), "mine", "{suite}");
        machine.must_sh("test -f /tmp/out/vassal@aaa.service.d/50-vassal.conf && test ! -L /tmp/out/vassal@aaa.service.d/50-vassal.conf");
        release(&machine);
    });
}

#[test]
fn a_full_disk_leaves_no_part_of_a_unit() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for number in 0..40 {
            write(&machine, &format!("v{number}"), "512M");
        }
        machine.must_sh("mkdir /srv/small && mount -t tmpfs -o size=64k small /srv/small");
        let output = machine.run(&[GENERATOR, "/srv/small"]);
        assert!(output.stderr.contains("No space left"), "{suite}: {output}");
        // Every file that is there is whole, and no temporary one is left.
        machine.must_sh(
            "cd /srv/small; find . -type f ! -name 50-vassal.conf | grep . && exit 1
            for file in $(find . -name 50-vassal.conf); do tail -n 1 $file | grep -qx MemoryMax=512M; done",
        );
        let open = machine.sh(&format!(
            "mkdir /srv/few; ulimit -n 6; {GENERATOR} /srv/few; find /srv/few -type f | wc -l"
        ));
        assert!(
            open.stdout.trim() == "40" || open.stderr.contains("open files"),
            "{suite}: {open}"
        );
        machine.must_sh("umount /srv/small");
        release(&machine);
    });
}

/// A vassal that needs no network, with a command of root's in its unit.
const OWN: &str = "[uwsgi]\nuid = user001\ngid = user001\n[vassal]\ncommand = exec sleep 1000\n\
    [Service]\nMemoryMax=512M\nExecStartPre=/usr/bin/touch /srv/owned\n";

/// What makes a file, or the way to it, the tenant's; what it is called in the message; how it is mended.
const TENANTS: [(&str, &str); 5] = [
    (
        "chown user001 own.ini",
        "/etc/uwsgi/vassals/own.ini: user 'user001' may write it",
    ),
    (
        "chgrp user001 own.ini; chmod g+w own.ini",
        "/etc/uwsgi/vassals/own.ini: group 'user001' may write it",
    ),
    (
        "mkdir /srv/home; mv own.ini /srv/home; chown user001 /srv/home; ln --symbolic /srv/home/own.ini own.ini",
        "/srv/home: user 'user001' may write it",
    ),
    (
        "mkdir --mode=777 /srv/open; mv own.ini /srv/open; ln --symbolic /srv/open/own.ini own.ini; chmod 777 /srv/open",
        "/srv/open: everybody may write it",
    ),
    (
        "echo '; nothing' >/srv/more.ini; chown user001 /srv/more.ini; sed --in-place 's,^gid.*,&\\ninclude = /srv/more.ini,' own.ini",
        "/srv/more.ini: user 'user001' may write it",
    ),
];

#[test]
fn a_file_that_its_vassals_user_may_write_is_refused_and_adds_nothing_to_a_unit() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        for (number, (makes, says)) in TENANTS.iter().enumerate() {
            machine.must_sh(&format!("cd {VASSALS}; rm --force own.ini"));
            machine.write(format!("{VASSALS}/own.ini"), OWN, 0o644, Owner::ROOT);
            machine.must_sh(&format!("cd {VASSALS}; {makes}"));
            machine.must(&["systemctl", "daemon-reload"]);
            // An included file is the start's to judge; the unit has nothing from it.
            if number < 4 {
                let cat = machine.must(&["systemctl", "cat", "vassal@own.service"]);
                assert!(
                    cat.contains("# ERROR: ") && cat.contains(says),
                    "{suite}: {says}: {cat}"
                );
                assert_eq!(
                    machine.unit("vassal@own.service", "ExecStartPre"),
                    "",
                    "{suite}: {says}"
                );
                let started = machine.run(&["systemctl", "start", "vassal@own"]);
                assert!(!started.succeeded(), "{suite}: {says}: {started}");
                machine.must_sh("test ! -e /srv/owned");
            } else {
                let started = machine.run(&["systemctl", "start", "vassal@own"]);
                assert!(!started.succeeded(), "{suite}: {says}: {started}");
            }
            let status = machine.status("vassal@own");
            assert!(status.stdout.contains(says), "{suite}: {says}: {status}");
            let check = machine.run(&["vassalctl", "check"]);
            assert!(check.stdout.contains(says), "{suite}: {says}: {check}");
        }
        // The administrator may trust him all the same.
        machine.must_sh(&format!("cd {VASSALS}; rm own.ini"));
        machine.write(format!("{VASSALS}/own.ini"), OWN, 0o644, Owner::USER001);
        machine.must_sh("printf '[vassal]\\ntrusted-users = user001\\n' >>/etc/vassal/emperor.ini; systemctl daemon-reload");
        machine.must(&["systemctl", "start", "vassal@own"]);
        machine.must_sh("test -e /srv/owned");
        release(&machine);
    });
}

#[test]
fn a_file_that_another_user_may_write_is_told_of_and_runs() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.write(format!("{VASSALS}/own.ini"), OWN, 0o664, Owner::USER002);
        let says = "/etc/uwsgi/vassals/own.ini: user 'user002' may write it";
        let generated = machine.must_sh(&format!("mkdir /srv/out; {GENERATOR} /srv/out 2>&1"));
        assert!(generated.contains(says), "{suite}: {generated}");
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&["systemctl", "start", "vassal@own"]);
        assert!(machine.journal("vassal@own.service").contains(says), "{suite}");
        let check = machine.run(&["vassalctl", "check"]).stdout;
        assert!(
            check.contains(says) && check.contains("chown root:root"),
            "{suite}: {check}"
        );
        release(&machine);
    });
}
