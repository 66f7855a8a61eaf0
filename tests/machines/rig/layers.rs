//! What a machine has above its Debian.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use vassal_tests::{Boot, Failure, Layer, Machine, Owner, Suite};

use crate::LIMIT;

const CONTROL: &str = "\
Package: rig-sample
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: sample
";

#[test]
fn what_is_planned_is_there_at_boot() {
    let unit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=cat /etc/greeting\n";
    let wanted = "[Unit]\nWants=greet.service\nAfter=greet.service\n";
    for suite in Suite::all() {
        let machine = Boot::of(suite)
            .file("/etc/systemd/system/greet.service", unit, 0o644, Owner::ROOT)
            .file(
                "/etc/systemd/system/multi-user.target.d/greet.conf",
                wanted,
                0o644,
                Owner::ROOT,
            )
            .file("/etc/greeting", "good morning\n", 0o600, Owner::ROOT)
            .directory("/srv/morning", 0o700, Owner::USER001)
            .start()
            .unwrap();
        assert_eq!(
            machine.unit("greet.service", "ActiveState"),
            "active",
            "{}",
            machine.state()
        );
        machine.wait_for_journal("greet.service", "good morning", LIMIT);
        assert_eq!(
            machine.must(&["stat", "--format=%a %U", "/srv/morning"]),
            "700 user001"
        );
    }
}

#[test]
fn a_later_layer_covers_an_earlier_one() {
    let (lower, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(lower.path().join("both"), "lower").unwrap();
    fs::write(lower.path().join("one"), "lower").unwrap();
    fs::write(upper.path().join("both"), "upper").unwrap();
    let machine = Machine::boot(
        Suite::all()[0],
        &[Layer::of(lower.path()), Layer::of(upper.path())],
    );
    assert_eq!(
        machine.read_text("/both") + &machine.read_text("/one"),
        "upperlower"
    );
    machine.write("/one", "machine", 0o644, Owner::ROOT);
    assert_eq!(fs::read_to_string(lower.path().join("one")).unwrap(), "lower");
}

#[test]
fn a_package_is_in_its_layer_and_nowhere_else() {
    let place = tempfile::tempdir().unwrap();
    // A package that no cache has: it is to be installed, here and now.
    let sample = format!("sample of {}\n", place.path().display());
    let package = build(place.path(), &sample, "true").unwrap();
    for suite in Suite::all() {
        let layers: Vec<Layer> = std::thread::scope(|scope| {
            let threads = [(); 3].map(|()| scope.spawn(|| Layer::with_package(suite, &package).unwrap()));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let with = Machine::boot(suite, &layers[..1]);
        assert_eq!(
            with.must(&["dpkg-query", "--show", "rig-sample"]),
            "rig-sample\t1.0"
        );
        assert_eq!(with.read_text("/usr/share/rig-sample"), sample);
        let without = Machine::boot(suite, &[]);
        assert!(!without.run(&["dpkg-query", "--show", "rig-sample"]).succeeded());
        drop((with, without));
        // Nobody will want it again.
        let cached = layers[0].path().ancestors().nth(2).unwrap();
        fs::remove_dir_all(cached).unwrap();
    }
}

#[test]
fn a_package_that_cannot_be_installed_tells_why() {
    let place = tempfile::tempdir().unwrap();
    let package = build(place.path(), "unwilling", "echo no, thank you >&2; false").unwrap();
    match Layer::with_package(Suite::all()[0], &package) {
        Err(Failure::Build { output, .. }) => assert!(output.contains("no, thank you"), "{output}"),
        other => panic!("{other:?}"),
    }
}

/// Builds a package with one file; what the file holds makes it another package to the cache.
fn build(place: &Path, sample: &str, postinst: &str) -> std::io::Result<PathBuf> {
    let (tree, package) = (place.join("tree"), place.join("rig-sample.deb"));
    let script = tree.join("DEBIAN/postinst");
    fs::create_dir_all(tree.join("DEBIAN"))?;
    fs::create_dir_all(tree.join("usr/share"))?;
    fs::write(tree.join("usr/share/rig-sample"), sample)?;
    fs::write(tree.join("DEBIAN/control"), CONTROL)?;
    fs::write(&script, format!("#!/bin/sh\n{postinst}\n"))?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    let output = Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .args([&tree, &package])
        .env("SOURCE_DATE_EPOCH", "0")
        .output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(package)
}
