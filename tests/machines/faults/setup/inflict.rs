//! How each fault is made.

use std::net::TcpStream;

use vassal_tests::{AS_USER001, Machine, Output, Pid, Signal};

use crate::LIMIT;
use crate::filesystem::{Below, Daemon};
use crate::setup::cell::Fault;
use crate::setup::scene::ask;
use crate::setup::tenant::Tenant;

/// Makes the fault; requests that wait for their answer meanwhile.
pub fn inflict(machine: &Machine, tenant: &Tenant, fault: Fault) -> Option<TcpStream> {
    let mountpoint = tenant.mountpoint();
    match fault {
        Fault::Kill => signal(machine, tenant, Signal::SIGKILL),
        Fault::Stop => {
            signal(machine, tenant, Signal::SIGSTOP);
            return tenant.is_readable().then(|| ask(machine, tenant, "read", "ok"));
        }
        Fault::Segfault => {
            signal(machine, tenant, Signal::SIGSEGV);
            // Rust's own handler takes the first one that no instruction has raised.
            if tenant.daemon.is_ours() {
                signal_again(machine, tenant, Signal::SIGSEGV);
            }
        }
        Fault::Exit => match tenant.daemon.is_ours() {
            true => return Some(ask(machine, tenant, "read", "exit")),
            false => signal(machine, tenant, Signal::SIGTERM),
        },
        Fault::Deadlock => return Some(deadlock(machine, tenant)),
        Fault::Unmount => inside(machine, tenant, &["umount", &mountpoint]),
        Fault::UnmountLazily => inside(machine, tenant, &["umount", "--lazy", &mountpoint]),
        Fault::UnmountByTenant => {
            inside(
                machine,
                tenant,
                &[&AS_USER001[..], &["fusermount", "-u", &mountpoint]].concat(),
            );
        }
        Fault::MountOver => inside(machine, tenant, &["mount", "-t", "tmpfs", "tmpfs", &mountpoint]),
        Fault::BindOver => {
            let directory = format!("{mountpoint}/directory");
            inside(machine, tenant, &["mount", "--bind", &directory, &mountpoint]);
        }
        Fault::KillDuringStart => {
            machine.must(&["touch", &tenant.mark()]);
            // Without waiting: its first attempt fails.
            machine.must(&["systemctl", "restart", "--no-block", &tenant.unit()]);
            machine.wait_for("start", LIMIT, || {
                let read = machine.run(&["test", "-e", &tenant.mark()]);
                if read.succeeded() { Err("the mark") } else { Ok(()) }
            });
        }
    }
    None
}

/// Has the daemon read a request that it never answers.
fn deadlock(machine: &Machine, tenant: &Tenant) -> TcpStream {
    let file = match (tenant.below, tenant.daemon) {
        (Below::Directory, _) => "deadlock",
        (Below::Faultfs, Daemon::FuseZip | Daemon::Squashfuse) => {
            machine.must(&["touch", &tenant.stop()]);
            "big"
        }
        (Below::Faultfs | Below::Debian, _) => "hang",
    };
    ask(machine, tenant, "read", file)
}

/// The tenant's daemon.
fn daemon(machine: &Machine, tenant: &Tenant) -> Pid {
    machine.pid_of(&tenant.unit(), tenant.daemon.process())
}

fn signal(machine: &Machine, tenant: &Tenant, signal: Signal) {
    assert!(machine.kill(daemon(machine, tenant), signal));
}

fn signal_again(machine: &Machine, tenant: &Tenant, signal: Signal) {
    for pid in machine.pids_of(&tenant.unit(), tenant.daemon.process()) {
        std::thread::sleep(std::time::Duration::from_millis(20));
        machine.kill(pid, signal);
    }
}

/// Runs a command in the vassal. Its own end tells nothing: it is killed with the vassal as soon as that is judged.
fn inside(machine: &Machine, tenant: &Tenant, argv: &[&str]) {
    let app = machine.pid_of(&tenant.unit(), "faultfs-app");
    let output: Output = machine.run_inside(app, argv);
    assert!(
        output.status.code().is_none_or(|code| code == 0),
        "{}: {argv:?}: {output}",
        tenant.name
    );
}
