//! A filesystem whose daemon is not the vassal's: a service of the host mounts it, the vassal sees and watches it.

use vassal_tests::{Owner, fixtures};

use crate::LIMIT;
use crate::filesystem::{Below, Daemon, Mounter};
use crate::setup::scene;
use crate::setup::scene::{Before, ask, assert_reads, on_each_suite};
use crate::setup::tenant::Tenant;
use crate::setup::unit::{unit, wait_restarted};

const SERVICE: &str = "[Service]\nExecStart=/usr/local/bin/faultfs --foreground --allow-other /mnt/faultroot\n\
    StandardOutput=null\n";

/// The tenant's file without the hooks that mount.
fn without_mounting(tenant: &Tenant) -> String {
    let text = tenant.text("mountpoint-deadline = 1500ms\n");
    let others = text.lines().filter(|line| !line.starts_with("exec-as-root"));
    others.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_daemon_outside_the_unit_that_hangs_is_left_alone_and_nobody_waits_for_it() {
    on_each_suite(|suite| {
        let tenant = Tenant::new(Daemon::Faultfs, Mounter::Root, Below::Directory, 9101);
        let machine = scene::machine(suite);
        tenant.furnish(&machine);
        fixtures::mountpoint(&machine, "/mnt/faultroot", Owner::ROOT);
        machine.write("/etc/systemd/system/outside.service", SERVICE, 0o644, Owner::ROOT);
        machine.write(
            "/etc/uwsgi/vassals/faultroot.ini",
            without_mounting(&tenant),
            0o644,
            Owner::ROOT,
        );
        machine.must_sh("systemctl daemon-reload && systemctl start outside");
        machine.wait_for("mount", LIMIT, || {
            let mounted = machine.run(&["mountpoint", "-q", "/mnt/faultroot"]);
            if mounted.succeeded() { Ok(()) } else { Err("none") }
        });
        machine.must(&["systemctl", "start", &tenant.unit()]);
        assert_reads(&machine, &tenant);
        let before = Before::of(&machine, &tenant);
        let daemon = machine.unit("outside.service", "MainPID");
        let waiting = ask(&machine, &tenant, "read", "hang");
        // Not even SIGKILL ends the app, as the daemon has read its request.
        wait_restarted(&machine, &tenant, 1);
        drop(waiting);
        assert_eq!(machine.unit("outside.service", "MainPID"), daemon);
        // It ends with what it waits for, and the vassal follows the mount.
        machine.must_sh("systemctl stop outside; umount --lazy /mnt/faultroot; systemctl start outside");
        before.assert_processes_gone(&tenant);
        machine.wait_for("restart", LIMIT, || match unit(&machine, &tenant) {
            seen if seen.restarts > 1 && seen.state == "active" => Ok(()),
            seen => Err(format!("{seen:?}")),
        });
        assert_reads(&machine, &tenant);
        let told = scene::verdicts(&machine, &tenant.name);
        assert_eq!(told[0].word, "hung", "{told:?}");
        let killed = scene::assert_killed(&machine, &tenant, &told[0]);
        println!("{suite} {}: killed {killed:?} after the verdict", tenant.name);
        // What a new instance sees until the service has mounted again.
        assert!(told[1..].iter().all(|verdict| verdict.word != "hung"), "{told:?}");
    });
}
