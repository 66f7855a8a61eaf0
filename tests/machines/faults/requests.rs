//! Requests that nobody answers while statfs(2) is answered, and those that only take their time.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use vassal_tests::{Machine, Owner, fixtures};

use crate::filesystem::{Below, Daemon, Mounter};
use crate::matrix::{DEADLINE, GRACE, SHORT};
use crate::setup::cell::Fault;
use crate::setup::inflict::inflict;
use crate::setup::scene;
use crate::setup::scene::{Before, Over, Verdict, ask, assert_clean_end, on_each_suite, verdicts};
use crate::setup::tenant::Tenant;
use crate::setup::unit::{unit, wait_restarted};

fn ours() -> [Tenant; 2] {
    [(Mounter::Root, 9101), (Mounter::User, 9102)]
        .map(|(mounter, port)| Tenant::new(Daemon::Faultfs, mounter, Below::Directory, port))
}

/// Has the app ask for something that hangs; the verdict, which must come in time and lead to one restart.
fn hangs(machine: &Machine, tenant: &Tenant, file: &str) -> Verdict {
    let before = Before::of(machine, tenant);
    let begun = SystemTime::now();
    let _waiting = ask(machine, tenant, "read", file);
    wait_restarted(machine, tenant, before.restarts + 1);
    let verdict = before.assert_over(machine, tenant, &["hung"]);
    let took = verdict.time.duration_since(begun).unwrap();
    let killed = scene::assert_killed(machine, tenant, &verdict);
    println!(
        "{} {} {file}: told after {took:?}, killed {killed:?} later",
        machine.suite(),
        tenant.name
    );
    assert!(
        (DEADLINE..=DEADLINE + GRACE).contains(&took),
        "{file}: told after {took:?}"
    );
    verdict
}

#[test]
fn a_request_that_is_never_answered_is_a_hang_although_statfs_is() {
    on_each_suite(|suite| {
        let tenants = ours();
        let machine = scene::serving(suite, &tenants, SHORT);
        std::thread::scope(|scope| {
            for tenant in &tenants {
                let machine = &machine;
                scope.spawn(move || {
                    for file in ["hang", "page", "open"] {
                        let message = hangs(machine, tenant, file).message;
                        let told = "hung (a request unanswered for 1.5 s while statfs is answered)";
                        assert!(message.contains(told), "{file}: {message}");
                        let operation = match file {
                            "hang" => format!(": read of '{}/hang'; slow, not hung?", tenant.mountpoint()),
                            "page" => format!(": read of '{}/page'; slow, not hung?", tenant.mountpoint()),
                            _ => ": open; slow, not hung?".to_owned(),
                        };
                        assert!(message.contains(&operation), "{file}: {message}");
                    }
                });
            }
        });
        assert_clean_end(&machine, &tenants);
    });
}

#[test]
fn a_daemon_that_waits_for_its_own_mount_is_restarted_and_leaves_nothing() {
    on_each_suite(|suite| {
        let tenants = ours();
        let machine = scene::serving(suite, &tenants, SHORT);
        for tenant in &tenants {
            hangs(&machine, tenant, "own");
        }
        assert_clean_end(&machine, &tenants);
    });
}

#[test]
fn a_request_that_is_never_answered_is_found_without_a_pid_namespace() {
    on_each_suite(|suite| {
        let tenants = ours();
        let machine = scene::machine(suite);
        let emperor = "[uwsgi]\nemperor = /etc/uwsgi/vassals\nemperor-use-clone = fs\n";
        machine.write("/etc/vassal/emperor.ini", emperor, 0o644, Owner::ROOT);
        scene::serve(
            &machine,
            &tenants.each_ref().map(|tenant| (tenant, tenant.text(SHORT))),
        );
        for (tenant, file) in tenants.iter().zip(["hang", "page"]) {
            hangs(&machine, tenant, file);
        }
        assert_clean_end(&machine, &tenants);
    });
}

/// As a kernel without `CONFIG_SCHED_DEBUG` answers, which has no such file in proc.
const NO_SCHED: &str = "[Service]\nExecStart=\nExecStart=:/usr/bin/strace -D -f --seccomp-bpf -o /run/strace.log \
    -e trace=openat -P thread-self/sched -e inject=openat:error=ENOENT /usr/lib/vassal/vassal-enter %i\n";

#[test]
fn a_request_that_is_never_answered_is_found_where_the_kernel_does_not_tell_since_when_one_sleeps() {
    on_each_suite(|suite| {
        let tenant = Tenant::new(Daemon::Faultfs, Mounter::Root, Below::Directory, 9101);
        let machine = scene::machine(suite);
        let place = "/etc/systemd/system/vassal@.service.d/no-sched.conf";
        machine.write(place, NO_SCHED, 0o644, Owner::ROOT);
        scene::start(&machine, std::slice::from_ref(&tenant), SHORT);
        for file in ["hang", "page", "open"] {
            let log = machine.read_text("/run/strace.log");
            assert!(
                log.contains("ENOENT (No such file or directory) (INJECTED)"),
                "{log}"
            );
            hangs(&machine, &tenant, file);
        }
        assert_clean_end(&machine, &[tenant]);
    });
}

/// Reads and reads until told to stop; how often.
fn read_on(machine: &Machine, port: u16, path: &str, over: &AtomicBool) -> usize {
    let mut times = 0;
    while !over.load(Ordering::Relaxed) {
        match machine.http(port, path) {
            Ok((200, _)) => times += 1,
            other => panic!("{path}: {other:?}"),
        }
    }
    times
}

