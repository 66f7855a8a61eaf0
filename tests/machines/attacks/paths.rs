//! Paths in a tenant's reach: his root directory, and the directories that root's hooks work in.

mod commands;
mod flags;
mod layers;
mod links;
mod names;
mod old_root;

use std::time::Duration;

use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, installed};

/// More than anything here takes on a busy host.
const LIMIT: Duration = Duration::from_secs(20);

/// The root of every tenant here: an overlay whose upper directory is /ns/cow/NAME.
const OVERLAY: &str = "\
hook-pre-jail = mount:overlay overlay /ufs nosuid,nodev lowerdir=/ns/precise,upperdir=/ns/cow/NAME,workdir=/ns/cow/work/NAME
pivot_root = /ufs /ufs/.old_root
hook-as-root = mount:proc none /proc
";

/// A machine with the copy-on-write layout on a filesystem that an overlay can write to.
fn machine(suite: Suite) -> Machine {
    let boot = Boot::of(suite).layer(&installed(suite)).copy_on_write();
    let machine = match boot.start() {
        Ok(machine) => machine,
        Err(failure) => panic!("{suite}: {failure}"),
    };
    fixtures::cow_on_tmpfs(&machine);
    machine
}

/// A tenant with an app that does nothing, as whom user001 is known.
struct Tenant<'a> {
    machine: &'a Machine,
    name: &'a str,
}

impl Tenant<'_> {
    fn unit(&self) -> String {
        format!("vassal@{}.service", self.name)
    }

    /// His overlay's lines.
    fn overlay(&self) -> String {
        OVERLAY.replace("NAME", self.name)
    }

    /// Makes his upper directory, which is user001's, and fills it by a script that runs there as root.
    fn upper(&self, fill: &str) {
        let name = self.name;
        self.machine.must_sh(&format!(
            "mkdir -p /ns/cow/{name} /ns/cow/work/{name}; chown user001: /ns/cow/{name}; cd /ns/cow/{name}\n{fill}"
        ));
    }

    fn write(&self, head: &str, lines: &str) {
        let text = format!("[uwsgi]\n{head}{lines}[vassal]\ncommand = exec sleep infinity\n");
        let file = format!("/etc/uwsgi/vassals/{}.ini", self.name);
        self.machine.write(file, text, 0o644, Owner::ROOT);
    }

    /// Starts user001's vassal with these lines; it has to come up.
    fn starts(&self, lines: &str) {
        self.write("uid = user001\ngid = user001\n", lines);
        let started = self.machine.run(&["systemctl", "start", &self.unit()]);
        assert!(
            started.succeeded(),
            "{started}\n{}",
            self.machine.journal(&self.unit())
        );
    }

    /// Starts it with these lines and demands that it is refused, with each of the pieces in one line.
    fn is_refused(&self, lines: &str, says: &[&str]) {
        self.write("uid = user001\ngid = user001\n", lines);
        self.is_refused_as_written(says);
    }

    fn is_refused_as_written(&self, says: &[&str]) {
        let (machine, unit) = (self.machine, self.unit());
        let started = machine.run(&["systemctl", "start", &unit]);
        assert!(
            !started.succeeded(),
            "'{}' has started\n{}",
            self.name,
            machine.state()
        );
        let line = machine.wait_for_journal(&unit, says[0], LIMIT);
        let missing: Vec<_> = says.iter().filter(|piece| !line.contains(**piece)).collect();
        assert!(missing.is_empty(), "{missing:?} in {line}");
    }

    /// Demands that its refusal was for good.
    fn is_final(&self) {
        let (machine, unit) = (self.machine, self.unit());
        machine.wait_for_unit(&unit, "ActiveState", "failed", LIMIT);
        assert_eq!(
            machine.unit(&unit, "ExecMainStatus"),
            "78",
            "{}",
            machine.journal(&unit)
        );
    }

    fn stops(&self) {
        self.machine.must(&["systemctl", "stop", &self.unit()]);
    }
}
