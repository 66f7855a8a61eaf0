//! The socket of a vassal on demand over daemon-reloads, while vassals come and go and its own is started again and again: it is the same
//! one, and it refuses no connection.

use std::sync::atomic::{AtomicBool, Ordering};

use vassal_tests::{Machine, Owner, on_each_suite};

use crate::on_demand::{PORT, SHORT_LIVED, machine_on_demand, put_on_demand};
use crate::scene::{SLEEPER, path, put};

const RELOADS: usize = 20;

/// Connects, and goes, again and again, until it is over: how often that was refused, and how often it was tried.
fn connect_until(machine: &Machine, over: &AtomicBool) -> (Vec<String>, usize) {
    let (mut refused, mut tried) = (Vec::new(), 0);
    while !over.load(Ordering::SeqCst) {
        tried += 1;
        if let Err(error) = machine.connect(PORT) {
            refused.push(error.to_string());
        }
    }
    (refused, tried)
}

#[test]
fn no_daemon_reload_closes_the_socket_of_a_vassal_on_demand_even_for_a_moment() {
    on_each_suite(|suite| {
        let machine = machine_on_demand(suite);
        machine.write("/srv/app/short", SHORT_LIVED, 0o755, Owner::ROOT);
        let text = "[uwsgi]\nuid = www-data\ngid = www-data\n[vassal]\ncommand = exec /srv/app/short\nready = started\n";
        put_on_demand(&machine, "short", &format!("127.0.0.1:{PORT}"), text);
        let socket = || machine.must_sh(&format!("ss -ltnHe 'sport = :{PORT}' | grep -o 'ino:[0-9]*'"));
        let before = socket();
        let over = AtomicBool::new(false);
        let (refused, tried) = std::thread::scope(|scope| {
            let connecting = scope.spawn(|| connect_until(&machine, &over));
            for number in 0..RELOADS {
                match number % 2 {
                    0 => put(&machine, "other", SLEEPER),
                    _ => drop(machine.must(&["rm", &path("other")])),
                }
                machine.must(&["systemctl", "daemon-reload"]);
            }
            over.store(true, Ordering::SeqCst);
            connecting.join().unwrap()
        });
        println!("{suite}: {RELOADS} daemon-reloads, {tried} connections");
        assert!(
            refused.is_empty(),
            "{suite}: of {tried}: {refused:?}\n{}",
            machine.state()
        );
        assert!(tried > RELOADS * 10, "{suite}: {tried}");
        assert_eq!(socket(), before, "{suite}");
    });
}
