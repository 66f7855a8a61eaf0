//! The machine, its vassal, and an app that tells which version of it answers.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Pid, Suite, installed};

use crate::LIMIT;
use crate::client::{Client, Server};

pub use vassal_tests::on_each_suite;

/// The unit of user001.ini.
pub const UNIT: &str = "vassal@user001.service";
/// A client that does not mind which version answers.
pub const LIVE: Client = Client {
    server: Server::Port(9090),
    path: "/live",
    body: "live\n",
};
/// The same, and is inside the app for most of its time.
pub const SLOW: Client = Client {
    server: Server::Port(9090),
    path: "/slow",
    body: "slow\n",
};

/// A uWSGI that no mount has anything to do with.
pub const UWSGI: &str = "[uwsgi]
plugin = psgi
uid = user001
gid = user001
processes = 2
http-socket = :9090
psgi = /srv/app/app.pl
";

/// A PSGI app of that version, which loads for so long.
pub fn psgi(version: &str, loads: Duration) -> String {
    let loads = loads.as_secs_f32();
    format!(
        "use strict; use warnings;
select undef, undef, undef, {loads};
my %routes = ('/version' => \"{version}\\n\", '/live' => \"live\\n\", '/slow' => \"slow\\n\");
sub {{
    my ($env) = @_;
    my $path = $env->{{PATH_INFO}};
    select undef, undef, undef, 0.1 if $path eq '/slow';
    select undef, undef, undef, 3 if $path eq '/slower';
    my $body = $routes{{$path}} // join '', map {{ \"$_=$ENV{{$_}}\\n\" }} sort keys %ENV;
    return [200, ['Content-Length' => length $body], [$body]];
}};
"
    )
}

/// Puts this text in the app's place, as a deploy does.
pub fn deploy(machine: &Machine, text: &str) {
    machine.write("/srv/app/app.pl", text, 0o644, Owner::ROOT);
}

/// A machine with the package installed and that app.
pub fn machine(suite: Suite, app: &str) -> Machine {
    let machine = Machine::boot(suite, &[installed(suite)]);
    machine.make_dir("/srv/app", 0o755, Owner::ROOT);
    deploy(&machine, app);
    machine
}

/// A machine in which user001.ini has this text and its vassal serves.
pub fn serving(suite: Suite, text: &str, app: &str) -> Machine {
    let machine = machine(suite, app);
    drop_in(&machine, text);
    machine.must(&["systemctl", "start", UNIT]);
    machine.poll_http(9090, "/live", LIMIT);
    machine
}

/// Makes the text user001.ini and tells systemd.
pub fn drop_in(machine: &Machine, text: &str) {
    machine.write("/etc/uwsgi/vassals/user001.ini", text, 0o644, Owner::ROOT);
    machine.must(&["systemctl", "daemon-reload"]);
}

/// The text that is answered.
pub fn get(machine: &Machine, path: &str) -> String {
    let (status, body) = machine
        .http(9090, path)
        .unwrap_or_else(|error| panic!("{error}\n{}", machine.state()));
    assert_eq!(status, 200, "{path}");
    String::from_utf8_lossy(&body).into_owned()
}

/// Reloads the vassal.
pub fn reload(machine: &Machine) {
    machine.must(&["systemctl", "reload", UNIT]);
}

/// Reloads it, which is to fail; what the journal says of it.
pub fn failed_reload(machine: &Machine) -> String {
    assert!(!machine.run(&["systemctl", "reload", UNIT]).succeeded());
    machine.must(&["journalctl", "--sync"]);
    machine.journal(UNIT)
}

/// What is not to change, as long as the vassal lives.
pub fn lasting(machine: &Machine) -> [String; 4] {
    ["MainPID", "NRestarts", "InvocationID", "ActiveState"].map(|property| machine.unit(UNIT, property))
}

/// The processes of uWSGI.
pub fn uwsgis(machine: &Machine) -> Vec<Pid> {
    machine.pids_of(UNIT, "uwsgi")
}

/// Waits until so many processes of uWSGI are left: that of the app before have ended.
pub fn wait_for_uwsgis(machine: &Machine, count: usize) {
    machine.wait_for("end of the app before", LIMIT, || {
        let seen = uwsgis(machine);
        if seen.len() == count {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    });
}
