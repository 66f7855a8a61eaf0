//! What README and the guides of docs/ say to type, typed.

use vassal_tests::{Boot, Machine, Owner, Signal, Suite, fixtures, installed, on_each_suite, seed};

use crate::vassals::{UNIT, drop_in, get};

const README: &str = include_str!("../../../README.md");
const GUIDE: &str = include_str!("../../../docs/from-the-emperor.md");
const MONITORING: &str = include_str!("../../../docs/monitoring.md");
const HARDENING: &str = include_str!("../../../docs/hardening.md");

/// A machine has these already: packages, a shared root, and the user in both roots.
const DONE: [&str; 5] = ["apt ", "debootstrap ", "useradd ", "groupadd ", "make "];

const EMPERORS_UNIT: &str = "\
[Service]
Type=notify
ExecStart=uwsgi --ini /etc/uwsgi/emperor.ini
KillSignal=SIGINT
MountFlags=slave
[Install]
WantedBy=multi-user.target
";

/// The part of a document below a heading, up to the next one of any depth.
fn below<'a>(document: &'a str, heading: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("\n{heading}\n")).unwrap();
    rest.split_once("\n#").map_or(rest, |(part, _)| part)
}

/// The fenced blocks of a part in one language.
fn fenced(part: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    let blocks = part.split(&start).skip(1);
    blocks
        .map(|rest| rest.split_once("```").unwrap().0.to_owned())
        .collect()
}

fn todo(block: &str) -> String {
    let is_left = |line: &&str| !DONE.iter().any(|done| line.starts_with(done));
    block.lines().filter(is_left).collect::<Vec<_>>().join("\n")
}

/// Types every block of commands below a heading; gives what they wrote.
fn follow(machine: &Machine, document: &str, heading: &str) -> String {
    let blocks = fenced(below(document, heading), "sh");
    assert!(!blocks.is_empty(), "no commands below '{heading}'");
    let wrote = blocks
        .iter()
        .map(|block| machine.must_sh(&format!("cd /root\n{}", todo(block))));
    wrote.collect::<Vec<_>>().join("\n")
}

fn is_active(machine: &Machine, unit: &str) -> bool {
    machine.unit(unit, "ActiveState") == "active"
}

/// Waits for the app of either supervisor, which may just be starting.
fn serves(machine: &Machine) {
    machine.poll_http(9090, "/", crate::LIMIT);
}

#[test]
fn the_guide_leads_from_the_emperor_to_vassal_and_back() {
    on_each_suite(|suite| {
        let machine = Machine::boot(suite, &[installed(suite)]);
        fixtures::scenario(&machine);
        let files = [
            ("/etc/uwsgi/emperor.ini", seed::EMPEROR),
            ("/etc/uwsgi/vassals/user001.ini", seed::ZIP_WATCHED),
            ("/etc/systemd/system/uwsgi-emperor.service", EMPERORS_UNIT),
        ];
        for (path, text) in files {
            machine.write(path, text, 0o644, Owner::ROOT);
        }
        machine.must(&["systemctl", "enable", "--now", "uwsgi-emperor"]);
        serves(&machine);

        let looked = follow(&machine, GUIDE, "## 2. Look, before anything changes");
        assert!(
            looked.contains("2 files: 0 errors, 0 warnings, 0 notes"),
            "{looked}"
        );
        assert!(is_active(&machine, "uwsgi-emperor") && !is_active(&machine, UNIT));

        follow(&machine, GUIDE, "## 3. Switch");
        serves(&machine);
        assert!(!is_active(&machine, "uwsgi-emperor") && is_active(&machine, UNIT));

        follow(&machine, GUIDE, "## 4. The way back");
        serves(&machine);
        assert!(is_active(&machine, "uwsgi-emperor") && !is_active(&machine, UNIT));

        follow(&machine, GUIDE, "## 5. One vassal at a time");
        get(&machine, 9090, "/");
        assert!(is_active(&machine, "uwsgi-emperor") && is_active(&machine, UNIT));
    });
}

/// A line with every number as one sign: process ids, times and descriptors differ from run to run.
fn masked(line: &str) -> String {
    let mut text = String::new();
    for character in line.trim().chars() {
        match character {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            other => text.push(other),
        }
    }
    text
}

/// The lines of a status from the vassal's own sentence on.
fn picture(status: &str) -> Vec<String> {
    let lines = status.lines().map(masked);
    lines.skip_while(|line| !line.starts_with("Status:")).collect()
}

