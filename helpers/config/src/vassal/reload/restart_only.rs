//! The settings that a reload cannot change, because they took effect before the app was started. They have names, so
//! that a reload can report which of them need a restart.

use crate::hooks::namespaces::Namespaces;
use crate::hooks::phase::Phase;
use crate::users::identity::{Identity, Named};
use crate::vassal::address::SocketOwner;
use crate::vassal::payload::Payload;
use crate::vassal::plan::{Operation, Plan};
use crate::vassal::read::Vassal;
use crate::vassal::settings::liveness::{HealthCheck, Watchdog};
use crate::vassal::settings::{Ready, Settings};
use std::time::Duration;

/// The settings of `vassal`: names, and values in a form that is used for comparison only. Moved lines make no
/// difference. The form is the same in every version of this program and omits default values, so that an update of the
/// program alone never asks for a restart.
pub fn parts(vassal: &Vassal) -> Vec<(&'static str, Vec<u8>)> {
    let plan = &vassal.plan;
    let is_setting = |step: &&Operation| step.phase == Phase::Settings;
    let steps = plan.operations.iter().chain(&plan.atexit);
    let (hooks, others): (Vec<_>, Vec<_>) = steps
        .filter(|step| !is_setting(step))
        .partition(|step| step.kind.is_some());
    let mut watched = Fields::default();
    for watch in &plan.watch {
        watched.put("path", &watch.path);
    }
    let mut directives = Fields::default();
    for directive in &vassal.directives {
        directives.put(
            &directive.section,
            format!("{}={}", directive.key, directive.value),
        );
    }
    let parts = [
        ("user", user(&plan.identity)),
        ("namespaces", namespaces(plan.namespaces)),
        ("hooks", text(&hooks)),
        ("root directory, files, waits", text(&others)),
        ("mountpoint-check", watched),
        ("program", program(plan)),
        (LIVENESS, liveness(&plan.settings)),
        ("[vassal]", settings(&plan.settings)),
        ("[Unit] and [Service]", directives),
    ];
    parts.map(|(name, Fields(text))| (name, text)).into()
}

/// The name of the settings of health check and heartbeat.
const LIVENESS: &str = "health and watchdog";

/// Whether the setting concerns only the app's program, so that an overlapping reload takes the file's present value.
pub fn is_programs(part: &str) -> bool {
    ["program", LIVENESS].contains(&part)
}

fn liveness(settings: &Settings) -> Fields {
    let HealthCheck {
        url: _,
        interval,
        deadline,
        failures,
    } = &settings.health;
    let usual = HealthCheck::default();
    let mut fields = Fields::default();
    fields.put_if("health", settings.health.shown_url(), |url| url);
    let is_changed = *interval != usual.interval;
    fields.put_if("health-interval", is_changed.then_some(interval), time);
    let is_changed = *deadline != usual.deadline;
    fields.put_if("health-deadline", is_changed.then_some(deadline), time);
    let is_changed = *failures != usual.failures;
    fields.put_if("health-failures", is_changed.then_some(failures), u32::to_string);
    fields.put_if(
        "watchdog",
        settings.watchdog.as_ref(),
        |watchdog| match watchdog {
            Watchdog::Off => "off".to_owned(),
            Watchdog::Within(limit, _) => time(limit),
        },
    );
    fields
}

fn time(time: &Duration) -> String {
    time.as_millis().to_string()
}

/// Lines `NAME=VALUE`. No name or value of a configuration contains a line end.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn put(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let line = [name.as_ref(), b"=", value.as_ref(), b"\n"].concat();
        self.0.extend(line);
    }

    fn put_if<T>(&mut self, name: &str, value: Option<T>, shown: impl FnOnce(T) -> String) {
        if let Some(value) = value {
            self.put(name, shown(value));
        }
    }

    fn put_flag(&mut self, name: &str, is_set: bool) {
        self.put_if(name, is_set.then_some(()), |()| "true".to_owned());
    }
}

fn text(steps: &[&Operation]) -> Fields {
    let mut fields = Fields::default();
    for step in steps {
        fields.put(&step.option, &step.text);
    }
    fields
}

fn user(identity: &Identity) -> Fields {
    let Identity {
        uid,
        gid,
        add_gid,
        no_initgroups,
        capabilities,
    } = identity;
    let name = |(account, _): &Named| account.to_string();
    let mut fields = Fields::default();
    fields.put_if("uid", uid.as_ref(), name);
    fields.put_if("gid", gid.as_ref(), name);
    for group in add_gid {
        fields.put("add-gid", name(group));
    }
    fields.put_flag("no-initgroups", *no_initgroups);
    fields.put_if("cap", *capabilities, |set| format!("{:x}", set.bits()));
    fields
}

fn namespaces(namespaces: Namespaces) -> Fields {
    let mut fields = Fields::default();
    for kind in namespaces.kinds() {
        fields.put_flag(kind.name(), true);
    }
    fields
}

