//! The fixtures are good: the scenario runs on them as the tutorial has it, under the original.

use std::path::Path;

use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, seed};

use crate::LIMIT;

#[test]
fn an_archive_is_served_under_the_original() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[]);
        fixtures::scenario(&machine);
        start_original(&machine, seed::ZIP_WATCHED);
        machine.poll_http(9090, "/", LIMIT);
        let get = |path: &str| String::from_utf8(machine.http(9090, path).unwrap().1).unwrap();
        assert!(get("/").starts_with("hello from app001 pid "), "{}", get("/"));
        assert_eq!(get("/live"), "app001\n");
        assert_eq!(get("/list?/app"), "myapp.pl\nname\n");
        assert!(
            get("/uid").starts_with("uid 20001 euid 20001 gid 20001"),
            "{}",
            get("/uid")
        );
        assert!(
            get("/status").contains("\nNoNewPrivs:\t0\n"),
            "{}",
            get("/status")
        );
        assert!(get("/proc").starts_with("1\n"), "{}", get("/proc"));
        assert!(get("/fds").contains("socket:["), "{}", get("/fds"));
        assert!(get("/mounts").contains(" /app "), "{}", get("/mounts"));
        assert!(get("/env").contains("UWSGI_"), "{}", get("/env"));
        assert_eq!(machine.http(9090, "/write?/etc/passwd").unwrap().0, 500);
        assert_eq!(machine.http(9090, "/nowhere").unwrap().0, 404);
        assert_eq!(get("/write?/tmp/proof"), "wrote /tmp/proof\n");
        assert_eq!(machine.read_text("/tmp/proof"), "written by app001\n");
        assert_eq!(get("/remove?/tmp/proof"), "removed /tmp/proof\n");
        assert_eq!(machine.fuse_connections().len(), 1);
    }
}

#[test]
fn a_copy_on_write_root_is_served_under_the_original() {
    // unionfs-fuse is not in trixie.
    for suite in Suite::all().into_iter().filter(|suite| *suite == Suite::Bookworm) {
        let machine = Boot::of(suite).copy_on_write().start().unwrap();
        start_original(&machine, seed::COPY_ON_WRITE);
        machine.poll_http(9090, "/", LIMIT);
        let wrote = machine.http(9090, "/write?/home/user001/proof").unwrap();
        assert_eq!(wrote, (200, b"wrote /home/user001/proof\n".to_vec()));
        assert_eq!(
            machine.read_text("/ns/cow/user001/home/user001/proof"),
            "written by base\n"
        );
        assert_eq!(machine.base_changes(), Vec::<&Path>::new());
    }
}

#[test]
fn an_overlay_of_the_kernel_can_stand_on_the_shared_root() {
    for suite in Suite::all() {
        let machine = Boot::of(suite).copy_on_write().start().unwrap();
        fixtures::cow_on_tmpfs(&machine);
        machine.must_sh(
            "mount -t overlay overlay -o lowerdir=/ns/precise,upperdir=/ns/cow/user001,workdir=/ns/cow/work /ufs
             echo changed > /ufs/etc/hostname
             test -d /ufs/.old_root
             test -f /ufs/opt/uwsgi/plugins/psgi_plugin.so
             chroot /ufs perl -c /var/www/myapp.pl",
        );
        assert_eq!(machine.read_text("/ns/cow/user001/etc/hostname"), "changed\n");
        assert_eq!(machine.base_changes(), Vec::<&Path>::new());
    }
}

#[test]
fn a_change_of_the_shared_root_does_not_escape() {
    const CASES: [(&str, &[&str]); 3] = [
        (
            "rm /ns/precise/etc/hostname",
            &["ns/precise", "ns/precise/etc", "ns/precise/etc/hostname"],
        ),
        ("touch /ns/precise/new", &["ns/precise", "ns/precise/new"]),
        ("chmod 700 /ns/precise", &["ns/precise"]),
    ];
    for (change, expected) in CASES {
        let machine = Boot::of(Suite::all()[0]).copy_on_write().start().unwrap();
        machine.must_sh(change);
        let expected: Vec<&Path> = expected.iter().map(Path::new).collect();
        assert_eq!(machine.base_changes(), expected, "{change}");
    }
}

/// Runs the real Emperor with one vassal. Its mounts are kept from the machine's: where they propagate, as on any systemd host, the
/// tutorial fails (SEED-11).
fn start_original(machine: &Machine, vassal: &str) {
    machine.write("/etc/uwsgi/emperor.ini", seed::EMPEROR, 0o644, Owner::ROOT);
    machine.write("/etc/uwsgi/vassals/user001.ini", vassal, 0o644, Owner::ROOT);
    let unit = ["systemd-run", "--unit=emperor", "--property=MountFlags=slave"];
    machine.must(&[&unit[..], &["uwsgi", "--ini", "/etc/uwsgi/emperor.ini"]].concat());
}