#[test]
fn the_first_vassal_of_readme_serves_and_looks_as_in_its_picture() {
    on_each_suite(|suite| {
        let machine = Machine::boot(suite, &[installed(suite)]);
        let lines = below(README, "## A first vassal").lines();
        let typed: Vec<_> = lines.filter_map(|line| line.strip_prefix("    ")).collect();
        let wrote = machine.must_sh(&format!("cd /root\n{}", todo(&typed.join("\n"))));
        assert_eq!(wrote, "hello");

        let (_, shown) = README.split_once("# systemctl status").unwrap();
        let shown = picture(shown.split_once("\n\n").unwrap().0);
        let status = machine.must(&["systemctl", "status", "--full", "--no-pager", UNIT]);
        let is = picture(&status);
        assert!(shown.len() > 4, "{shown:?}");
        for line in shown {
            assert!(is.contains(&line), "'{line}' is not in\n{status}");
        }
    });
}

#[test]
fn the_tutorials_vassals_of_the_guide_serve_recover_and_commit() {
    on_each_suite(|suite| {
        let layers = Boot::of(suite).layer(&installed(suite)).copy_on_write();
        let machine = layers
            .start()
            .unwrap_or_else(|failure| panic!("{suite}: {failure}"));
        // The kernel's overlay refuses to write to the machine's root, which is an overlay itself.
        fixtures::cow_on_tmpfs(&machine);

        let wrote = follow(&machine, GUIDE, "### An app in a zip archive");
        assert_eq!(wrote.matches("hello").count(), 2, "{wrote}");
        assert!(wrote.contains("1 restart: /app dead (ENOTCONN)"), "{wrote}");

        follow(&machine, GUIDE, "### What the app writes is committed at the end");
        get(&machine, 9090, "/");

        let root = match suite {
            Suite::Bookworm => "### A copy-on-write root on Debian 12: unionfs-fuse",
            Suite::Trixie => "### A copy-on-write root on Debian 13: the kernel's overlay",
        };
        assert_eq!(follow(&machine, GUIDE, root).trim(), "hello");
    });
}

#[test]
fn a_vassal_with_all_that_the_hardening_guide_adds_serves() {
    on_each_suite(|suite| {
        let machine = Machine::boot(suite, &[installed(suite)]);
        fixtures::scenario(&machine);
        let lines = fenced(HARDENING, "ini").concat();
        assert!(
            lines.contains("MemoryMax") && lines.contains("PrivateTmp"),
            "{lines}"
        );
        drop_in(&machine, "user001", &format!("{}{lines}", seed::ZIP_WATCHED));
        let checked = follow(&machine, HARDENING, "## What is yours");
        assert!(
            checked.contains("2 files: 0 errors, 0 warnings, 0 notes"),
            "{checked}"
        );
        let wrote = follow(&machine, HARDENING, "## What can be added");
        assert!(
            wrote.contains("PrivateTmp=yes") && wrote.contains("Overall exposure level"),
            "{wrote}"
        );
        get(&machine, 9090, "/");
        let limit = machine.unit(UNIT, "MemoryMax");
        assert_eq!(limit, (512_u64 << 20).to_string());
    });
}

#[test]
fn the_monitoring_guide_shows_a_vassal_at_the_terminal_and_to_machines() {
    on_each_suite(|suite| {
        let machine = Machine::boot(suite, &[installed(suite)]);
        fixtures::scenario(&machine);
        drop_in(&machine, "user001", seed::ZIP_WATCHED);
        machine.must(&["systemctl", "start", UNIT]);
        let seen = follow(&machine, MONITORING, "## At the terminal");
        assert!(seen.contains("user001") && seen.contains("/app"), "{seen}");
        machine.must_sh("mkdir -p /var/lib/prometheus/node-exporter");
        let metrics = follow(&machine, MONITORING, "## Prometheus");
        assert!(metrics.contains("vassal_up{vassal=\"user001\"} 1"), "{metrics}");
        machine.must_sh("systemctl start vassal-metrics.service; grep -q user001 /var/lib/prometheus/node-exporter/vassal.prom");
        let checked = follow(&machine, MONITORING, "## Nagios and Icinga");
        assert!(checked.contains("OK"), "{checked}");
        assert!(machine.kill(machine.pid_of(UNIT, "fuse-zip"), Signal::SIGKILL));
        machine.wait_for_unit(UNIT, "NRestarts", "1", crate::LIMIT);
        let events = follow(&machine, MONITORING, "## The journal");
        assert!(events.contains("\"VASSAL_VERDICT\":\"dead\""), "{events}");
    });
}
