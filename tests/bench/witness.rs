//! The app of floor/app.c, seen from outside: when it runs on its mount, and when it is gone. Through two FIFOs, so that
//! nobody has to look again and again.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitStatus, waitpid};
use vassal_tests::{Machine, Pid, Signal};

use crate::contender::LIMIT;

/// Where the FIFOs are in the machine.
const PLACE: &str = "/run/bench";

/// The app's program in the machine.
pub const APP: &str = "/usr/local/bin/floor-app";

/// An app, by name.
#[derive(Clone, Copy)]
pub struct Witness<'a> {
    machine: &'a Machine,
    name: &'static str,
    /// The unit it is in.
    pub unit: &'static str,
    /// The FUSE daemon's command name.
    daemon: &'static str,
}

/// What came of an incident; the times count from the signal to the FUSE daemon.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The app was dead.
    pub dead: Duration,
    /// A new one ran, on a new mount.
    pub back: Duration,
}

impl<'a> Witness<'a> {
    /// Makes the FIFOs.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn new(machine: &'a Machine, name: &'static str, unit: &'static str, daemon: &'static str) -> Self {
        let witness = Witness {
            machine,
            name,
            unit,
            daemon,
        };
        let (ready, life) = (witness.ready(), witness.life());
        machine.must_sh(&format!(
            "mkdir -p {PLACE}; mkfifo {ready} {life}; chmod 0666 {ready} {life}"
        ));
        witness
    }

    /// The app's command line, with its mountpoint and a file to open again and again, if any.
    pub fn command(&self, rest: &str) -> String {
        format!("{APP} {} {} {rest}", self.ready(), self.life())
    }

    /// Starts the unit and waits until the app runs.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn start(&self) {
        let (ready, unit) = (self.on_host(&self.ready()), self.unit);
        std::thread::scope(|scope| {
            scope.spawn(|| self.machine.must(&["systemctl", "start", unit]));
            self.hear(ready);
        });
    }

    /// Sends the FUSE daemon a signal after a `rest`; waits until the app is dead, and until another one runs. The rest is
    /// after the look for the daemon, which adds a process to a cgroup: shortly after that another one is added without
    /// waiting for an RCU grace period, some ten milliseconds, for which every restart on a quiet machine waits.
    ///
    /// # Panics
    ///
    /// When that does not happen.
    pub fn incident(&self, signal: Signal, rest: Duration) -> Seen {
        let (ready, life) = (self.on_host(&self.ready()), self.on_host(&self.life()));
        let daemon = self.machine.pid_of(self.unit, self.daemon);
        // The app waits for this before it goes on.
        let mut life = self.open(OpenOptions::new().read(true), life);
        let (send, receive) = mpsc::channel();
        std::thread::sleep(rest);
        std::thread::scope(|scope| {
            let begun = Instant::now();
            strike(daemon, signal);
            scope.spawn(move || {
                // The end, or an error, which is the end too.
                while life.read(&mut [0]).is_ok_and(|length| length > 0) {}
                send.send(Instant::now())
            });
            let back = self.hear(ready) - begun;
            match receive.recv_timeout(LIMIT) {
                Ok(dead) => Seen {
                    dead: dead - begun,
                    back,
                },
                Err(_) => panic!("{}: the app lives on\n{}", self.unit, self.machine.state()),
            }
        })
    }

    /// Kills the FUSE daemon after a `rest`, and tells when the app felt the first act of whoever has seen that: it was
    /// stopped, or began to
    /// end. A tracer (ptrace(2)) is told so at once. Waits until another app runs.
    ///
    /// # Panics
    ///
    /// When that does not happen.
    pub fn first_act(&self, rest: Duration) -> Duration {
        let (ready, life) = (self.on_host(&self.ready()), self.on_host(&self.life()));
        let daemon = self.machine.pid_of(self.unit, self.daemon);
        let life = self.open(OpenOptions::new().read(true), life);
        let app = self.machine.pid_of(self.unit, "floor-app");
        std::thread::sleep(rest);
        let felt = ptrace::seize(app, ptrace::Options::PTRACE_O_TRACEEXIT).and_then(|()| {
            let begun = Instant::now();
            strike(daemon, Signal::SIGKILL);
            Ok(feel(app)? - begun)
        });
        let felt = felt.unwrap_or_else(|errno| panic!("{}: {errno}\n{}", self.unit, self.machine.state()));
        self.hear(ready);
        drop(life);
        felt
    }

    /// Waits until the app says that it runs, on a mount.
    fn hear(&self, ready: PathBuf) -> Instant {
        // Also for writing: then there is no end of it.
        let mut fifo = self.open(OpenOptions::new().read(true).write(true), ready);
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let mut mounted = [0];
            let heard = fifo.read_exact(&mut mounted);
            drop(send.send((heard.map(|()| mounted[0]), Instant::now())));
        });
        match receive.recv_timeout(LIMIT) {
            Ok((Ok(b'1'), heard)) => heard,
            other => panic!(
                "{}: no app on its mount: {other:?}\n{}",
                self.unit,
                self.machine.state()
            ),
        }
    }

    fn ready(&self) -> String {
        format!("{PLACE}/{}.ready", self.name)
    }

    fn life(&self) -> String {
        format!("{PLACE}/{}.life", self.name)
    }

    fn on_host(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.machine.leader()))
    }

    fn open(&self, options: &OpenOptions, path: PathBuf) -> File {
        match options.open(&path) {
            Ok(file) => file,
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
}

/// Waits until this thread's tracee is stopped or begins to end, and lets it.
fn feel(app: Pid) -> nix::Result<Instant> {
    let status = waitpid(app, None)?;
    let felt = Instant::now();
    let mut signal = match status {
        WaitStatus::Stopped(_, signal) => Some(signal),
        _ => None,
    };
    while ptrace::detach(app, signal.take()) == Err(Errno::ESRCH) {
        // Killed meanwhile: it is on its way to the stop at its end, in which it would stay.
        if let WaitStatus::Exited(..) | WaitStatus::Signaled(..) = waitpid(app, None)? {
            break;
        }
    }
    Ok(felt)
}

/// kill(2) and nothing else.
fn strike(daemon: Pid, signal: Signal) {
    if let Err(errno) = nix::sys::signal::kill(daemon, signal) {
        panic!("cannot signal process {daemon}: {}", errno.desc());
    }
}
