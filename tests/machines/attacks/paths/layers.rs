//! The directories that the options of a filesystem name: the kernel looks them up, as root, when the filesystem is made.

use vassal_tests::{AS_USER001, Machine, Suite, on_each_suite};

use super::{Tenant, machine};

const NOT_FOLLOWED: &str = "a symbolic link that is not root's";

/// /srv/t is a filesystem that an overlay can write to. In it are a directory of the tenant's, with his layers, and one that only root may
/// enter.
fn prepared(suite: Suite) -> Machine {
    let machine = machine(suite);
    machine.must_sh(
        "mkdir -p /srv/t; mount -t tmpfs -o mode=0755 tmpfs /srv/t; cd /srv/t; mkdir -p own/upper own/work own/lower vault/inner/work/kept
         chmod 700 vault; echo secret >vault/inner/secret; chmod 644 vault/inner/secret; echo lower >own/lower/text
         ln -s /srv/t/vault/inner own/link; chown -hR user001: own",
    );
    machine
}

fn tenant<'a>(machine: &'a Machine, name: &'a str) -> Tenant<'a> {
    Tenant { machine, name }
}

fn overlay(lower: &str, upper: &str, work: &str) -> String {
    format!(
        "hook-pre-jail = mount:overlay overlay /ufs nosuid,nodev lowerdir={lower},upperdir={upper},workdir={work}\n\
         pivot_root = /ufs /ufs/.old_root\nhook-as-root = mount:proc none /proc\n"
    )
}

const OWN: &str = "/srv/t/own";

#[test]
fn no_layer_of_an_overlay_is_found_by_a_link_of_a_tenants() {
    on_each_suite(|suite| {
        let machine = prepared(suite);
        let (upper, work, link) = (
            format!("{OWN}/upper"),
            format!("{OWN}/work"),
            format!("{OWN}/link"),
        );
        let cases = [
            overlay("/ns/precise", &link, &work),
            overlay("/ns/precise", &upper, &link),
            overlay(&format!("{link}:/ns/precise"), &upper, &work),
            overlay("/ns/precise", &format!("{link}/work"), &work),
        ];
        for (at, lines) in cases.iter().enumerate() {
            let name = format!("layer{at}");
            tenant(&machine, &name).is_refused(lines, &[NOT_FOLLOWED, ".ini:4: "]);
            machine.must_sh("test -d /srv/t/vault/inner/work/kept");
        }
    });
}

#[test]
fn layers_in_directories_of_a_tenants_are_what_they_are_when_the_filesystem_is_made() {
    on_each_suite(|suite| {
        let machine = prepared(suite);
        let lower = format!("{OWN}/lower:/ns/precise");
        let lines = overlay(&lower, &format!("{OWN}/upper"), &format!("{OWN}/work"));
        let tenant = tenant(&machine, "layers");
        tenant.starts(&lines);
        let pid = machine.pid_of(&tenant.unit(), "sleep");
        let write = machine.run_inside(pid, &["sh", "-c", "cat /text && echo written >/written"]);
        assert_eq!(write.stdout, "lower\n", "{suite}: {write}");
        assert_eq!(
            machine.must_sh("cat /srv/t/own/upper/written"),
            "written",
            "{suite}"
        );
        tenant.stops();
        // A root directory that has a layer of the tenant's is not root's alone.
        let command = format!("{lines}exec-as-root = true\n");
        tenant.is_refused(&command, &["as-root hook", "layer"]);
        tenant.stops();
    });
}

/// Exchanges the tenant's layer and his link as fast as he can.
const SWAPPER: &str = "\
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.chdir('/srv/t/own')
while True:
    libc.renameat2(-100, b'upper', -100, b'link', 2)
";

#[test]
fn a_layer_that_is_swapped_for_a_link_all_the_time_shows_nothing_else() {
    const STARTS: usize = 12;
    on_each_suite(|suite| {
        let machine = prepared(suite);
        let tenant = tenant(&machine, "race");
        let swap = [
            &["systemd-run", "--unit=swapper"][..],
            &AS_USER001,
            &["python3", "-c", SWAPPER],
        ]
        .concat();
        machine.must(&swap);
        let lines = overlay("/ns/precise", &format!("{OWN}/upper"), &format!("{OWN}/work"));
        let mut came_up = 0;
        for _ in 0..STARTS {
            tenant.write("uid = user001\ngid = user001\n", &lines);
            if machine.run(&["systemctl", "start", &tenant.unit()]).succeeded() {
                came_up += 1;
                let pid = machine.pid_of(&tenant.unit(), "sleep");
                let seen = machine.run_inside(pid, &["cat", "/secret"]);
                assert!(!seen.succeeded(), "{suite}: {seen}");
            }
            machine.must(&["systemctl", "stop", &tenant.unit()]);
            machine.run(&["systemctl", "reset-failed", &tenant.unit()]);
        }
        machine.must(&["systemctl", "stop", "swapper"]);
        println!("{suite}: {came_up} of {STARTS} came up");
    });
}
