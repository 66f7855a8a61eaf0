//! Options and settings that cannot be what the author means.

use vassal_tests::Suite;

use crate::case::Case;
use crate::complaints::Complaints;
use crate::judge::refused;
use crate::scene::Scene;

const ACCOUNTS: &[Case] = &[
    Case::whole(
        "nouser",
        "[uwsgi]\nuid = absent\n",
        &["nouser.ini:2: there is no user 'absent'", "useradd"],
    ),
    Case::lines(
        "nogroup",
        "gid = absent\n",
        &["nogroup.ini:7: there is no group 'absent'", "groupadd"],
    ),
    Case::lines(
        "extragroup",
        "add-gid = absent\n",
        &["extragroup.ini:7: there is no group 'absent'", "groupadd"],
    ),
    Case::whole(
        "root",
        "[uwsgi]\nuid = 0\n",
        &["root.ini:2: uid = 0: ", "name an unprivileged account"],
    ),
    Case::whole(
        "zeros",
        "[uwsgi]\nuid = 00\n",
        &["zeros.ini:2: uid = 00: ", "name an unprivileged account"],
    ),
    Case::whole(
        "rootgroup",
        "[uwsgi]\ngid = 0\n",
        &["rootgroup.ini:2: gid = 0: ", "name an unprivileged account"],
    ),
    Case::whole(
        "minusone",
        "[uwsgi]\nuid = 4294967295\n",
        &["minusone.ini:2: uid = 4294967295: ", "1 to 4294967294"],
    ),
    Case::whole(
        "nameless",
        "[uwsgi]\nuid =\n",
        &["nameless.ini:2: uid = : no name given", "leave the line out"],
    ),
    Case::whole(
        "groupless",
        "[uwsgi]\nuid = 4711\n",
        &["groupless.ini:2: user 4711 ", "add gid ="],
    ),
];

const OPTIONS: &[Case] = &[
    Case::lines(
        "nested",
        "if-not-reload =\nif-file = /etc/passwd\nendif =\nendif =\n",
        &[
            "nested.ini:8: 'if-file' stands in another block",
            "blocks do not nest",
        ],
    ),
    Case::lines(
        "unshare",
        "unshare = fs,user\n",
        &[
            "unshare.ini:7: unshare: a vassal in a user namespace",
            "leave 'user' out",
        ],
    ),
    Case::lines(
        "cap",
        "cap = fly\n",
        &["cap.ini:7: 'cap' takes names of capabilities"],
    ),
    Case::lines("netns", "ns = one\n", &["netns.ini:7: 'ns' "]),
    Case::lines(
        "setting",
        "[vassal]\nhook-time = 3\n",
        &[
            "setting.ini:8: unknown setting 'hook-time' in [vassal]",
            "hook-timeout",
        ],
    ),
    Case::lines(
        "time",
        "[vassal]\nhook-timeout = soon\n",
        &["time.ini:8: hook-timeout: 'soon' is no time", "ms, s or min"],
    ),
    Case::lines(
        "service",
        "[Service]\nUser=user002\n",
        &["service.ini:8: [Service] User: ", "use uid ="],
    ),
    Case::lines(
        "lowercase",
        "[Service]\nmemory max = 1G\n",
        &["lowercase.ini:8: ", "not a systemd directive"],
    ),
    Case::lines(
        "include",
        "ini = absent.ini\n",
        &["include.ini:7: ", "absent.ini", "No such file or directory"],
    ),
    Case::lines("itself", "ini = itself.ini\n", &["itself.ini:7: "]),
    Case::lines(
        "relative",
        "mountpoint-check = app\n",
        &["relative.ini:7: mountpoint-check = app: not an absolute path"],
    ),
    Case::lines(
        "nowhere",
        "mountpoint-check = /nowhere\n",
        &["nowhere.ini:7: mountpoint-check: ", "/nowhere", "No such file"],
    ),
    Case::lines(
        "nomount",
        "mountpoint-check = /srv\n",
        &["nomount.ini:7: mountpoint-check: '/srv' is not a mountpoint"],
    ),
];

#[test]
fn an_account_that_cannot_be_is_refused_in_one_line() {
    try_all(ACCOUNTS);
}

#[test]
fn an_option_that_cannot_be_taken_is_refused_in_one_line() {
    try_all(OPTIONS);
}

fn try_all(cases: &[Case]) {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        cases
            .iter()
            .for_each(|case| refused(&scene, case, &mut complaints));
    }
    complaints.tell();
}
