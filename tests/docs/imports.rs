//! The import rules of ARCHITECTURE.md.

use crate::text::{between, files, read};
use std::collections::BTreeSet;
use std::process::Command;

/// The crates that are programs and nothing else.
const PROGRAMS: [&str; 4] = ["vassal-generator", "vassal-enter", "vassal-watchdog", "vassalctl"];

/// The one that shares code with another: what it shows of a unit is what the generator writes, and nothing beside it.
const SHARES: (&str, &str) = ("helpers/ctl", "vassal-generator");

/// The most crates in the tree of a program that runs as root for long, or sets root's work up.
const MOST_CRATES: usize = 10;

/// The crates of ours that the manifest in `directory` depends on, for tests too.
fn ours(directory: &str) -> BTreeSet<String> {
    let manifest = read(&format!("{directory}/Cargo.toml"));
    let mut is_dependency = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_dependency = line.contains("dependencies");
        } else if is_dependency && line.starts_with("vassal-") {
            found.insert(line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned());
        }
    }
    found
}

/// The directories of the workspace's members.
fn members() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let list = between(&manifest, "members = [", "]");
    let members: Vec<_> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(members.len() > 4, "{members:?}");
    members
}

#[test]
fn config_and_sys_import_nothing_of_ours() {
    for directory in ["helpers/config", "helpers/sys"] {
        assert_eq!(ours(directory), BTreeSet::new(), "{directory}");
    }
}

#[test]
fn nothing_imports_a_program() {
    for directory in members() {
        let imported = ours(&directory);
        let is_shared = |program: &str| (directory.as_str(), program) == SHARES;
        assert!(
            PROGRAMS
                .iter()
                .all(|program| !imported.contains(*program) || is_shared(program)),
            "{directory} imports {imported:?}"
        );
    }
}

#[test]
fn the_watchdog_reads_no_configuration_and_the_generator_takes_the_fork_of_sys() {
    assert_eq!(
        ours("helpers/watchdog"),
        BTreeSet::from(["vassal-sys".to_owned()])
    );
    let both = ["vassal-config", "vassal-sys"].map(str::to_owned);
    assert_eq!(ours("generator"), BTreeSet::from(both));
}

#[test]
fn vassalctl_reads_with_the_code_of_the_others_and_does_no_kernel_step() {
    let shared = ["vassal-config", "vassal-generator"].map(str::to_owned);
    assert_eq!(ours("helpers/ctl"), BTreeSet::from(shared));
}

#[test]
fn unsafe_code_is_in_sys_only() {
    for directory in members()
        .into_iter()
        .filter(|directory| directory != "helpers/sys")
    {
        let roots: Vec<_> = ["lib.rs", "main.rs"]
            .map(|name| format!("{directory}/src/{name}"))
            .to_vec();
        let sources = files(&format!("{directory}/src"), ".rs");
        for root in roots.iter().filter(|root| sources.contains(root)) {
            let text = read(root);
            let is_closed =
                text.contains("#![forbid(unsafe_code)]") || text.contains("#![deny(unsafe_code)]");
            assert!(is_closed, "{root} does not forbid unsafe code");
        }
        for path in &sources {
            let text = read(path);
            assert!(
                !text.contains("unsafe {") && !text.contains("allow(unsafe_code)"),
                "{path} has unsafe code"
            );
        }
    }
}

#[test]
fn the_helpers_have_few_dependencies() {
    for program in ["vassal-enter", "vassal-watchdog"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "tree",
            "--locked",
            "--offline",
            "-e",
            "normal",
            "--prefix",
            "none",
            "-p",
            program,
        ]);
        let output = cargo
            .current_dir(crate::text::root())
            .output()
            .expect("cargo tree");
        let text = String::from_utf8_lossy(&output.stdout);
        let crates: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert!(
            output.status.success() && crates.contains(program),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            crates.len() <= MOST_CRATES,
            "{program} has {} crates: {crates:?}",
            crates.len()
        );
    }
}
