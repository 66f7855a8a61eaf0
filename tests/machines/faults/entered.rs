//! A process that came in from outside, with nsenter(1): nobody in the vassal is told of its end.

use std::time::Duration;

use crate::LIMIT;
use crate::filesystem::{Below, Daemon, Mounter};
use crate::matrix::SHORT;
use crate::setup::cell::Fault;
use crate::setup::inflict::inflict;
use crate::setup::scene;
use crate::setup::scene::{Before, on_each_suite};
use crate::setup::tenant::Tenant;
use crate::setup::unit::wait_restarted;

/// What the watchdog waits for a killed process whose end it does not see (helpers/watchdog/src/shutdown.rs, `KILL_LIMIT`).
const LIMIT_OF_ONE_WAIT: Duration = Duration::from_secs(2);

#[test]
fn what_an_administrator_left_inside_is_ended_with_the_vassal_and_costs_no_time() {
    on_each_suite(|suite| {
        let tenant = Tenant::new(Daemon::OverlayOnFaultfs, Mounter::Root, Below::Directory, 9101);
        let machine = scene::serving(suite, std::slice::from_ref(&tenant), SHORT);
        let app = machine.pid_of(&tenant.unit(), "faultfs-app");
        let service = ["systemd-run", "--quiet", "--collect", "--unit=visitor"];
        let target = format!("--target={}", machine.inner_pid(app).unwrap());
        let enter = ["nsenter", &target, "--pid", "--mount", "sleep", "infinity"];
        machine.must(&[&service[..], &enter].concat());
        machine.wait_for("visitor", LIMIT, || {
            match machine.run(&["pgrep", "-x", "sleep"]) {
                found if found.succeeded() => Ok(()),
                found => Err(found.to_string()),
            }
        });
        let before = Before::of(&machine, &tenant);
        inflict(&machine, &tenant, Fault::Unmount);
        wait_restarted(&machine, &tenant, before.restarts + 1);
        let verdict = before.assert_over(&machine, &tenant, &["gone"]);
        let killed = scene::assert_killed(&machine, &tenant, &verdict);
        println!("{suite}: killed {killed:?} after the verdict");
        assert!(killed < LIMIT_OF_ONE_WAIT, "{killed:?}");
        machine.wait_for("end of the visitor", LIMIT, || {
            match &*machine.unit("visitor.service", "ActiveState") {
                "active" => Err("active"),
                _ => Ok(()),
            }
        });
    });
}
