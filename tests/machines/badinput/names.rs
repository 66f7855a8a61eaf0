//! Names of units that are no vassal's.

use vassal_tests::{Owner, Suite};

use crate::LIMIT;
use crate::case::HEAD;
use crate::complaints::Complaints;
use crate::judge::{is_final, is_told_once};
use crate::scene::{PORT, Scene, VASSALS};

/// What is asked of systemctl (a word of the shell), the unit that comes of it, and what is told.
struct Name(&'static str, &'static str, &'static [&'static str]);

const STARTED: &[Name] = &[
    Name(
        "vassal@absent",
        "vassal@absent.service",
        &["there is no 'absent.ini' in /etc/uwsgi/vassals"],
    ),
    Name("vassal@a/b", "vassal@a-b.service", &["there is no 'a-b.ini' in"]),
    Name("vassal@a-b", "vassal@a-b.service", &["there is no 'a-b.ini' in"]),
    Name(
        "vassal@..",
        "vassal@...service",
        &["'..'", "names that start with a dot are no vassals"],
    ),
    Name(
        "vassal@.hidden",
        "vassal@.hidden.service",
        &["'.hidden'", "names that start with a dot are no vassals"],
    ),
    Name(
        "vassal@../evil",
        "vassal@..-evil.service",
        &["'..-evil'", "names that start with a dot are no vassals"],
    ),
    Name(
        "'vassal@x-..-..-evil'",
        "vassal@x-..-..-evil.service",
        &["there is no 'x-..-..-evil.ini' in"],
    ),
    Name(
        "'vassal@two words'",
        "vassal@two\\x20words.service",
        &["there is no 'two words.ini' in"],
    ),
    Name(
        "\"vassal@$(printf 'a\\nb')\"",
        "vassal@a\\x0ab.service",
        &["'a\\x0ab' is no name of a vassal"],
    ),
    Name(
        "\"vassal@$(printf '\\377')\"",
        "vassal@\\xff.service",
        &["there is no '\\xff.ini' in"],
    ),
    Name(
        "'vassal@\\x1b\\x5b31m'",
        "vassal@\\x1b\\x5b31m.service",
        &["'\\x1b[31m' is no name of a vassal"],
    ),
    Name(
        "'vassal@\\x25n\\x24HOME'",
        "vassal@\\x25n\\x24HOME.service",
        &["there is no '%n$HOME.ini' in"],
    ),
    Name(
        "'vassal@\\x22\\x20--atexit'",
        "vassal@\\x22\\x20--atexit.service",
        &["there is no '\" --atexit.ini' in"],
    ),
    Name(
        "'vassal@\\x2d\\x2datexit'",
        "vassal@\\x2d\\x2datexit.service",
        &[
            "is not the unit of vassal '--atexit'",
            "use 'vassal@--atexit.service'",
        ],
    ),
    Name(
        "'vassal@x\\xz'",
        "vassal@x\\xz.service",
        &[
            "is not the unit of vassal 'x\\xz'",
            "use 'vassal@x\\x5cxz.service'",
        ],
    ),
];

/// The longest name: its unit's drop-in directory is a file of 255 bytes.
const LONGEST: usize = 238;

/// What systemd itself does not take.
const NOT_STARTED: &[&str] = &["vassal@", "vassal@.service", "\"vassal@$(printf '%0300d' 0)\""];

#[test]
fn a_unit_that_is_no_vassals_is_told_in_one_line() {
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        scene
            .machine
            .write("/etc/uwsgi/evil.ini", HEAD, 0o644, Owner::ROOT);
        for Name(asked, unit, says) in STARTED {
            complaints.about(suite, asked);
            is_refused(&scene, asked, unit, says, &mut complaints);
        }
        let long = format!("vassal@{}", "n".repeat(LONGEST + 1));
        complaints.about(suite, "a name that is too long");
        is_refused(
            &scene,
            &long,
            &format!("{long}.service"),
            &["the name is too long"],
            &mut complaints,
        );
    }
    complaints.tell();
}

fn is_refused(scene: &Scene, asked: &str, unit: &str, says: &[&str], complaints: &mut Complaints) {
    let started = scene.machine.sh(&format!("systemctl start -- {asked}"));
    complaints.expect(!started.succeeded(), || {
        format!("systemctl start says that it worked: {started}")
    });
    is_final(scene, unit, complaints);
    is_told_once(scene, unit, says, complaints);
    scene.is_gone(unit, 1, complaints);
    scene.is_undisturbed(complaints);
    forget_journal(scene);
}

/// The next name may be the same unit's.
fn forget_journal(scene: &Scene) {
    scene
        .machine
        .must_sh("journalctl --quiet --rotate && journalctl --quiet --vacuum-time=1us");
}

#[test]
fn a_name_that_no_unit_can_have_starts_nothing() {
    const RUNS: &str = "journalctl --sync; journalctl --quiet --output=cat _COMM=vassal-enter | wc --lines";
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        let before = scene.machine.must_sh(RUNS);
        for asked in NOT_STARTED {
            complaints.about(suite, asked);
            let started = scene.machine.sh(&format!("systemctl start -- {asked}"));
            complaints.expect(!started.succeeded(), || {
                format!("systemctl start says that it worked: {started}")
            });
            complaints.expect(!started.stderr.trim().is_empty(), || {
                "systemctl says nothing".into()
            });
            complaints.equal("lines of ours", &scene.machine.must_sh(RUNS), &before);
            scene.is_undisturbed(&mut complaints);
        }
    }
    complaints.tell();
}

#[test]
fn a_longest_name_and_odd_ones_serve() {
    let longest = "n".repeat(LONGEST);
    let odd = [
        "two words",
        "a-b",
        "\u{e9}t\u{e9}",
        "100%n",
        "$HOME",
        "--atexit",
        "semi;colon",
        "quote\"s",
        &longest,
    ];
    let mut complaints = Complaints::none();
    for suite in Suite::all() {
        let scene = Scene::boot(suite);
        for name in odd {
            complaints.about(suite, name);
            scene
                .machine
                .write(format!("{VASSALS}/{name}.ini"), HEAD, 0o644, Owner::ROOT);
            let unit = format!("vassal@{name}");
            let starts = scene.starts(&unit);
            complaints.expect(starts, || format!("does not start: {:?}", scene.lines(&unit, 7)));
            if starts {
                scene.machine.poll_http(PORT, "/live", LIMIT);
            }
            scene.machine.must(&["systemctl", "stop", "--", &unit]);
        }
        scene.is_undisturbed(&mut complaints);
    }
    complaints.tell();
}
