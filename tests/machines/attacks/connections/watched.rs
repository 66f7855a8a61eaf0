//! A mount of the host's that vassals watch.

use std::io::Write;
use std::time::Duration;

use vassal_tests::{Machine, Signal, on_each_suite};

use super::scene::{self, LIMIT, Vassal, assert_answers, hosts_daemons, mount_on_host};

const WATCH: &str = "mountpoint-check = /hz\n";
const ONE: Vassal = Vassal {
    name: "one",
    port: 9101,
};
const OTHER: Vassal = Vassal {
    name: "other",
    port: 9102,
};
/// How long the daemon answers nobody, as a fuse-zip that unpacks a large member: more than a deadline, which is three seconds.
const UNPACKING: Duration = Duration::from_secs(7);

fn ask(machine: &Machine, file: &str) -> std::net::TcpStream {
    let mut connection = machine.connect(ONE.port).unwrap();
    let request = format!("GET /read?/hz/{file} HTTP/1.0\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    connection
}

#[test]
fn a_slow_read_of_one_vassal_on_the_hosts_mount_is_that_vassals_trouble_only() {
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        mount_on_host(&machine, "/hz", 0);
        ONE.start(&machine, WATCH, "");
        OTHER.start(&machine, WATCH, "");
        let main = machine.unit(&OTHER.unit(), "MainPID");
        let daemon = hosts_daemons(&machine, &[])[0];
        assert!(machine.kill(daemon, Signal::SIGSTOP));
        let waiting = ask(&machine, "ok");
        std::thread::sleep(UNPACKING);
        assert!(machine.kill(daemon, Signal::SIGCONT));
        ONE.wait_for_verdict(&machine, "/hz hung");
        ONE.wait_restarted(&machine, 0);
        drop(waiting);
        assert_answers(&machine, "/hz");
        machine.poll_http(ONE.port, "/read?/hz/ok", LIMIT);
        machine.poll_http(OTHER.port, "/read?/hz/ok", LIMIT);
        assert_eq!(
            machine.unit(&OTHER.unit(), "MainPID"),
            main,
            "{}",
            machine.state()
        );
    });
}

#[test]
fn a_hang_on_the_hosts_mount_ends_the_vassal_that_waits_and_nobody_elses_mount() {
    on_each_suite(|suite| {
        let machine = scene::machine(suite);
        mount_on_host(&machine, "/hz", 0);
        ONE.start(&machine, WATCH, "mountpoint-deadline = 1500ms\n");
        OTHER.start(&machine, WATCH, "mountpoint-deadline = 1500ms\n");
        let main = machine.unit(&OTHER.unit(), "MainPID");
        // The daemon reads the request and never answers it, and answers all others.
        let waiting = ask(&machine, "hang");
        ONE.wait_for_verdict(&machine, "/hz hung");
        let begun = std::time::Instant::now();
        ONE.wait_restarted(&machine, 0);
        println!("{suite}: serves again {:?} after the verdict", begun.elapsed());
        drop(waiting);
        assert_answers(&machine, "/hz");
        machine.poll_http(OTHER.port, "/read?/hz/ok", LIMIT);
        assert_eq!(
            machine.unit(&OTHER.unit(), "MainPID"),
            main,
            "{}",
            machine.state()
        );
    });
}
