//! The life of the package on a machine with vassals.

use vassal_tests::{Machine, Owner, Suite, seed};

use crate::LIMIT;
use crate::vassals::{UNIT, drop_in, serving};

const DEB: &str = "/root/vassal.deb";
/// Where the metrics are written for node_exporter.
const NODE_EXPORTER: &str = "/var/lib/prometheus/node-exporter";

/// Everything with the package's name that is not the package manager's own, this test's, the rig's or uWSGI's.
const TRACES: &str = "for at in / /run; do find $at -xdev -name '*vassal*' -not -path '/root/*' -not -path '/var/lib/dpkg/*' -not -path '/etc/systemd/system/vassal-emperor.service.d' -not -path '/usr/share/doc/uwsgi*'; done | sort";

/// What systemd has of the package's units that is running or failed.
fn units(machine: &Machine) -> String {
    let list = ["systemctl", "list-units", "--plain", "--no-legend"];
    machine.must(
        &[
            &list[..],
            &["--state=active,activating,deactivating,failed", "vassal*"],
        ]
        .concat(),
    )
}

#[test]
fn an_upgrade_disturbs_no_vassal_a_removal_ends_all_and_a_purge_leaves_their_files_only() {
    for suite in Suite::all() {
        let machine = serving(suite, seed::ZIP_WATCHED);
        machine.write(
            DEB,
            std::fs::read(vassal_tests::package().unwrap()).unwrap(),
            0o644,
            Owner::ROOT,
        );
        drop_in(&machine, "wrong", "[uwsgi]\npivot_root = x\n");
        assert!(!machine.run(&["systemctl", "start", "vassal@wrong"]).succeeded());
        let main = machine.unit(UNIT, "MainPID");

        machine.must(&["dpkg", "--install", DEB]);
        assert_eq!(machine.unit(UNIT, "MainPID"), main);
        machine.poll_http(9090, "/", LIMIT);

        machine.must_sh(&format!("mkdir -p {NODE_EXPORTER}"));
        machine.must(&["systemctl", "enable", "--now", "vassal-metrics.timer"]);
        machine.wait_for("metrics", LIMIT, || {
            let written = machine.run(&["test", "-e", &format!("{NODE_EXPORTER}/vassal.prom")]);
            written.succeeded().then_some(()).ok_or(written.stderr)
        });
        machine.must(&["dpkg", "--remove", "vassal"]);
        assert_eq!(units(&machine), "");
        assert_eq!(machine.must(&["ls", NODE_EXPORTER]), "");
        assert_eq!(machine.unit_pids(UNIT), []);
        machine.must(&["test", "-e", "/etc/vassal/emperor.ini"]);

        machine.must(&["dpkg", "--install", DEB]);
        machine.must(&["systemctl", "start", UNIT]);
        machine.poll_http(9090, "/", LIMIT);

        machine.must(&["vassalctl", "disable", "wrong"]);
        machine.must(&["vassalctl", "maintenance", "wrong", "on"]);
        machine.must(&["dpkg", "--purge", "vassal"]);
        assert_eq!(units(&machine), "");
        assert_eq!(machine.must_sh(TRACES), "/etc/uwsgi/vassals");
        assert_eq!(
            machine.must(&["ls", "/etc/uwsgi/vassals"]),
            "user001.ini\nwrong.ini"
        );
    }
}
