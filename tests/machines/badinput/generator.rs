//! The generator, which runs in PID 1's way: nothing in the vassals' directory holds it up, or spoils another vassal's unit.

use std::time::{Duration, Instant};

use vassal_tests::{Boot, Machine, Owner, Suite, installed};

use crate::case::HEAD;
use crate::complaints::Complaints;
use crate::scene::{Scene, VASSALS};

/// How long a daemon-reload may take, whatever lies about.
const RELOAD_LIMIT: Duration = Duration::from_secs(2);

/// What nobody should put there.
const HOSTILE: &str = "\
mkfifo fifo.ini
mkdir directory.ini
truncate --size=10G sparse.ini
ln -s /dev/zero device.ini
ln -s loop.ini loop.ini
ln -s /nowhere dangling.ini
ln -s /proc/self/mem sick.ini
head --bytes=1M /dev/urandom >noise.ini
touch \"$(printf 'bytes\\377.ini')\"
touch \"$(printf 'new\\nline.ini')\"
touch \"$(printf '%0245d.ini' 0)\"
touch .hidden.ini '.ini' 'backup.ini~'
printf '[Service]\\nUser=root\\n' >user.ini
printf '[Service]\\nMemoryMax=1G\\nExecStart=/bin/false\\n' >exec.ini
";

/// Emperor's files that nothing can be made of.
const EMPERORS: &[(&str, &str)] = &[
    (
        "user namespaces",
        "printf '[uwsgi]\\nemperor = /etc/uwsgi/vassals\\nemperor-use-clone = user\\n' >emperor.ini",
    ),
    ("relative", "printf '[uwsgi]\\nemperor = vassals\\n' >emperor.ini"),
    ("empty", ": >emperor.ini"),
    ("fifo", "mkfifo emperor.ini"),
    ("directory", "mkdir emperor.ini"),
    ("device", "ln -s /dev/zero emperor.ini"),
    ("sparse", "truncate --size=10G emperor.ini"),
    ("loop", "ln -s emperor.ini emperor.ini"),
];

/// Runs the generator by hand into a new directory.
const GENERATE: &str = "rm --recursive --force /tmp/$0 && mkdir --parents /tmp/$0 && cd / &&
timeout 5 /usr/lib/systemd/system-generators/vassal-generator /tmp/$0 /tmp/$0 /tmp/$0";

fn generate(machine: &Machine, into: &str) -> vassal_tests::Output {
    machine.run(&["sh", "-c", GENERATE, into])
}

fn reload(machine: &Machine, complaints: &mut Complaints) {
    let begun = Instant::now();
    machine.must(&["systemctl", "daemon-reload"]);
    let took = begun.elapsed();
    complaints.expect(took < RELOAD_LIMIT, || format!("daemon-reload took {took:?}"));
}

#[test]
fn nothing_in_the_directory_holds_the_generator_up_or_spoils_another_unit() {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        complaints.about(suite, "hostile files");
        let limited = format!("{HEAD}[Service]\nMemoryMax=1G\n");
        scene
            .machine
            .write(format!("{VASSALS}/aaa.ini"), &limited, 0o644, Owner::ROOT);
        scene
            .machine
            .write(format!("{VASSALS}/zzz.ini"), &limited, 0o644, Owner::ROOT);
        scene.script(HOSTILE);
        reload(&scene.machine, &mut complaints);
        // In the last one another line is refused.
        for name in ["aaa", "zzz", "exec"] {
            let seen = scene.machine.unit(&format!("vassal@{name}.service"), "MemoryMax");
            complaints.equal(&format!("MemoryMax of {name}"), &seen, "1073741824");
        }
        let wanted = scene.machine.unit("vassals.target", "Wants");
        for name in ["aaa", "healthy", "zzz"] {
            let unit = format!("vassal@{name}.service");
            complaints.expect(wanted.contains(&unit), || {
                format!("vassals.target does not want {unit}: {wanted}")
            });
        }
        for part in [
            "hidden",
            "backup",
            "\n",
            "fifo",
            "directory",
            "dangling",
            "device",
            "loop",
        ] {
            complaints.expect(!wanted.contains(part), || {
                format!("vassals.target wants '{part}': {wanted}")
            });
        }
        for unit in ["vassal@user.service", "vassal@exec.service"] {
            let cat = scene.machine.must(&["systemctl", "cat", unit]);
            let is_taken = cat
                .lines()
                .any(|line| line == "User=root" || line == "ExecStart=/bin/false");
            complaints.expect(!is_taken, || {
                format!("{unit} has what vassal sets itself:\n{cat}")
            });
        }
        scene.is_undisturbed(&mut complaints);
    }
    complaints.tell();
}