fn program(plan: &Plan) -> Fields {
    let mut fields = Fields::default();
    match &plan.payload {
        Payload::Uwsgi { program, .. } => fields.put("uwsgi", program.as_deref().unwrap_or_default()),
        Payload::Command {
            command, directory, ..
        } => {
            fields.put("command", command);
            fields.put("directory", directory.as_deref().unwrap_or_default());
        }
    }
    fields
}

/// The settings of `[vassal]`, without those that concern the app's program, which an overlapping reload takes over.
fn settings(settings: &Settings) -> Fields {
    let Settings {
        command: _,
        sockets: _,
        unix,
        backlog,
        on_demand_socket,
        reload: _,
        ready,
        stop_signal,
        reload_signal,
        health: _,
        watchdog: _,
        interval,
        deadline,
        hook_limit,
        stop_limit,
        atexit_limit,
        trust_root,
        is_filtered,
    } = settings;
    let usual = Settings::default();
    let changed = |value: &Duration, usual: Duration| (*value != usual).then_some(*value);
    let mut fields = Fields::default();
    fields.put_if("socket-mode", unix.mode, |mode| format!("{mode:o}"));
    if let Some(SocketOwner { user, group, .. }) = &unix.owner {
        let group = group.as_ref().map(|group| [b":", group.as_slice()].concat());
        fields.put(
            "socket-owner",
            [user.as_slice(), &group.unwrap_or_default()].concat(),
        );
    }
    let is_changed = *backlog != usual.backlog;
    fields.put_if("socket-backlog", is_changed.then_some(backlog), i32::to_string);
    fields.put_if("on-demand", on_demand_socket.as_ref(), |on_demand_socket| {
        on_demand_socket.address.to_string()
    });
    fields.put_if("ready", ready.as_ref(), |ready| match ready {
        Ready::Started => "started".to_owned(),
        Ready::Accepting => "accepting".to_owned(),
        Ready::Notify => "notify".to_owned(),
        Ready::Connect(address) => format!("connect {address}"),
        Ready::Http(address, path) => format!("http {address} {path}"),
    });
    let is_changed = *stop_signal != usual.stop_signal;
    fields.put_if("stop-signal", is_changed.then_some(stop_signal), i32::to_string);
    fields.put_if("reload-signal", reload_signal.as_ref(), i32::to_string);
    fields.put_if("mountpoint-interval", interval.as_ref(), time);
    fields.put_if("mountpoint-deadline", deadline.as_ref(), time);
    for (name, limit) in [
        ("hook-timeout", changed(hook_limit, usual.hook_limit)),
        ("stop-timeout", changed(stop_limit, usual.stop_limit)),
        ("atexit-timeout", changed(atexit_limit, usual.atexit_limit)),
    ] {
        fields.put_if(name, limit.as_ref(), time);
    }
    fields.put_flag("trust-root", *trust_root);
    fields.put_flag("unfiltered", !is_filtered);
    fields
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
                "env = A=B\n[vassal]\nhealth = http://:1/",
                &["health and watchdog"],
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

    fn shown(text: &str) -> Vec<String> {
        let world = FakeWorld::with(&[("u.ini", text)]);
        let vassal = read(&Emperor::default(), &VassalName::parse(b"u").unwrap(), &world).unwrap();
        let shown = |(name, text): (&str, Vec<u8>)| {
            format!("{name}: {}", String::from_utf8(text).unwrap().replace('\n', ";"))
        };
        parts(&vassal).into_iter().map(shown).collect()
    }

    #[test]
    fn the_form_is_that_of_every_version() {
        const TEXT: &str = "[uwsgi]\nuid = u\ngid = 7\ncap = kill\nhook-asap = print:x\nmountpoint-check = /app\n[vassal]\nstop-timeout = 3\nready = :80\n[Service]\nMemoryMax=1G\n";
        let expected = [
            "user: uid=u;gid=7;cap=20;",
            "namespaces: ",
            "hooks: hook-asap=print:x;",
            "root directory, files, waits: =;",
            "mountpoint-check: path=/app;",
            "program: uwsgi=;",
            "health and watchdog: ",
            "[vassal]: ready=connect 127.0.0.1:80;stop-timeout=3000;",
            "[Unit] and [Service]: Service=CapabilityBoundingSet=CAP_KILL;Service=MemoryMax=1G;",
        ];
        assert_eq!(shown(TEXT), expected);
    }

    #[test]
    fn the_sockets_of_a_command_are_not_in_it_and_what_is_said_of_them_is() {
        const CASES: &[(&str, &str)] = &[
            ("socket = :81\nreload = overlap\nsocket-backlog = 4096\n", ""),
            (
                "socket = /s\nsocket-mode = 660\nsocket-owner = a:b\nsocket-backlog = 5\nready = http://:80/up\n",
                "socket-mode=660;socket-owner=a:b;socket-backlog=5;ready=http 127.0.0.1:80 /up;",
            ),
        ];
        for (lines, expected) in CASES {
            let shown = shown(&format!("[uwsgi]\nuid = u\n[vassal]\ncommand = a\n{lines}"));
            assert!(shown.contains(&format!("[vassal]: {expected}")), "{shown:?}");
        }
    }
}
