//! Faults that may pass: the same file, tried again, may serve.

use vassal_tests::Suite;

use crate::case::Case;
use crate::complaints::Complaints;
use crate::judge::{retried, stops};
use crate::scene::Scene;

const COMMANDS: &[Case] = &[
    Case::lines(
        "notfound",
        "exec-as-user = fuse-zap /app\n",
        &[
            "notfound.ini:7: as-user hook 'fuse-zap /app'",
            "its program was not found",
        ],
    ),
    Case::lines(
        "exits",
        "hook-as-root = exec:echo the disk is away >&2; exit 3\n",
        &[
            "exits.ini:7: as-root hook ",
            "exited with 3",
            "its last words: the disk is away",
        ],
    ),
    Case::lines(
        "killed",
        "hook-pre-jail = exec:kill -9 $$\n",
        &["killed.ini:7: pre-jail hook ", "was killed by SIGKILL"],
    ),
    Case::lines(
        "hangs",
        "exec-as-user = exec sleep infinity\n[vassal]\nhook-timeout = 300ms\n",
        &[
            "hangs.ini:7: as-user hook ",
            "did not return within 0.3 s",
            "hook-timeout",
        ],
    ),
    Case::lines(
        "roothangs",
        "exec-as-root = exec sleep infinity\n[vassal]\nhook-timeout = 300ms\n",
        &[
            "roothangs.ini:7: as-root hook ",
            "did not return within 0.3 s",
            "hook-timeout",
        ],
    ),
    Case::lines(
        "nevercomes",
        "hook-as-user = wait_for_file:/srv/never\n[vassal]\nhook-timeout = 300ms\n",
        &[
            "nevercomes.ini:7: as-user hook ",
            "/srv/never",
            "within 0.3 s",
            "hook-timeout",
        ],
    ),
    Case::lines(
        "piped",
        "logto = /srv/unread\n",
        &[
            "piped.ini:7: logto: ",
            "'/srv/unread'",
            "it is a FIFO that nobody reads",
        ],
    )
    .after("mkfifo /srv/unread"),
    Case::lines(
        "occupied",
        "hook-as-root = mkdir:/srv\n",
        &[
            "occupied.ini:7: as-root hook ",
            "cannot make directory '/srv'",
            "File exists",
        ],
    ),
    Case::lines(
        "unmountable",
        "hook-as-root = mount:tmpfs none /absent\n",
        &["unmountable.ini:7: as-root hook ", "'/absent'", "does not exist"],
    ),
];

const FILESYSTEMS: &[Case] = &[
    Case::lines(
        "zipless",
        "exec-as-user = fuse-zip -r /var/www/absent.zip /mnt/two\n",
        &[
            "zipless.ini:7: as-user hook 'fuse-zip -r /var/www/absent.zip",
            "last words: ",
            "absent.zip",
        ],
    ),
    Case::lines(
        "placeless",
        "exec-as-user = fuse-zip -r /var/www/app001.zip /absent\n",
        &[
            "placeless.ini:7: as-user hook ",
            "last words: ",
            "/absent",
            "mkdir and chown it",
        ],
    ),
    Case::lines(
        "notmine",
        "exec-as-user = fuse-zip -r /var/www/app001.zip /srv/roots\n",
        &[
            "notmine.ini:7: as-user hook ",
            "/srv/roots",
            "must belong to the vassal's user",
            "chown it",
        ],
    )
    .after("mkdir /srv/roots"),
    Case::lines(
        "shared",
        "exec-as-user = fuse-zip -r -o allow_other /var/www/app001.zip /mnt/two\n",
        &[
            "shared.ini:7: as-user hook ",
            "add 'user_allow_other' to /etc/fuse.conf",
        ],
    ),
];

const APPS: &[Case] = &[
    Case::whole(
        "syntax",
        "[uwsgi]\nplugin = psgi\nuid = user002\nhttp-socket = :9091\npsgi = /srv/syntax.pl\n",
        &["syntax", "the app did not load"],
    )
    .after("echo 'my $app = sub {' >/srv/syntax.pl"),
    Case::whole(
        "fileless",
        "[uwsgi]\nplugin = psgi\nuid = user002\nhttp-socket = :9091\npsgi = /srv/absent.pl\n",
        &["fileless", "the app did not load"],
    ),
    Case::whole(
        "pluginless",
        "[uwsgi]\nuid = user002\nhttp-socket = :9091\npsgi = /srv/app/myapp.pl\n",
        &["pluginless", "the app did not load", "plugin = psgi"],
    ),
    Case::lines(
        "crashes",
        "exec-post-app = exit 5\n",
        &["crashes", "before it served", "lines above"],
    ),
    Case::lines(
        "gone",
        "[vassal]\ncommand = /srv/absent --serve\nready = :9091\n",
        &["gone", "exited with 127", "before it served"],
    ),
    Case::lines(
        "ends",
        "[vassal]\ncommand = exit 7\nready = :9091\n",
        &["ends", "exited with 7", "before it served"],
    ),
];

#[test]
fn a_hook_that_fails_is_told_and_tried_again() {
    try_all(COMMANDS);
}

#[test]
fn a_filesystem_that_is_not_mounted_is_told_and_tried_again() {
    try_all(FILESYSTEMS);
}

#[test]
fn an_app_that_does_not_serve_is_told_and_tried_again() {
    try_all(APPS);
}

fn try_all(cases: &[Case]) {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        let mounts = scene.machine.fuse_connections().len();
        for case in cases {
            retried(&scene, case, &mut complaints);
            stops(&scene, &case.unit(), mounts, &mut complaints);
            scene.script(case.tidy);
        }
    }
    complaints.tell();
}
