//! FUSE in a machine, mounted by hand.

use vassal_tests::{Boot, FuseNode, Machine, Suite, fixtures};

#[test]
fn users_mount_with_a_node_for_everyone_only() {
    const CASES: &[(FuseNode, Option<&str>, bool)] = &[
        (FuseNode::Everyone, Some("666"), true),
        (FuseNode::RootOnly, Some("600"), false),
        (FuseNode::Absent, None, false),
    ];
    for suite in Suite::all() {
        for (node, mode, mounts) in CASES {
            let machine = Boot::of(suite).fuse_node(*node).start().unwrap();
            fixtures::scenario(&machine);
            let seen = machine.run(&["stat", "--format=%a", "/dev/fuse"]);
            assert_eq!(
                seen.succeeded().then(|| seen.stdout.trim_end()),
                *mode,
                "{suite} {node:?}: {seen}"
            );
            let mounted = machine.run(&[
                "runuser",
                "-u",
                "user001",
                "--",
                "fuse-zip",
                "-r",
                "/var/www/app001.zip",
                "/app",
            ]);
            assert_eq!(mounted.succeeded(), *mounts, "{suite} {node:?}: {mounted}");
            assert_eq!(
                machine.fuse_connections().len(),
                usize::from(*mounts),
                "{suite} {node:?}"
            );
            assert_eq!(
                machine.pids("fuse-zip").len(),
                usize::from(*mounts),
                "{suite} {node:?}"
            );
        }
    }
}

#[test]
fn a_mounted_archive_shows_regular_files() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[]);
        fixtures::scenario(&machine);
        machine.must_sh("runuser -u user001 -- fuse-zip -r /var/www/app001.zip /app");
        let look = [
            "runuser",
            "-u",
            "user001",
            "--",
            "stat",
            "--format=%F",
            "/app/name",
            "/app/myapp.pl",
        ];
        assert_eq!(machine.must(&look), "regular file\nregular file");
    }
}

#[test]
fn a_connection_can_be_aborted_in_the_machine() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[]);
        fixtures::scenario(&machine);
        machine.must_sh("fuse-zip -r /var/www/app001.zip /app && test -f /app/myapp.pl");
        let connections: Vec<u32> = machine.fuse_connections().into_iter().collect();
        let [connection] = connections[..] else {
            panic!("{connections:?}");
        };
        machine.must_sh(&format!("echo 1 > /sys/fs/fuse/connections/{connection}/abort"));
        let after = machine.run(&["stat", "--file-system", "/app"]);
        assert!(
            after.stderr.contains("Transport endpoint is not connected"),
            "{after}"
        );
    }
}
