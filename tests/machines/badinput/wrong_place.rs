//! Roots and programs that are not there.

use vassal_tests::{Owner, Suite};

use crate::case::Case;
use crate::complaints::Complaints;
use crate::judge::{is_final, is_told_once, refused};
use crate::scene::{Scene, VASSALS};

const PLACES: &[Case] = &[
    Case::lines(
        "plain",
        "pivot_root = /srv/plain /srv/plain/.old_root\n",
        &[
            "plain.ini:7: pivot_root: ",
            "'/srv/plain'",
            "the new root is not a mountpoint",
        ],
    )
    .after("mkdir -p /srv/plain/.old_root"),
    Case::lines(
        "oldless",
        "hook-pre-jail = mount:tmpfs none /srv/new\npivot_root = /srv/new /srv/new/.old_root\n",
        &[
            "oldless.ini:8: pivot_root: ",
            "'/srv/new/.old_root'",
            "the directory for the old root does not exist",
        ],
    )
    .after("mkdir /srv/new"),
    Case::lines(
        "fileold",
        "hook-pre-jail = mount:tmpfs none /srv/new\nhook-pre-jail = create:/srv/new/.old_root\n\
         pivot_root = /srv/new /srv/new/.old_root\n",
        &["fileold.ini:9: pivot_root: ", "is not a directory"],
    ),
    Case::lines(
        "linkold",
        "hook-pre-jail = mount:tmpfs none /srv/new\nexec-pre-jail = ln -s /etc /srv/new/.old_root\n\
         pivot_root = /srv/new /srv/new/.old_root\n",
        &[
            "linkold.ini:9: pivot_root: ",
            "the place for the old root is a symbolic link",
        ],
    ),
    Case::lines(
        "rootless",
        "pivot_root = /absent /absent/.old_root\n",
        &[
            "rootless.ini:7: pivot_root: ",
            "'/absent'",
            "No such file or directory",
        ],
    ),
    Case::lines(
        "relative",
        "pivot_root = srv srv/.old_root\n",
        &[
            "relative.ini:7: pivot_root = srv srv/.old_root: two absolute paths are needed",
            "pivot_root = NEW OLD",
        ],
    ),
    Case::lines(
        "lonely",
        "pivot_root = /srv\n",
        &["lonely.ini:7: pivot_root = /srv: two absolute paths are needed"],
    ),
    Case::lines(
        "beside",
        "hook-pre-jail = mount:tmpfs none /srv/new\npivot_root = /srv/new /srv/plain\n",
        &[
            "beside.ini:8: pivot_root: ",
            "the place for the old root is not below the new root",
        ],
    ),
    Case::lines(
        "chroot",
        "chroot = /absent\n",
        &["chroot.ini:7: chroot", "'/absent'", "No such file or directory"],
    ),
    Case::lines(
        "userless",
        "hook-pre-jail = mount:tmpfs none /srv/new\nhook-pre-jail = mkdir:/srv/new/.old_root\n\
         pivot_root = /srv/new /srv/new/.old_root\n",
        &[
            "userless.ini:3: there is no user 'user002' in the vassal's own root",
            "/etc/passwd",
        ],
    ),
    Case::lines(
        "tenanted",
        "hook-pre-jail = mount:tmpfs none /srv/new\nhook-pre-jail = mkdir:/srv/new/.old_root\n\
         exec-pre-jail = cp -a /srv/tenants-etc /srv/new/etc\npivot_root = /srv/new /srv/new/.old_root\n",
        &[
            "tenanted.ini:3: there is no user 'user002' in the vassal's own root",
            "if root owns it and nobody else may write it",
        ],
    )
    .after(
        "mkdir -p /srv/tenants-etc; cp /etc/passwd /etc/group /srv/tenants-etc; chown user002 /srv/tenants-etc/*",
    ),
    Case::lines(
        "rooted",
        "hook-pre-jail = mount:tmpfs none /srv/new\nhook-pre-jail = mkdir:/srv/new/.old_root\n\
         exec-pre-jail = cp -a /srv/lying-etc /srv/new/etc\npivot_root = /srv/new /srv/new/.old_root\n",
        &[
            "rooted.ini:3: the user 'user002' is 0 in the vassal's own root",
            "may not make anybody root",
        ],
    )
    .after(
        "mkdir -p /srv/lying-etc; cp /etc/group /srv/lying-etc; \
         echo 'user002:x:0:20002::/:/bin/sh' >/srv/lying-etc/passwd",
    ),
    Case::lines(
        "uninstalled",
        "",
        &["uwsgi is not installed", "install uwsgi-core"],
    )
    .after("for program in /usr/bin/uwsgi*; do mv $program $program.away; done")
    .tidied("for program in /usr/bin/uwsgi*.away; do mv $program ${program%.away}; done"),
];

#[test]
fn a_root_or_a_program_that_is_not_there_is_told_in_one_line() {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        PLACES
            .iter()
            .for_each(|case| refused(&scene, case, &mut complaints));
    }
    complaints.tell();
}

/// So many starts at once that systemd has no time to look at each before it is over.
const CROWD: usize = 20;
const ROOTLESS: &str = "[uwsgi]\nuid = user002\npivot_root = /absent /absent/.old_root\n";

#[test]
fn a_crowd_that_fails_at_once_is_refused_once_each() {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        let units: Vec<String> = (0..CROWD)
            .map(|number| format!("vassal@crowd{number}.service"))
            .collect();
        for number in 0..CROWD {
            scene.machine.write(
                format!("{VASSALS}/crowd{number}.ini"),
                ROOTLESS,
                0o644,
                Owner::ROOT,
            );
        }
        let mut start = vec!["systemctl", "start", "--"];
        start.extend(units.iter().map(String::as_str));
        let started = scene.machine.run(&start);
        for unit in &units {
            complaints.about(suite, unit);
            complaints.expect(started.stderr.contains(unit.as_str()), || {
                format!("systemctl start: {started}")
            });
            is_final(&scene, unit, &mut complaints);
            is_told_once(
                &scene,
                unit,
                &["pivot_root: ", "'/absent'", "No such file"],
                &mut complaints,
            );
        }
        scene.is_undisturbed(&mut complaints);
    }
    complaints.tell();
}
