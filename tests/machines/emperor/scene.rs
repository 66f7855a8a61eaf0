//! A machine with the emperor at work, files for it, and what has become of them.

use std::time::Duration;

use vassal_tests::{Boot, Machine, Owner, Suite, fixtures, installed};

/// Longer than anything here takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);
/// The service.
pub const EMPEROR: &str = "vassal-emperor.service";
/// Where vassals' files are.
pub const VASSALS: &str = "/etc/uwsgi/vassals";
/// A vassal that takes no time to start.
pub const SLEEPER: &str =
    "[uwsgi]\nuid = nobody\ngid = nogroup\n[vassal]\ncommand = exec /usr/bin/sleep infinity\n";

/// A machine with the package and its emperor, and an app to be served.
pub fn machine(suite: Suite) -> Machine {
    let machine = Boot::of(suite).layer(&installed(suite)).emperor().start();
    let machine = machine.unwrap_or_else(|failure| panic!("{suite}: {failure}"));
    machine.write(
        "/srv/app/app.pl",
        "sub { [200, [], [$ENV{VERSION}]] };\n",
        0o644,
        Owner::ROOT,
    );
    machine.wait_for_unit(EMPEROR, "ActiveState", "active", LIMIT);
    machine
}

/// A machine that has the scenario's archive and mountpoint, too.
pub fn machine_with_archive(suite: Suite) -> Machine {
    let machine = machine(suite);
    fixtures::scenario(&machine);
    machine
}

/// A vassal of uWSGI's that answers with its version.
pub fn app(port: u16, version: &str) -> String {
    format!(
        "[uwsgi]\nplugin = psgi\nmaster = true\nprocesses = 2\nhttp-socket = :{port}\npsgi = /srv/app/app.pl\n\
         uid = www-data\ngid = www-data\nenv = VERSION={version}\n"
    )
}

/// Where the file of a vassal is.
pub fn path(name: &str) -> String {
    format!("{VASSALS}/{name}.ini")
}

/// Puts a vassal's file there, complete, as most tools do.
pub fn put(machine: &Machine, name: &str, text: &str) {
    machine.write("/etc/uwsgi/new", text, 0o644, Owner::ROOT);
    machine.must(&["mv", "/etc/uwsgi/new", &path(name)]);
}

/// The unit of a vassal.
pub fn unit(name: &str) -> String {
    format!("vassal@{name}.service")
}

/// Waits until a vassal runs.
pub fn wait_on(machine: &Machine, name: &str) {
    machine.wait_for_unit(&unit(name), "ActiveState", "active", LIMIT);
}

/// Waits until the app on a port answers with that version.
pub fn wait_version(machine: &Machine, port: u16, version: &str) {
    machine.wait_for(
        &format!("version {version} on port {port}"),
        LIMIT,
        || match machine.http(port, "/") {
            Ok((200, body)) if body == version.as_bytes() => Ok(()),
            Ok((status, body)) => Err(format!("{status} {}", String::from_utf8_lossy(&body))),
            Err(error) => Err(error.to_string()),
        },
    );
}

/// Waits until the status of the emperor contains a text.
pub fn wait_status(machine: &Machine, text: &str) {
    machine.wait_for(&format!("'{text}' in the status"), LIMIT, || {
        let seen = machine.unit(EMPEROR, "StatusText");
        if seen.contains(text) { Ok(()) } else { Err(seen) }
    });
}

/// Waits until the emperor has looked at everything: a vassal that was dropped after what came before runs.
pub fn let_it_look(machine: &Machine) {
    put(machine, "looked", SLEEPER);
    wait_on(machine, "looked");
    machine.must(&["rm", &path("looked")]);
    wait_gone(machine, "looked");
}

/// Which start of the vassal this is.
pub fn invocation(machine: &Machine, name: &str) -> String {
    machine.unit(&unit(name), "InvocationID")
}

/// How often a vassal was reloaded and started, as systemd counts in the journal.
pub fn reloads(machine: &Machine, name: &str) -> usize {
    machine.journal(&unit(name)).matches("Reloaded ").count()
}

/// Waits until nothing of a vassal is left.
pub fn wait_gone(machine: &Machine, name: &str) {
    machine.wait_for(&format!("end of {name}"), LIMIT, || {
        let left = left(machine, name);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

/// What is left of a vassal.
pub fn left(machine: &Machine, name: &str) -> String {
    let unit = unit(name);
    let script = format!(
        "systemctl list-units --all --no-legend --plain '{unit}' 'vassal-retry@{name}.service'; \
         ls -d /run/systemd/generator/{unit}.d /run/systemd/generator/vassals.target.wants/{unit} \
         /run/systemd/system/{unit}.d 2>/dev/null; \
         find /sys/fs/cgroup -name '{unit}' 2>/dev/null"
    );
    machine.sh(&script).stdout
}

/// The vassals that run.
pub fn running(machine: &Machine) -> Vec<String> {
    let list = "systemctl list-units --no-legend --plain --state=active 'vassal@*' | cut -d' ' -f1";
    let text = machine.must_sh(list);
    text.lines().map(str::to_owned).collect()
}
