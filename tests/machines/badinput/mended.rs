//! Faults that are mended while the vassal is waiting: the next attempt serves, and nobody has to start it.

use vassal_tests::{FuseNode, Owner, Suite, fixtures};

use crate::LIMIT;
use crate::case::Case;
use crate::complaints::Complaints;
use crate::judge::retried;
use crate::scene::{PORT, Scene};

const LATE_ZIP: Case = Case::whole(
    "late",
    "[uwsgi]\nplugin = psgi\nuid = user002\nhttp-socket = :9091\nmountpoint-check = /mnt/two\n\
     exec-as-user = fuse-zip -r /srv/late.zip /mnt/two\npsgi = /mnt/two/myapp.pl\n",
    &[
        "late.ini:6: as-user hook 'fuse-zip -r /srv/late.zip /mnt/two'",
        "/srv/late.zip",
    ],
);

const TAKEN_PORT: Case = Case::lines(
    "taken",
    "",
    &[
        "taken.ini:5: cannot listen on ",
        ":9091: another program listens there",
        "ss -ltnp",
    ],
);

const ZIP: &str = "exec-as-user = fuse-zip -r /var/www/app001.zip /mnt/two\n";
const NODE_AWAY: Case = Case::lines(
    "nodeless",
    ZIP,
    &[
        "nodeless.ini:7: as-user hook ",
        "there is no /dev/fuse",
        "load the module with 'modprobe fuse'",
    ],
);
const NODE_CLOSED: Case = Case::lines(
    "closed",
    ZIP,
    &[
        "closed.ini:7: as-user hook ",
        "/dev/fuse has mode 0600",
        "chmod 0666 /dev/fuse",
    ],
);

#[test]
fn a_missing_archive_is_waited_for_with_growing_pauses_and_served_when_it_comes() {
    for suite in Suite::all() {
        let (scene, mut complaints) = (Scene::boot(suite), Complaints::none());
        let unit = LATE_ZIP.unit();
        retried(&scene, &LATE_ZIP, &mut complaints);
        complaints.tell();
        scene.machine.wait_for("longer pause", LIMIT, || {
            let status = scene.machine.unit(&unit, "StatusText");
            if status.starts_with("waiting 2 s before attempt 4; last: ") {
                Ok(())
            } else {
                Err(status)
            }
        });
        fixtures::zip_app(&scene.machine, "/srv/late.zip", "late");
        scene.machine.poll_http(PORT, "/live", LIMIT);
        let served: f64 = scene.machine.must(&["date", "+%s.%N"]).trim().parse().unwrap();
        let failed = scene.moments(&unit, 4);
        assert!(failed[2] - failed[1] > 1.0, "{suite}: {failed:?}");
        assert!(
            served - failed[2] > 2.0,
            "{suite}: {failed:?}, served at {served}"
        );
        scene.machine.wait_for_unit(&unit, "ActiveState", "active", LIMIT);
        assert_eq!(scene.machine.unit(&unit, "NRestarts"), "3");
        // The last one says that it serves again, and why it did not.
        let lines = scene.lines(&unit, 4);
        let (last, failed) = lines.split_last().unwrap();
        assert!(last.contains("late: serving; "), "{suite}: {last}");
        assert_eq!(
            failed.len(),
            3,
            "{suite}: one line for each failed attempt: {failed:?}"
        );
    }
}

#[test]
fn a_port_in_use_is_waited_for() {
    for suite in Suite::all() {
        let (scene, mut complaints) = (Scene::boot(suite), Complaints::none());
        scene.machine.must(&[
            "systemd-run",
            "--unit=squatter",
            "python3",
            "-m",
            "http.server",
            "9091",
        ]);
        scene.machine.poll_http(PORT, "/", LIMIT);
        retried(&scene, &TAKEN_PORT, &mut complaints);
        complaints.tell();
        scene.machine.must(&["systemctl", "stop", "squatter"]);
        scene.machine.poll_http(PORT, "/live", LIMIT);
        scene
            .machine
            .wait_for_unit(&TAKEN_PORT.unit(), "ActiveState", "active", LIMIT);
    }
}

#[test]
fn a_fuse_node_that_users_cannot_open_is_told_with_the_remedy_which_helps() {
    const CASES: &[(FuseNode, Case, &str)] = &[
        (
            FuseNode::Absent,
            NODE_AWAY,
            "mknod --mode=0666 /dev/fuse c 10 229",
        ),
        (FuseNode::RootOnly, NODE_CLOSED, "chmod 0666 /dev/fuse"),
    ];
    for suite in Suite::all() {
        for (node, case, remedy) in CASES {
            let (scene, mut complaints) = (Scene::without_fuse(suite, *node), Complaints::none());
            retried(&scene, case, &mut complaints);
            complaints.tell();
            scene.script(remedy);
            scene.machine.poll_http(PORT, "/live", LIMIT);
            assert_eq!(scene.machine.fuse_connections().len(), 1, "{suite} {node:?}");
        }
    }
}

#[test]
fn a_wrong_file_that_is_mended_starts_when_it_is_asked_to() {
    let wrong = Case::lines("mended", "immediate-uid = user001\n", &["mended.ini:7: "]);
    for suite in Suite::all() {
        let (scene, mut complaints) = (Scene::boot(suite), Complaints::none());
        crate::judge::refused(&scene, &wrong, &mut complaints);
        complaints.tell();
        scene.machine.write(
            "/etc/uwsgi/vassals/mended.ini",
            crate::case::HEAD,
            0o644,
            Owner::ROOT,
        );
        assert!(scene.starts(&wrong.unit()), "{}", scene.machine.state());
        scene.machine.poll_http(PORT, "/live", LIMIT);
    }
}
