//! The process that a reload sends into a vassal's namespaces is root's until it becomes the user: it follows no link that the user
//! has made meanwhile.

use std::time::Duration;

use vassal_tests::Owner;

use crate::LIMIT;
use crate::scene::{UNIT, UWSGI, drop_in, get, machine, on_each_suite, psgi, uwsgis};

/// The start leaves its working directory and its log where the user may put something else in their place.
const FILE: &str = "hook-as-root = chdir:/srv/own/work/here
logto = /srv/own/log/app.log
";

#[test]
fn the_process_of_a_reload_follows_no_link_of_the_tenants() {
    on_each_suite(|suite| {
        let machine = machine(suite, &psgi("first", Duration::ZERO));
        machine.must_sh(
            "mkdir -p /srv/own/work/here /srv/own/log /root/secret/here /root/secret/log; chmod 700 /root /root/secret; chown -R user001 /srv/own",
        );
        drop_in(&machine, &format!("{UWSGI}{FILE}"));
        machine.must(&["systemctl", "start", UNIT]);
        machine.poll_http(9090, "/live", LIMIT);
        let before = uwsgis(&machine);
        let app = format!("/proc/{}/cwd", before[0]);
        let directory = std::fs::read_link(&app).unwrap();
        assert!(directory.ends_with("srv/own/work/here"), "{directory:?}");
        // As the user: the directories are where links lead to root's.
        machine.must_sh(
            "setpriv --reuid=user001 --regid=user001 --clear-groups sh -c 'cd /srv/own && mv work was && ln -s /root/secret work && mv log logs && ln -s /root/secret/log log'",
        );
        let reloaded = machine.run(&["systemctl", "reload", UNIT]);
        machine.must(&["journalctl", "--sync"]);
        let journal = machine.journal(UNIT);
        assert!(!reloaded.succeeded(), "{journal}");
        assert_eq!(uwsgis(&machine), before);
        assert_eq!(get(&machine, "/version"), "first\n");
        let left = machine.must(&["find", "/root/secret", "-type", "f"]);
        assert_eq!(left, "", "nothing is written where the link leads");
        // Only the working directory: the user may not go where it leads.
        machine.must_sh("rm /srv/own/log && mv /srv/own/logs /srv/own/log");
        let reloaded = machine.run(&["systemctl", "reload", UNIT]);
        assert!(!reloaded.succeeded());
        assert_eq!(uwsgis(&machine), before);
        // A directory of his own is as good as the first.
        machine.must_sh("cd /srv/own && rm work && mv was work");
        machine.write(
            "/srv/app/app.pl",
            psgi("second", Duration::ZERO),
            0o644,
            Owner::ROOT,
        );
        machine.must(&["systemctl", "reload", UNIT]);
        assert_eq!(get(&machine, "/version"), "second\n");
    });
}
