//! The root of the vassal itself, after pivot_root: the tutorial's copy-on-write union, whose daemon everything else stands on.

use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, installed, seed};

use crate::filesystem::{Below, Daemon, Mounter};
use crate::matrix::{SHORT, meet_all};
use crate::setup::scene;
use crate::setup::scene::{assert_clean_end, on_each_suite};
use crate::setup::tenant::Tenant;

/// In place of the tutorial's hook that runs unionfs-fuse in another root. pivot_root takes the root of every process of the mount
/// namespace along: a daemon that stays in it would stand on what it serves. fuse-overlayfs has no option for another
/// root; so the daemon has a mount namespace of its own, and what it mounts comes from there to here. The lowest of its
/// directories is faultfs, by which it can be made to hang; `umount:/.old_root rec` would take that from a daemon in a
/// root of the same namespace.
const MOUNT: &str = "hook-pre-jail = exec:faultfs --allow-other /srv/fault && mount --bind /ufs /ufs && \
    mount --make-shared /ufs && mkdir -p /ufs/root && unshare --mount --propagation unchanged @UNION@ /ufs/root && \
    mount --make-rprivate /ufs";

fn union(daemon: Daemon) -> &'static str {
    match daemon {
        Daemon::Unionfs => {
            "unionfs-fuse -o cow,default_permissions,allow_other /ns/cow/user001=RW:/ns/precise=RO:/srv/fault=RO"
        }
        _ => {
            "fuse-overlayfs -o allow_other,lowerdir=/ns/precise:/srv/fault,upperdir=/ns/cow/user001,workdir=/ns/cow/user002"
        }
    }
}

fn tenant(suite: Suite) -> Tenant {
    let [_, union, _, _] = Daemon::of(suite);
    Tenant::new(union, Mounter::Root, Below::Debian, 9101)
}

/// The tutorial's file with our app in place of uWSGI's.
fn text(tenant: &Tenant) -> String {
    let is_apps = |line: &&str| {
        let words = ["plugin", "http-socket", "psgi", ";"];
        words.iter().any(|word| line.starts_with(word))
    };
    let lines = seed::COPY_ON_WRITE.lines().filter(|line| !is_apps(line));
    let mount = MOUNT.replace("@UNION@", union(tenant.daemon));
    let lines = lines.map(|line| match line.split(' ').next() {
        Some("pivot_root") => "pivot_root = /ufs/root /ufs/root/.old_root",
        _ if line.contains("exec:unionfs-fuse") => &mount,
        _ => line,
    });
    let port = tenant.port;
    let app = format!("command = exec /usr/local/bin/faultfs-app --http {port}\nready = 127.0.0.1:{port}");
    let lines: Vec<&str> = lines.chain(["[vassal]", &app, SHORT]).collect();
    lines.join("\n")
}

fn machine(suite: Suite) -> Machine {
    let machine = scene::furnished(Boot::of(suite).layer(&installed(suite)).copy_on_write());
    machine
        .must_sh("cp /usr/local/bin/faultfs-app /ns/precise/usr/local/bin/; mkdir -p /ns/precise/.old_root");
    machine.write("/ns/precise/ok", "ok\n", 0o644, Owner::ROOT);
    machine.make_dir("/srv/fault", 0o755, Owner::ROOT);
    machine
}

#[test]
fn every_fault_of_the_root_itself_is_told_by_its_name_and_leaves_nothing() {
    on_each_suite(|suite| {
        let tenant = tenant(suite);
        let machine = machine(suite);
        scene::serve(&machine, &[(&tenant, text(&tenant))]);
        let wrong = meet_all(&machine, &tenant);
        assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), machine.state());
        assert_stops(&machine, tenant);
    });
}

/// Stops the tenant, and demands that no limit was needed for it.
fn assert_stops(machine: &Machine, tenant: Tenant) {
    let unit = tenant.unit();
    assert_clean_end(machine, &[tenant]);
    let journal = machine.journal(&unit);
    let is_late = |line: &&str| line.contains("did not");
    assert_eq!(journal.lines().find(is_late), None, "{journal}");
}

#[test]
fn what_the_root_stands_on_and_nobody_else_sees_is_committed_by_a_stop() {
    on_each_suite(|suite| {
        let tenant = tenant(suite);
        let machine = machine(suite);
        let archive = "/var/www/low.zip";
        fixtures::zip_app(&machine, archive, "low");
        // Both daemons in the root that the vassal leaves: fuse-zip saves where it has read.
        let union = union(tenant.daemon);
        let both = format!("sh -c 'fuse-zip {archive} /srv/fault && exec {union} /ufs/root'");
        let text = text(&tenant)
            .replace("faultfs --allow-other /srv/fault && ", "")
            .replace(&format!("{union} /ufs/root"), &both);
        scene::serve(&machine, &[(&tenant, text)]);
        let daemon = machine.pid_of(&tenant.unit(), tenant.daemon.process());
        let megabytes = "head --bytes=20M /dev/urandom >/srv/fault/big && cat /srv/fault/name";
        let written = machine.run_inside(daemon, &["sh", "-ec", megabytes]);
        assert_eq!(written.stdout, "low\n", "{written}");
        assert_stops(&machine, tenant);
        let sizes = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), z.getinfo('big').file_size)";
        assert_eq!(machine.must(&["python3", "-c", sizes, archive]), "None 20971520");
    });
}
