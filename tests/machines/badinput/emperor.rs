//! The emperor's own file.

use vassal_tests::Suite;

use crate::case::Case;
use crate::complaints::Complaints;
use crate::judge::refused;
use crate::scene::Scene;

/// Takes the emperor's file away; the vassal's own is good in every case.
const REMOVE: &str = "rm /etc/vassal/emperor.ini";
const RESTORE: &str = "rm --recursive --force /etc/vassal/emperor.ini
printf '[uwsgi]\\nemperor = /etc/uwsgi/vassals\\nemperor-use-clone = fs,pid\\n' >/etc/vassal/emperor.ini";

const fn case(name: &'static str, script: &'static str, says: &'static [&'static str]) -> Case {
    Case::lines(name, "", says).after(script).tidied(RESTORE)
}

const CASES: &[Case] = &[
    case(
        "missing",
        REMOVE,
        &["/etc/vassal/emperor.ini: ", "No such file or directory"],
    ),
    case(
        "empty",
        ": >/etc/vassal/emperor.ini",
        &["/etc/vassal/emperor.ini: no 'emperor = DIRECTORY' line"],
    ),
    case(
        "writable",
        "chmod 0666 /etc/vassal/emperor.ini",
        &["/etc/vassal/emperor.ini: ", "everybody may write it", "chmod o-w"],
    ),
    case(
        "directory",
        "rm /etc/vassal/emperor.ini; mkdir /etc/vassal/emperor.ini",
        &["/etc/vassal/emperor.ini: ", "it is a directory"],
    ),
    case(
        "fifo",
        "rm /etc/vassal/emperor.ini; mkfifo /etc/vassal/emperor.ini",
        &["/etc/vassal/emperor.ini: ", "not a regular file"],
    ),
    case(
        "sparse",
        "truncate --size=10G /etc/vassal/emperor.ini",
        &["/etc/vassal/emperor.ini: ", "larger than 1048576 bytes"],
    ),
    case(
        "user",
        "sed -i s/fs,pid/fs,pid,user/ /etc/vassal/emperor.ini",
        &[
            "/etc/vassal/emperor.ini:3: emperor-use-clone: a vassal in a user namespace ",
            "not supported",
            "leave 'user' out",
        ],
    ),
    case(
        "tyrant",
        "echo 'emperor-tyrant = true' >> /etc/vassal/emperor.ini",
        &["/etc/vassal/emperor.ini:", "emperor-tyrant is not supported"],
    ),
    case(
        "nobody",
        "echo 'uid = nosuchuser' >> /etc/vassal/emperor.ini; sed -i /uid/d /etc/uwsgi/vassals/nobody.ini",
        &["/etc/vassal/emperor.ini:4: there is no user 'nosuchuser'"],
    ),
    case(
        "unknown",
        "sed -i s/fs,pid/fs,pit/ /etc/vassal/emperor.ini",
        &[
            "/etc/vassal/emperor.ini:3: 'emperor-use-clone' takes names of namespaces",
            "fs, ipc, uts, pid, net",
            "'fs,pit'",
        ],
    ),
    case(
        "relative",
        "sed -i 's,= /etc,= etc,' /etc/vassal/emperor.ini",
        &[
            "/etc/vassal/emperor.ini:2: emperor = etc/uwsgi/vassals: not an absolute path",
            "begin it with '/'",
            "'emperor = /etc/uwsgi/vassals'",
        ],
    ),
    case(
        "database",
        "sed -i 's,= /etc.*,= pg://localhost,' /etc/vassal/emperor.ini",
        &["/etc/vassal/emperor.ini:2: emperor = pg://localhost: only directories are read"],
    ),
    case(
        "elsewhere",
        "sed -i 's,= /etc,= /nowhere,' /etc/vassal/emperor.ini",
        &["there is no 'elsewhere.ini' in /nowhere/uwsgi/vassals"],
    ),
    case(
        "hook",
        "echo 'hook-as-vassal = frob:x' >>/etc/vassal/emperor.ini",
        &["/etc/vassal/emperor.ini:4: unknown hook action 'frob'"],
    ),
];

#[test]
fn an_emperors_file_that_cannot_be_used_is_told_by_each_start_in_one_line() {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        CASES
            .iter()
            .for_each(|case| refused(&scene, case, &mut complaints));
    }
    complaints.tell();
}
