//! The import rules of ARCHITECTURE.md.

use crate::page::between;
use crate::text::{files, read};
use std::collections::BTreeSet;
use std::process::Command;

/// The most crates of others in the tree of a program that runs as root for long, or sets root's work up.
const MOST_CRATES: usize = 8;

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

/// The crates of ours that each crate may import: down only, and the programs import no program but vassalctl, which is the generator and
/// the emperor, too (the emperor writes what the generator does, so it has its library).
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("helpers/escape", &[]),
    ("helpers/config", &["vassal-escape"]),
    ("helpers/sys", &["vassal-escape"]),
    ("helpers/systemd", &["vassal-escape", "vassal-sys"]),
    (
        "helpers/state",
        &["vassal-escape", "vassal-sys", "vassal-systemd"],
    ),
    (
        "generator",
        &["vassal-config", "vassal-escape", "vassal-state", "vassal-sys"],
    ),
    (
        "helpers/enter",
        &[
            "vassal-config",
            "vassal-escape",
            "vassal-state",
            "vassal-sys",
            "vassal-systemd",
        ],
    ),
    (
        "helpers/watchdog",
        &["vassal-escape", "vassal-state", "vassal-sys", "vassal-systemd"],
    ),
    (
        "helpers/ctl",
        &[
            "vassal-config",
            "vassal-emperor",
            "vassal-escape",
            "vassal-generator",
            "vassal-state",
            "vassal-sys",
            "vassal-systemd",
        ],
    ),
    (
        "helpers/emperor",
        &[
            "vassal-config",
            "vassal-escape",
            "vassal-generator",
            "vassal-state",
            "vassal-systemd",
        ],
    ),
    (
        "tests",
        &["vassal-config", "vassal-state", "vassal-sys", "vassal-systemd"],
    ),
];

#[test]
fn every_crate_imports_what_is_below_it_and_nothing_else() {
    let rules: Vec<_> = MAY_IMPORT
        .iter()
        .map(|(directory, _)| (*directory).to_owned())
        .collect();
    let mut sorted = (rules.clone(), members());
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1, "each crate has its rule");
    for (directory, may) in MAY_IMPORT {
        let may: BTreeSet<_> = may.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(ours(directory), may, "{directory}");
    }
}

/// Where a member's sources are: the rig has no `src`.
fn sources_of(directory: &str) -> String {
    let manifest = read(&format!("{directory}/Cargo.toml"));
    match manifest.split_once("[lib]\npath = \"") {
        Some((_, path)) => format!("{directory}/{}", path.split('/').next().unwrap_or_default()),
        None => format!("{directory}/src"),
    }
}

#[test]
fn unsafe_code_is_in_sys_only() {
    for directory in members()
        .into_iter()
        .filter(|directory| directory != "helpers/sys")
    {
        let sources = files(&sources_of(&directory), ".rs");
        let is_root = |path: &&String| path.ends_with("/lib.rs") || path.ends_with("/main.rs");
        for root in sources.iter().filter(is_root) {
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
            .filter(|name| !name.starts_with("vassal-"))
            .collect();
        assert!(
            output.status.success() && text.contains(program),
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
