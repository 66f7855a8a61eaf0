//! The thread that holds a machine up: it owns the mount namespace, and nspawn dies with it.

use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::container::nspawn;
use crate::container::stage::{Stage, Staged};
use crate::failure::Failure;

/// What the keeper is told to boot.
pub(crate) struct Orders {
    pub name: String,
    pub stage: Stage,
    /// The cgroup.procs file of the machine's cgroup, as the keeper sees the hierarchy.
    pub cgroup_procs: PathBuf,
    /// The socket that nspawn and the machine's systemd notify.
    pub notify: PathBuf,
    /// Where the machine's console is written.
    pub console: PathBuf,
}

/// A running keeper.
///
/// A thread and not the caller: a mount namespace belongs to a thread, and so does the parent-death signal, which must not fire
/// because the test that booted a shared machine has ended.
pub(crate) struct Keeper {
    nspawn: Pid,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Sets the stage and starts nspawn on it; the machine is only beginning to boot then.
    ///
    /// # Errors
    ///
    /// When a mount is refused or nspawn cannot be started; nothing is left then.
    pub fn start(orders: Orders) -> Result<(Keeper, Staged), Failure> {
        let (report, reported) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(orders.name.clone())
            .spawn(move || keep(&orders, &report, &stopped))
            .map_err(|reason| Failure::Program {
                name: "keeper thread".into(),
                reason,
            })?;
        match reported.recv() {
            Ok(Ok((staged, nspawn))) => Ok((Keeper { nspawn, stop, thread }, staged)),
            Ok(Err(failure)) => Err(failure),
            Err(_) => panic!("the keeper thread panicked"),
        }
    }

    /// Whether nspawn has ended by itself.
    pub fn has_failed(&self) -> bool {
        let without_reaping = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        !matches!(
            waitid(Id::Pid(self.nspawn), without_reaping),
            Ok(WaitStatus::StillAlive)
        )
    }

    /// Ends nspawn, if it is still there, and the mount namespace with all its mounts.
    pub fn stop(self) {
        // A keeper that is gone already cannot be told, and need not be.
        drop(self.stop);
        if self.thread.join().is_err() {
            eprintln!("the keeper thread panicked");
        }
    }
}

fn keep(orders: &Orders, report: &Sender<Result<(Staged, Pid), Failure>>, stopped: &Receiver<()>) {
    let started = orders
        .stage
        .set_up()
        .and_then(|staged| Ok((staged, spawn(orders)?)));
    let (answer, child) = match started {
        Ok((staged, child)) => (Ok((staged, Pid::from_raw(child.id() as i32))), Some(child)),
        Err(failure) => (Err(failure), None),
    };
    let listening = report.send(answer).is_ok();
    let Some(mut child) = child else {
        return;
    };
    if listening {
        // Nothing is ever sent: the other end is dropped.
        while stopped.recv().is_ok() {}
    }
    if let Err(reason) = child.kill().and_then(|()| child.wait()) {
        eprintln!("cannot end the nspawn of '{}': {reason}", orders.name);
    }
}

fn spawn(orders: &Orders) -> Result<Child, Failure> {
    let console = File::create(&orders.console).map_err(Failure::file("create", &orders.console))?;
    let errors = console
        .try_clone()
        .map_err(Failure::file("open", &orders.console))?;
    nspawn::command(&orders.cgroup_procs, &nspawn::boot(&orders.stage, &orders.name))
        .env("NOTIFY_SOCKET", &orders.notify)
        .stdout(console)
        .stderr(errors)
        .spawn()
        .map_err(|reason| Failure::Program {
            name: "systemd-nspawn".into(),
            reason,
        })
}