/// In how many of a hundred looks a connection of the machine had requests waiting.
fn looks_with_requests(machine: &Machine, time: Duration) -> usize {
    let script = "cat /sys/fs/fuse/connections/$0/waiting";
    let connections: Vec<String> = machine.fuse_connections().iter().map(u32::to_string).collect();
    let [connection] = &connections[..] else {
        panic!("{connections:?}")
    };
    let mut found = 0;
    for _ in 0..100 {
        let waiting = machine.must(&["sh", "-c", script, connection]);
        found += usize::from(waiting != "0");
        std::thread::sleep(time / 100);
    }
    found
}

#[test]
fn a_slow_daemon_under_constant_load_is_healthy_until_it_hangs() {
    const CLIENTS: usize = 3;
    const TIME: Duration = Duration::from_secs(20);
    on_each_suite(|suite| {
        let tenant = Tenant::new(Daemon::Faultfs, Mounter::Root, Below::Directory, 9101);
        let machine = scene::machine(suite);
        // 200 ms for each request, one at a time; the deadline is the default.
        scene::serve(&machine, &[(&tenant, tenant.slow_text(200, ""))]);
        let before = unit(&machine, &tenant);
        let over = AtomicBool::new(false);
        let path = format!("/read?{}/ok", tenant.mountpoint());
        let times: usize = std::thread::scope(|scope| {
            let client = || read_on(&machine, tenant.port, &path, &over);
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            let end = Over(&over);
            let begun = Instant::now();
            let mut busy = Vec::new();
            while begun.elapsed() < TIME {
                busy.push(looks_with_requests(&machine, TIME / 4));
            }
            drop(end);
            assert!(busy.iter().all(|looks| *looks > 90), "no constant load: {busy:?}");
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        assert!(times > CLIENTS, "{times}");
        assert_eq!(
            unit(&machine, &tenant),
            before,
            "{}",
            machine.journal(&tenant.unit())
        );
        assert!(verdicts(&machine, &tenant.name).is_empty());
        // One that hangs is told from one that is slow.
        for fault in [Fault::Stop, Fault::Deadlock] {
            let before = Before::of(&machine, &tenant);
            let _waiting = inflict(&machine, &tenant, fault);
            wait_restarted(&machine, &tenant, before.restarts + 1);
            before.assert_over(&machine, &tenant, &["hung"]);
        }
    });
}

#[test]
fn who_waits_for_a_lock_may_wait() {
    on_each_suite(|suite| {
        let tenants = ours();
        let machine = scene::serving(suite, &tenants, SHORT);
        let before = tenants.each_ref().map(|tenant| unit(&machine, tenant));
        let waiting: Vec<TcpStream> = tenants
            .iter()
            .map(|tenant| ask(&machine, tenant, "lock", "lock"))
            .collect();
        std::thread::sleep(DEADLINE * 4);
        let after = tenants.each_ref().map(|tenant| unit(&machine, tenant));
        assert_eq!(after, before, "{}", machine.state());
        drop(waiting);
        // And it hides nothing.
        hangs(&machine, &tenants[0], "hang");
    });
}

#[test]
fn of_two_filesystems_with_requests_the_one_that_hangs_is_named() {
    on_each_suite(|suite| {
        let tenant = Tenant::new(Daemon::Faultfs, Mounter::Root, Below::Directory, 9101);
        let machine = scene::machine(suite);
        fixtures::mountpoint(&machine, "/mnt/busy", Owner::ROOT);
        let line =
            "exec-as-root = faultfs --allow-other --delay 100 /mnt/busy\nmountpoint-check = /mnt/busy\n";
        let text = tenant
            .text(SHORT)
            .replacen("exec-as-root", &format!("{line}exec-as-root"), 1);
        scene::serve(&machine, &[(&tenant, text)]);
        let before = Before::of(&machine, &tenant);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // Until the vassal is restarted: then its requests break off.
            let client = || {
                let is_over = || over.load(Ordering::Relaxed);
                let read = || machine.http(9101, "/read?/mnt/busy/ok").is_ok();
                while read() && !is_over() {}
            };
            let clients: Vec<_> = (0..3).map(|_| scope.spawn(client)).collect();
            let end = Over(&over);
            std::thread::sleep(DEADLINE * 2);
            assert_eq!(unit(&machine, &tenant).restarts, 0, "{}", machine.state());
            let _waiting = ask(&machine, &tenant, "read", "hang");
            wait_restarted(&machine, &tenant, 1);
            drop(end);
            clients.into_iter().for_each(|client| client.join().unwrap());
        });
        before.assert_over(&machine, &tenant, &["hung"]);
    });
}

#[test]
fn a_request_that_hangs_below_an_overlay_is_found_where_that_is_checked_too() {
    on_each_suite(|suite| {
        let tenant = Tenant::new(Daemon::OverlayOnFaultfs, Mounter::Root, Below::Directory, 9101);
        let machine = scene::machine(suite);
        let below = format!("{}/below", tenant.home());
        let check = format!("mountpoint-check = {}\n", tenant.mountpoint());
        // statfs of the overlay is answered, and whoever reads has a file of the overlay open.
        let text = tenant
            .text(SHORT)
            .replace(&check, &format!("{check}mountpoint-check = {below}\n"));
        scene::serve(&machine, &[(&tenant, text)]);
        let _waiting = ask(&machine, &tenant, "read", "hang");
        wait_restarted(&machine, &tenant, 1);
        let told = verdicts(&machine, &tenant.name);
        let told: Vec<_> = told
            .iter()
            .map(|verdict| (&*verdict.word, &*verdict.mountpoint))
            .collect();
        assert_eq!(told, [("hung", &*below)]);
    });
}
