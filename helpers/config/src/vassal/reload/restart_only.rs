//! What a reload cannot change, because it was done before the app was started: by name, so that a reload can say what
//! takes a restart.

use crate::hooks::phase::{Phase, hook_option};
use crate::users::identity::{Account, Identity};
use crate::vassal::payload::Payload;
use crate::vassal::plan::{Operation, Plan};
use crate::vassal::read::Vassal;
use crate::vassal::settings::Settings;

/// The parts of `vassal`, and what each says, in a form that is only compared. Lines may move without a change.
pub fn parts(vassal: &Vassal) -> Vec<(&'static str, Vec<u8>)> {
    let plan = &vassal.plan;
    let is_setting = |step: &&Operation| step.phase == Phase::Settings;
    let steps = plan.operations.iter().chain(&plan.atexit);
    let (hooks, others): (Vec<_>, Vec<_>) = steps
        .filter(|step| !is_setting(step))
        .partition(|step| hook_option(&step.option).is_some());
    let watched: Vec<_> = plan.watch.iter().map(|watch| &watch.path).collect();
    vec![
        ("user", user(&plan.identity).into_bytes()),
        ("namespaces", format!("{:?}", plan.namespaces).into_bytes()),
        ("hooks", text(&hooks)),
        ("root directory, files, waits", text(&others)),
        ("mountpoint-check", format!("{watched:?}").into_bytes()),
        ("program", program(plan).into_bytes()),
        ("[vassal]", settings(&plan.settings).into_bytes()),
        (
            "[Unit] and [Service]",
            format!("{:?}", vassal.directives).into_bytes(),
        ),
    ]
}

/// Whether a part is about the program that is started, which a reload that overlaps takes as the file has it.
pub fn is_programs(part: &str) -> bool {
    part == "program"
}

fn text(steps: &[&Operation]) -> Vec<u8> {
    let line = |step: &&Operation| [step.option.as_slice(), b"=", &step.text, b"\n"].concat();
    steps.iter().flat_map(line).collect()
}

fn user(identity: &Identity) -> String {
    let Identity {
        uid,
        gid,
        add_gid,
        no_initgroups,
        capabilities,
    } = identity;
    let name = |(account, _): &(Account, _)| account.to_string();
    let groups: Vec<_> = add_gid.iter().map(name).collect();
    let (uid, gid) = (uid.as_ref().map(name), gid.as_ref().map(name));
    format!("{uid:?} {gid:?} {groups:?} {no_initgroups} {capabilities:?}")
}

fn program(plan: &Plan) -> String {
    match &plan.payload {
        Payload::Uwsgi { program, .. } => format!("uwsgi {program:?}"),
        Payload::Command {
            command, directory, ..
        } => format!("{command:?} {directory:?}"),
    }
}

fn settings(settings: &Settings) -> String {
    // Those left out are of the app that is started, and a reload that overlaps takes them.
    let Settings {
        command: _,
        sockets: _,
        unix,
        backlog,
        waiting,
        reload: _,
        ready,
        stop_signal,
        reload_signal,
        interval,
        deadline,
        hook_limit,
        stop_limit,
        atexit_limit,
        trust_root,
        is_filtered,
    } = settings;
    let signals = (stop_signal, reload_signal);
    let limits = [hook_limit, stop_limit, atexit_limit];
    let switches = [trust_root, is_filtered];
    let unix = (
        unix.mode,
        unix.owner.as_ref().map(|owner| (&owner.user, &owner.group)),
    );
    let waiting = waiting.as_ref().map(|waiting| &waiting.address);
    format!(
        "{unix:?} {backlog} {waiting:?} {ready:?} {signals:?} {interval:?} {deadline:?} {limits:?} {switches:?}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emperor::name::VassalName;
    use crate::emperor::settings::Emperor;
    use crate::machine::fake::FakeWorld;
    use crate::vassal::read::read;

    fn changed(before: &str, after: &str) -> Vec<&'static str> {
        let parts = |text: &str| {
            let world = FakeWorld::with(&[("u.ini", text)]);
            parts(&read(&Emperor::default(), &VassalName::parse(b"u").unwrap(), &world).unwrap())
        };
        let both = parts(before).into_iter().zip(parts(after));
        both.filter(|(before, after)| before != after)
            .map(|((name, _), _)| name)
            .collect()
    }

    #[test]
    fn what_takes_a_restart_is_named_and_nothing_else() {
        const BEFORE: &str = "[uwsgi]\nuid = u\nhook-asap = print:x\nhttp-socket = :1\nenv = A=B\n";
        const CASES: &[(&str, &str, &[&str])] = &[
            ("env = A=B", "env = A=C\n; moved\nprocesses = 4", &[]),
            ("http-socket = :1", "http-socket = :2", &[]),
            ("uid = u", "uid = v", &["user"]),
            ("print:x", "print:y", &["hooks"]),
            ("env = A=B", "mountpoint-check = /app", &["mountpoint-check"]),
            ("env = A=B", "chroot = /x", &["root directory, files, waits"]),
            (
                "env = A=B",
                "env = A=B\n[Service]\nMemoryMax=1G",
                &["[Unit] and [Service]"],
            ),
            (
                "env = A=B",
                "env = A=B\n[vassal]\nstop-timeout = 3",
                &["[vassal]"],
            ),
        ];
        for (from, to, expected) in CASES {
            assert_eq!(changed(BEFORE, &BEFORE.replace(from, to)), *expected, "{to}");
        }
    }
}
