//! Files that cannot be used.

use vassal_tests::on_each_suite;

use crate::scene::{EMPEROR, LIMIT, app, invocation, machine, path, put, unit, wait_status, wait_version};

#[test]
fn a_broken_file_never_stops_what_runs_is_told_with_its_line_and_applied_when_mended() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", &app(9090, "1"));
        wait_version(&machine, 9090, "1");
        let before = invocation(&machine, "a");
        const WRONG: &[(&str, &str)] = &[
            ("uid = nosuch\nhook-as-root = blah:x\n", "a.ini:11: hook-as-root"),
            ("uid = 99999999999\n", "a.ini:10: uid"),
            ("[vassal]\nno-such-setting = 1\n", "a.ini:11: no-such-setting"),
            ("[Service]\nMemoryMax=-\n", "a.ini"),
        ];
        for (number, (lines, told)) in WRONG.iter().enumerate() {
            put(&machine, "a", &(app(9090, "never") + lines));
            wait_status(&machine, "1 not as the file says");
            wait_status(&machine, told);
            machine.wait_for_journal(EMPEROR, "its file cannot be used, it runs on as it was: ", LIMIT);
            assert_eq!(
                machine.unit(&unit("a"), "ActiveState"),
                "active",
                "{suite}: {lines}"
            );
            assert_eq!(machine.http(9090, "/").unwrap().0, 200, "{suite}: {lines}");
            let version = format!("mended{number}");
            put(&machine, "a", &app(9090, &version));
            wait_version(&machine, 9090, &version);
            wait_status(&machine, "as the files say");
        }
        assert_eq!(invocation(&machine, "a"), before, "{suite}");
        let told = machine.must_sh(&format!(
            "journalctl --sync; journalctl --quiet --output=cat --unit={EMPEROR} MESSAGE_ID=e1ccfb207df1479eaf2247041e673968"
        ));
        assert_eq!(told.lines().count(), WRONG.len(), "{suite}: {told}");
        // What anybody may write is nobody's configuration.
        machine.must(&["chmod", "o+w", &path("a")]);
        machine.must(&["touch", &path("a")]);
        wait_status(&machine, "1 not as the file says");
        machine.must(&["chmod", "o-w", &path("a")]);
        machine.must(&["touch", &path("a")]);
        wait_status(&machine, "as the files say");
        assert_eq!(invocation(&machine, "a"), before, "{suite}");
    });
}

#[test]
fn a_new_file_that_is_broken_starts_when_it_is_mended() {
    on_each_suite(|suite| {
        let machine = machine(suite);
        put(&machine, "a", &(app(9090, "1") + "hook-as-root = blah:x\n"));
        machine.wait_for_unit(&unit("a"), "ActiveState", "failed", LIMIT);
        put(&machine, "a", &app(9090, "1"));
        wait_version(&machine, 9090, "1");
    });
}
