//! What vassalctl and STATUS say about a file that does not work.

use vassal_config::unit::directives::directives;
use vassal_tests::{Boot, Owner, on_each_suite};

/// Values of directives, right and wrong, whose grammar is checked before systemd would ignore them.
const VALUES: &str = include_str!("advice/values.txt");

/// systemd's own word for each value: the numbers of the lines that it complains about.
fn systemd_says(suite: vassal_tests::Suite, lines: &[&str]) -> Vec<usize> {
    let machine = Boot::of(suite).start().unwrap();
    machine.make_dir("/units", 0o755, Owner::ROOT);
    for (number, line) in lines.iter().enumerate() {
        let text = format!("[Service]\nType=oneshot\nExecStart=/bin/true\n{line}\n");
        machine.write(format!("/units/v{number:03}.service"), text, 0o644, Owner::ROOT);
    }
    let said = machine.run(&[
        "sh",
        "-c",
        "systemd-analyze verify --man=no /units/*.service 2>&1",
    ]);
    let complaint = |line: &str| line.split("/v").nth(1)?.split('.').next()?.parse().ok();
    let mut found: Vec<usize> = said.stdout.lines().filter_map(complaint).collect();
    found.dedup();
    found
}

#[test]
fn a_value_is_refused_where_systemd_would_ignore_it_and_nowhere_else() {
    let lines: Vec<&str> = VALUES.lines().filter(|line| !line.is_empty()).collect();
    let is_refused = |line: &&str| {
        let (taken, errors) = directives(format!("[Service]\n{line}\n").as_bytes(), b"u.ini");
        assert_eq!(taken.len() + errors.len(), 1, "{line}");
        !errors.is_empty()
    };
    let ours: Vec<&str> = lines.iter().copied().filter(|line| is_refused(line)).collect();
    on_each_suite(|suite| {
        let theirs = systemd_says(suite, &lines);
        let theirs: Vec<&str> = theirs.iter().map(|number| lines[*number]).collect();
        assert!(theirs.len() > 20, "{suite}: {theirs:?}");
        assert_eq!(ours, theirs, "{suite}: ours (left), systemd's (right)");
    });
}
