//! A hook that waits for a filesystem which hangs: not even SIGKILL ends it, and nobody waits for that.

use vassal_tests::Owner;

use crate::LIMIT;
use crate::filesystem::{Below, Daemon, Mounter};
use crate::setup::scene;
use crate::setup::scene::on_each_suite;
use crate::setup::tenant::Tenant;

#[test]
fn a_hook_that_cannot_be_killed_fails_the_start_at_its_limit_and_goes_with_the_vassal() {
    on_each_suite(|suite| {
        let tenant = Tenant::new(Daemon::Faultfs, Mounter::Root, Below::Directory, 9101);
        let machine = scene::machine(suite);
        tenant.furnish(&machine);
        let hook = format!("exec-as-root = cat {}/hang\n[vassal]\n", tenant.mountpoint());
        let text = tenant
            .text("hook-timeout = 300ms\n")
            .replacen("[vassal]\n", &hook, 1);
        let file = format!("/etc/uwsgi/vassals/{}.ini", tenant.name);
        machine.write(file, text, 0o644, Owner::ROOT);
        machine.must(&["systemctl", "daemon-reload"]);
        machine.must(&["systemctl", "start", "--no-block", &tenant.unit()]);
        machine.wait_for("second failure", LIMIT, || {
            let restarts = machine.unit(&tenant.unit(), "NRestarts");
            if restarts.parse::<u32>().unwrap() >= 2 {
                Ok(())
            } else {
                Err(restarts)
            }
        });
        machine.must(&["systemctl", "stop", &tenant.unit()]);
        let journal = machine.journal(&tenant.unit());
        let told = format!(
            "as-root hook 'cat {}/hang': did not return within 0.3 s",
            tenant.mountpoint()
        );
        assert!(journal.contains(&told), "{journal}");
        assert_eq!(machine.unit_pids(&tenant.unit()), []);
        machine.wait_for("end of the FUSE connections", LIMIT, || {
            let left = machine.fuse_connections();
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        });
    });
}