#[test]
fn what_everybody_may_write_adds_nothing_to_a_unit() {
    let directive = format!("{HEAD}[Service]\nExecStartPre=/usr/bin/touch /srv/owned\n");
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        complaints.about(suite, "world-writable file");
        scene
            .machine
            .write(format!("{VASSALS}/open.ini"), &directive, 0o666, Owner::ROOT);
        reload(&scene.machine, &mut complaints);
        let pre = scene.machine.unit("vassal@open.service", "ExecStartPre");
        complaints.equal("ExecStartPre", &pre, "");
        complaints.expect(!scene.starts("vassal@open.service"), || {
            "systemctl start says that it worked".into()
        });
        let ran = scene.machine.run(&["test", "-e", "/srv/owned"]).succeeded();
        complaints.expect(!ran, || "its command was run as root".into());
        scene.is_undisturbed(&mut complaints);
    }
    complaints.tell();
}

#[test]
fn two_runs_write_the_same_bytes() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[installed(suite)]);
        machine.must_sh(&format!("cd {VASSALS}\n{HOSTILE}"));
        for number in 0..20 {
            machine.write(format!("{VASSALS}/user{number}.ini"), HEAD, 0o644, Owner::ROOT);
        }
        let (first, second) = (generate(&machine, "one"), generate(&machine, "two"));
        assert!(
            first.succeeded() && second.succeeded(),
            "{suite}: {first}\n{second}"
        );
        assert_eq!(first.stderr, second.stderr, "{suite}");
        machine.must(&["diff", "--recursive", "--no-dereference", "/tmp/one", "/tmp/two"]);
        let count =
            machine.must_sh("find /tmp/one -name 50-vassal.conf -path '*vassal@user[0-9]*' | wc --lines");
        assert_eq!(count, "20", "{suite}");
    }
}

#[test]
fn without_an_emperors_file_nothing_is_written_or_said() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[installed(suite)]);
        machine.write(format!("{VASSALS}/user001.ini"), HEAD, 0o644, Owner::ROOT);
        machine.must(&["rm", "/etc/vassal/emperor.ini"]);
        let output = generate(&machine, "none");
        assert!(
            output.succeeded() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{suite}: {output}"
        );
        assert_eq!(machine.must(&["find", "/tmp/none"]), "/tmp/none", "{suite}");
    }
}

#[test]
fn an_emperors_file_that_cannot_be_used_holds_nothing_up() {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let machine = Boot::of(suite).layer(&installed(suite)).start().unwrap();
        machine.write(format!("{VASSALS}/user001.ini"), HEAD, 0o644, Owner::ROOT);
        for (name, script) in EMPERORS {
            complaints.about(suite, name);
            machine.must_sh(&format!(
                "cd /etc/vassal\nrm --recursive --force emperor.ini\n{script}"
            ));
            let output = generate(&machine, "emperor");
            complaints.expect(output.succeeded(), || format!("the generator: {output}"));
            let said = output.stderr.lines().count();
            complaints.expect(said == 1, || format!("{said} lines, not one: {output}"));
            complaints.equal(
                "what is written",
                &machine.must(&["find", "/tmp/emperor"]),
                "/tmp/emperor",
            );
            reload(&machine, &mut complaints);
        }
    }
    complaints.tell();
}
