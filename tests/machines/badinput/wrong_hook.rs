//! Hooks that cannot be run, whatever the machine is like.

use vassal_tests::Suite;

use crate::case::Case;
use crate::complaints::Complaints;
use crate::judge::refused;
use crate::scene::Scene;

const HOOKS: &[Case] = &[
    Case::lines(
        "action",
        "hook-as-root = frobnicate:/mnt\n",
        &["action.ini:7: unknown hook action 'frobnicate'", "vassal.ini(5)"],
    ),
    Case::lines(
        "typo",
        "hook-as-root = exex:true\n",
        &["typo.ini:7: unknown hook action 'exex'", "did you mean 'exec'?"],
    ),
    Case::lines(
        "colon",
        "hook-as-root = true\n",
        &["colon.ini:7: hook 'true' has no colon", "ACTION:ARGUMENT"],
    ),
    Case::lines(
        "flag",
        "hook-as-root = mount:tmpfs none /mnt bindd\n",
        &["flag.ini:7: unknown mount flag 'bindd'", "the flags are bind, "],
    ),
    Case::lines(
        "rw",
        "mount-as-root = none /srv /mnt bind,rw\n",
        &["rw.ini:7: unknown mount flag 'rw'", "leave it out"],
    ),
    Case::lines(
        "fields",
        "hook-as-root = mount:tmpfs\n",
        &["fields.ini:7: ", "a mount is FSTYPE SOURCE TARGET [FLAGS [DATA]]"],
    ),
    Case::lines(
        "umount",
        "umount-as-root =\n",
        &["umount.ini:7: an unmount is TARGET [FLAGS]"],
    ),
    Case::lines(
        "call",
        "hook-as-root = call:getpid\n",
        &[
            "call.ini:7: cannot call the C function 'getpid' outside uWSGI",
            "use a hook action",
        ],
    ),
    Case::lines(
        "inner",
        "hook-as-user = rpc:reload\n",
        &[
            "inner.ini:7: hook action 'rpc' works only inside uWSGI",
            "hook-post-app",
        ],
    ),
    Case::lines(
        "mode",
        "hook-as-root = chmod:/srv rwx\n",
        &["mode.ini:7: mode 'rwx' is not three or four octal digits"],
    ),
    Case::lines(
        "atexit",
        "hook-as-user-atexit = bye\n",
        &["atexit.ini:7: hook 'bye' has no colon"],
    ),
];

#[test]
fn a_hook_that_cannot_be_run_is_refused_in_one_line() {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        HOOKS
            .iter()
            .for_each(|case| refused(&scene, case, &mut complaints));
    }
    complaints.tell();
}
