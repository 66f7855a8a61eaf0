//! Files that are no configuration.

use vassal_tests::Suite;

use crate::case::Case;
use crate::complaints::Complaints;
use crate::judge::refused;
use crate::scene::{PORT, Scene, VASSALS};
use crate::{LIMIT, case::HEAD};

const FILES: &[Case] = &[
    Case::script(
        "missing",
        "",
        &["there is no 'missing.ini' in /etc/uwsgi/vassals"],
    ),
    Case::whole("empty", "", &["empty.ini: ", "[uwsgi]", "the file is empty"]),
    Case::whole(
        "comment",
        "; nothing yet\n",
        &["comment.ini: ", "no line in a [uwsgi] section"],
    ),
    Case::whole(
        "section",
        "[uwsgj]\nuid = user002\n",
        &["section.ini: ", "no line in a [uwsgi] section"],
    ),
    Case::script(
        "dangling",
        "ln -s /nowhere dangling.ini",
        &["dangling.ini: ", "No such file or directory"],
    ),
    Case::script(
        "loop",
        "ln -s loop.ini loop.ini",
        &["loop.ini: ", "Symbolic link loop"],
    ),
    Case::script(
        "sick",
        "ln -s /proc/self/mem sick.ini",
        &["sick.ini: ", "I/O error"],
    ),
    Case::script("fifo", "mkfifo fifo.ini", &["fifo.ini: ", "not a regular file"]),
    Case::script(
        "directory",
        "mkdir directory.ini",
        &["directory.ini: ", "it is a directory"],
    ),
    Case::script(
        "device",
        "ln -s /dev/zero device.ini",
        &["device.ini: ", "not a regular file"],
    ),
    Case::script(
        "sparse",
        "truncate --size=10G sparse.ini",
        &["sparse.ini: ", "larger than 1048576 bytes"],
    ),
    Case::lines("open", "", &["open.ini: ", "everybody may write it", "chmod o-w"])
        .after("chmod 0666 open.ini"),
    // Without allow_other a FUSE filesystem is closed to root, too.
    Case::script("foreign", MOUNT_FOREIGN, &["foreign.ini: ", "Permission denied"])
        .tidied("umount /srv/foreign"),
];

const MOUNT_FOREIGN: &str = "\
install -d -o user003 /srv/foreign
runuser -u user003 -- fuse-zip -r /var/www/app001.zip /srv/foreign
ln -s /srv/foreign/name foreign.ini";

#[test]
fn a_file_that_is_no_configuration_is_refused_in_one_line() {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        FILES
            .iter()
            .for_each(|case| refused(&scene, case, &mut complaints));
    }
    complaints.tell();
}

#[test]
fn the_vassal_of_the_tables_serves_when_nothing_is_wrong_with_it() {
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        // Root reads a file that nobody may read.
        scene.machine.write(
            format!("{VASSALS}/good.ini"),
            HEAD,
            0o000,
            vassal_tests::Owner::ROOT,
        );
        assert!(scene.starts("vassal@good"), "{}", scene.machine.state());
        scene.machine.poll_http(PORT, "/live", LIMIT);
        assert_eq!(scene.lines("vassal@good.service", 4), Vec::<String>::new());
    }
}
