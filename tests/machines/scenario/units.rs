//! The units that the package installs and the generator writes.

use vassal_tests::{Machine, Suite, installed, seed};

use crate::vassals::{UNIT, drop_in, machine};

/// What `systemctl cat` of a vassal may have at most: one screen.
const SMALL: usize = 60;

#[test]
fn what_systemctl_cat_shows_of_a_vassal_is_small_and_names_its_file() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", seed::ZIP_ATEXIT);
        let text = machine.must(&["systemctl", "cat", UNIT]);
        assert!(
            text.lines().count() < SMALL,
            "{} lines\n{text}",
            text.lines().count()
        );
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
        assert!(
            text.contains("vassal@.service\n") && text.contains("50-vassal.conf\n"),
            "{text}"
        );
        assert!(
            text.contains("ExecStart=:/usr/lib/vassal/vassal-enter "),
            "{text}"
        );
        let told = "file:///etc/uwsgi/vassals/user001.ini";
        assert!(
            machine
                .unit(UNIT, "Documentation")
                .split(' ')
                .any(|uri| uri == told),
            "{text}"
        );
    }
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    for suite in Suite::all() {
        let machine = machine(suite);
        drop_in(&machine, "user001", seed::ZIP_WATCHED);
        for unit in [
            UNIT,
            "vassal-retry@user001.service",
            "vassals.target",
            "vassal.slice",
        ] {
            // The machines have no man(1) that could look for the pages.
            let verified = machine.run(&["systemd-analyze", "verify", "--man=no", unit]);
            assert!(verified.succeeded(), "{unit}: {verified}");
            assert_eq!(
                (verified.stdout.as_str(), verified.stderr.as_str()),
                ("", ""),
                "{suite}: {unit}"
            );
        }
        let complaints = machine.must_sh("journalctl --quiet --no-pager _PID=1 --grep '/vassal.*(Unknown|Failed to parse|ignoring)' || true");
        assert_eq!(complaints, "");
    }
}

#[test]
fn the_pages_that_the_units_name_are_installed() {
    for suite in Suite::all() {
        let machine = Machine::boot(suite, &[installed(suite)]);
        let units = machine.must_sh(
            "cat $(dpkg --listfiles vassal | grep -E '/systemd/system/[^/]+[.](service|slice|target)$')",
        );
        let pages: Vec<&str> = units
            .lines()
            .filter_map(|line| line.strip_prefix("Documentation="))
            .flat_map(str::split_whitespace)
            .filter_map(|page| page.strip_prefix("man:"))
            .collect();
        assert!(!pages.is_empty(), "{units}");
        let files = machine.must(&["dpkg", "--listfiles", "vassal"]);
        let missing: Vec<_> = pages.iter().filter(|page| !has_page(&files, page)).collect();
        assert!(missing.is_empty(), "{suite}: not in the package: {missing:?}");
    }
}

/// Whether a list of files has the page `NAME(SECTION)`.
fn has_page(files: &str, page: &str) -> bool {
    let file = match page.trim_end_matches(')').split_once('(') {
        Some((name, section)) => format!("/usr/share/man/man{section}/{name}.{section}.gz"),
        None => panic!("'{page}' is no page"),
    };
    files.lines().any(|line| line == file)
}
