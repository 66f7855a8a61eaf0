//! Random changes, and random ends of the emperor, the bus and systemd's connection to it, for as long as one likes.

use std::time::{Duration, Instant};

use vassal_tests::{Owner, on_each_suite};

use crate::failures::LEAVE_THE_BUS;
use crate::scene::machine;

/// What `name` is in the environment, or `usual`.
fn number(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => usual,
    }
}

#[test]
#[ignore = "make soak: it takes as long as one likes, and no two runs do the same"]
fn what_runs_is_what_the_files_say_after_any_history() {
    let seconds = Duration::from_secs(number("SOAK_SECONDS", 300));
    let seed = number("SOAK_SEED", std::process::id().into());
    on_each_suite(|suite| {
        let machine = machine(suite);
        let script = include_str!("soak.pl");
        for (path, text) in [
            ("/root/soak.pl", script),
            ("/root/leave_the_bus.pl", LEAVE_THE_BUS),
        ] {
            machine.write(path, text, 0o644, Owner::ROOT);
        }
        let begun = Instant::now();
        for seed in seed.. {
            let done = machine.must(&["perl", "/root/soak.pl", &seed.to_string()]);
            println!("{suite}, seed {seed}: {}", done.trim_end());
            if begun.elapsed() >= seconds {
                break;
            }
        }
    });
}
