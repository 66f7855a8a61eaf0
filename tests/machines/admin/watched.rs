//! What `mountpoint-check` watches where a tenant has a hand in its path.

use std::time::Duration;

use vassal_tests::{Machine, Owner, on_each_suite, seed};

use crate::scene::{listed, machine, vassal};

const UNIT: &str = "vassal@aimed.service";
const CHECK: &str = "/home/aimed/data";

/// Has the tenant's link lead to `target`, and starts the vassal; whether it starts, and what anybody may read of it.
fn start(machine: &Machine, target: &str) -> (bool, String) {
    machine.sh(&format!(
        "systemctl stop {UNIT} vassal-retry@aimed; systemctl reset-failed {UNIT}"
    ));
    machine.must_sh(&format!(
        "rm -f {CHECK}; ln -s {target} {CHECK}; chown -h user001: {CHECK}"
    ));
    let started = machine.run(&["systemctl", "start", UNIT]).succeeded();
    (started, machine.unit(UNIT, "StatusText"))
}

#[test]
fn no_link_of_a_tenants_has_a_mount_of_the_hosts_watched_or_tells_what_is_behind_it() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.make_dir("/home/aimed", 0o755, Owner::ROOT);
        machine.must_sh(
            "chown user001: /home/aimed; install -d -m 700 /closed /closed/mounted /closed/plain; \
             mount -t tmpfs tmpfs /closed/mounted",
        );
        let file = format!(
            "[uwsgi]\nuid = user001\ngid = user001\nmountpoint-check = {CHECK}\n[vassal]\ncommand = exec /usr/bin/sleep infinity\n"
        );
        vassal(&machine, "aimed", &file);
        // Whatever is there, the same is said.
        let told =
            ["/closed/mounted", "/closed/plain", "/closed/nothing"].map(|target| start(&machine, target));
        let refused = "aimed.ini:4: mountpoint-check: '/home/aimed/data' is behind a link that is not root's (the journal says why)";
        for found in told {
            assert_eq!(found, (false, refused.to_owned()), "{suite}");
        }
        // A filesystem of the vassal's own is watched through it, and so is the host's through a link of root's.
        let own =
            seed::ZIP_WATCHED.replace("mountpoint-check = /app", &format!("mountpoint-check = {CHECK}"));
        vassal(&machine, "aimed", &own);
        let (started, status) = start(&machine, "/app");
        assert!(
            started && status.starts_with("serving; /app healthy (fuse.fuse-zip, "),
            "{suite}: {status}"
        );
        assert_eq!(listed(&machine, "aimed")["mounts"][0]["path"], "/app", "{suite}");
        machine.must_sh(&format!(
            "systemctl stop {UNIT}; rm {CHECK}; ln -s /closed/mounted /srv/data"
        ));
        vassal(&machine, "aimed", &file.replace(CHECK, "/srv/data"));
        machine.must(&["systemctl", "start", UNIT]);
        assert_eq!(
            listed(&machine, "aimed")["mounts"][0]["path"],
            "/closed/mounted",
            "{suite}"
        );
    });
}

/// Attempts of a vassal whose pauses grow, within [`MEASURED`]: at once, and after 1, 2 and 4 s.
const ATTEMPTS: usize = 5;
const MEASURED: Duration = Duration::from_secs(8);

#[test]
fn no_link_of_a_tenants_ends_the_pauses_of_his_vassal() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        machine.make_dir("/home/aimed", 0o755, Owner::ROOT);
        machine.must_sh(
            "chown user001: /home/aimed; install -d -m 700 /closed/mounted; mount -t tmpfs tmpfs /closed/mounted",
        );
        let own =
            seed::ZIP_WATCHED.replace("mountpoint-check = /app", &format!("mountpoint-check = {CHECK}"));
        vassal(&machine, "aimed", &own);
        let (started, status) = start(&machine, "/app");
        assert!(started, "{suite}: {status}");
        machine.must_sh(&format!(
            "ln -sfn /closed/mounted {CHECK}; systemctl kill --signal=KILL {UNIT}"
        ));
        std::thread::sleep(MEASURED);
        let told = machine.must_sh(&format!(
            "journalctl --sync; journalctl --unit={UNIT} --output=cat"
        ));
        let attempts = told.matches("is not followed as root").count();
        assert!(
            (1..=ATTEMPTS).contains(&attempts),
            "{suite}: {attempts} attempts\n{told}"
        );
    });
}
