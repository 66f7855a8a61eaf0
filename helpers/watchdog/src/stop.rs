//! The end of a vassal, in this order, each step with a limit: the app is asked to stop; what else runs is ended; the
//! as-user-atexit hooks run; the FUSE filesystems are unmounted; their daemons, which commit what was written only
//! now, are waited for. The same whether systemd stops the vassal or the app has ended by itself.

use crate::connections;
use crate::deafen::{Listener, order_when_deaf};
use crate::emperor_protocol::{Order, Uwsgi, say};
use crate::probe::{Probe, Question};
use crate::processes;
use crate::reaper::{Child, Ended, drain, reap, reap_until};
use crate::report::Reporter;
use crate::serving;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, execveat};
use std::cell::RefCell;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};
use vassal_sys::clone::{Side, fork};
use vassal_sys::handoff::Handoff;
use vassal_sys::journal::{Priority, line};
use vassal_sys::mountinfo::{self, Mount};
use vassal_sys::{SysError, fds, fusectl, mounts, signals};

/// From SIGTERM to SIGKILL for background processes that nobody else ends.
const LEFTOVER_LIMIT: Duration = Duration::from_secs(2);
/// How long a killed process may take to go: longer only if it waits for a filesystem, which is then cut off.
const KILL_LIMIT: Duration = Duration::from_secs(2);
/// How long unmounting may take before the filesystems are cut off.
const UNMOUNT_LIMIT: Duration = Duration::from_secs(10);
/// How long a daemon may write back after its filesystem was unmounted: a minute for the largest archives.
const COMMIT_LIMIT: Duration = Duration::from_secs(60);
/// How long the other filesystems of a vassal that has lost one may take to be unmounted and written back: together less
/// than `WatchdogSec=`, as nobody keeps systemd's watchdog quiet meanwhile.
const RESCUE_UNMOUNT_LIMIT: Duration = Duration::from_secs(2);
/// See [`RESCUE_UNMOUNT_LIMIT`].
const RESCUE_COMMIT_LIMIT: Duration = Duration::from_secs(15);
/// How many mounts may lie one upon the other before one of them is left to the end of the namespace.
const MOST_LAYERS: usize = 4;
/// How long a daemon may take to answer what it is being asked when its vassal is lost.
const RESCUE_ANSWER_LIMIT: Duration = Duration::from_millis(200);

/// What is needed to end a vassal.
#[derive(Debug)]
pub struct Ending<'a> {
    /// The vassal.
    pub handoff: &'a Handoff,
    /// A private proc.
    pub proc: &'a OwnedFd,
    /// Where signals are read.
    pub signals: &'a SignalFd,
    /// /sys/fs/fuse/connections.
    pub fusectl: Option<&'a OwnedFd>,
    /// The program and the record of the atexit hooks.
    pub atexit: Option<(&'a OwnedFd, &'a OwnedFd)>,
    /// FUSE daemons that have not ended, as far as is known; they write back when their filesystems are unmounted.
    pub daemons: RefCell<Vec<Pid>>,
    /// The mountpoints of those filesystems that may hold what is not saved, one a line.
    pub unsaved: String,
    /// The numbers that the vassal's listening sockets have in the app.
    pub sockets: Vec<RawFd>,
    /// Sends, meanwhile, what there was no room for.
    pub reporter: &'a Reporter,
}

impl Ending<'_> {
    /// The limits of all steps together.
    pub fn longest(&self) -> Duration {
        let Handoff {
            stop_limit,
            atexit_limit,
            ..
        } = self.handoff;
        *stop_limit + *atexit_limit + LEFTOVER_LIMIT + UNMOUNT_LIMIT + COMMIT_LIMIT * 2 + KILL_LIMIT * 5
    }

    /// Asks the app to stop and waits for it; kills it at its limit, and cuts its filesystems off if even that does
    /// not end it.
    pub fn stop_app(&self, uwsgi: Option<&Uwsgi>) {
        let app = Pid::from_raw(self.handoff.payload);
        let has_ended = match uwsgi {
            Some(uwsgi) => self.stop_uwsgi(uwsgi, app),
            None => {
                let signal = Signal::try_from(self.handoff.stop_signal);
                signal.is_ok_and(|signal| killpg(app, signal).is_ok())
                    && self.reaped(app, self.handoff.stop_limit)
            }
        };
        if has_ended {
            return;
        }
        let limit = self.handoff.stop_limit.as_secs_f32();
        warn(&format!(
            "{} did not stop within {limit} s, killing it",
            self.handoff.command
        ));
        signal_group(app, Signal::SIGKILL);
        if !self.reaped(app, KILL_LIMIT) {
            self.abort_filesystems();
            self.reaped(app, KILL_LIMIT);
        }
    }

    /// Tells uWSGI to stop, deaf to new connections; whether it has, in time.
    fn stop_uwsgi(&self, uwsgi: &Uwsgi, app: Pid) -> bool {
        let Some(emperor) = uwsgi.socket() else {
            return false;
        };
        let limit = self.handoff.stop_limit;
        let listener = Listener {
            app,
            sockets: &self.sockets,
            proc: self.proc,
        };
        let Ok(messenger) = order_when_deaf(&listener, emperor, Order::Stop) else {
            return say(emperor, Order::Stop) && self.reaped(app, limit);
        };
        let mut has_ended = false;
        self.reap_until(limit, |ended, any_left| {
            let is_unheard = |child: &Child| child.pid == messenger && child.how.code() != Some(0);
            has_ended |= !any_left || ended.iter().any(|child| child.pid == app);
            has_ended || ended.iter().any(is_unheard)
        });
        has_ended
    }

    /// Ends the app, which stands still, at once: its vassal is lost, and it can only give wrong answers any more. Its
    /// clients see the ends that are returned, which are to be held as long as possible.
    pub fn cut_app_off(&self) -> Vec<OwnedFd> {
        let app = Pid::from_raw(self.handoff.payload);
        let connections = connections::accepted(self.proc, app);
        signal_group(app, Signal::SIGKILL);
        connections.iter().for_each(connections::end);
        connections
    }

    /// Somebody has unmounted a filesystem, and systemd is about to kill everything: its daemon saves now.
    pub fn wait_for_unmounted(&self) {
        let left = self.filesystems().len();
        let daemons = self.daemons.borrow().clone();
        self.wait_for_commit(&daemons, left, RESCUE_COMMIT_LIMIT);
    }

    /// The vassal's FUSE filesystems beside `lost` among `all` mounts, the last first.
    pub fn others(&self, lost: &Mount, all: &[Mount]) -> Vec<Mount> {
        let is_other = |mount: &&Mount| {
            self.is_own_fuse(mount) && mount.mountpoint != b"/" && mount.device() != lost.device()
        };
        all.iter().rev().filter(is_other).cloned().collect()
    }

    /// Systemd is about to kill everything: what was written to `others` is committed first, which their daemons do when
    /// they are unmounted.
    pub fn rescue(&self, others: Vec<Mount>) {
        let (others, hung): (Vec<_>, Vec<_>) = others.into_iter().partition(|mount| self.is_idle(mount));
        // Whoever waits for these could not be ended. mountinfo is read again: each number is still that of our mount.
        let now = self.filesystems();
        let hung = hung.iter().filter(|mount| now.contains(mount));
        hung.for_each(|mount| self.abort(mount));
        let daemons = self.fuse_daemons();
        let writers = || self.processes().into_iter().filter(|pid| !daemons.contains(pid));
        writers().for_each(|pid| send(pid, Signal::SIGKILL));
        self.reap_until(KILL_LIMIT, |_, any_left| !any_left || writers().count() == 0);
        if !others.is_empty() {
            self.unmount(&others, RESCUE_UNMOUNT_LIMIT);
            let left = daemons.len().saturating_sub(others.len());
            self.wait_for_commit(&daemons, left, RESCUE_COMMIT_LIMIT);
        }
    }

    /// Whether the daemon of `mount` answers everything that it is asked, within a moment: one that does not hangs with
    /// the filesystem that is lost, on which it stands or which stands on it, and is not going to commit.
    fn is_idle(&self, mount: &Mount) -> bool {
        let Some(fusectl) = self.fusectl else {
            return self.answers(mount);
        };
        let has_answered = || fusectl::waiting(fusectl, mount.minor).is_ok_and(|waiting| waiting == 0);
        let is_quiet = self.reap_until(RESCUE_ANSWER_LIMIT, |_, _| has_answered()) || has_answered();
        // What nobody who was killed had asked yet is not waited for any more.
        is_quiet && self.answers(mount)
    }

    fn answers(&self, mount: &Mount) -> bool {
        let Ok(Some(probe)) = Probe::send(Question::Answers(mount)) else {
            return false;
        };
        let mut answer = None;
        self.reap_until(RESCUE_ANSWER_LIMIT, |ended, any_left| {
            let ended = ended.iter().find(|child| child.pid == probe.pid);
            answer = answer.or(ended.and_then(|child| child.how.code()));
            answer.is_some() || !any_left
        });
        answer == Some(0)
    }

    /// Everything after the app.
    pub fn finish(&self) {
        signal_group(Pid::from_raw(self.handoff.payload), Signal::SIGKILL);
        self.tell_unseen_end();
        let daemons = self.fuse_daemons();
        self.end_others(&daemons);
        self.run_atexit();
        let filesystems = self.filesystems();
        let is_below = |mount: &&Mount| mount.mountpoint != b"/";
        let below: Vec<_> = filesystems.iter().filter(is_below).cloned().collect();
        self.unmount(&below, UNMOUNT_LIMIT);
        if daemons.iter().any(|pid| serving::is_apart(self.proc, *pid)) {
            return self.end_serving(&daemons);
        }
        // What is still mounted is `/`, which goes with its last process: its daemon is told to end, when all others
        // have, as SIGTERM would keep one that is committing from its work.
        let left = self.filesystems().len();
        self.wait_for_commit(&daemons, left, COMMIT_LIMIT);
        if left > 0 {
            daemons.iter().for_each(|pid| send(*pid, Signal::SIGTERM));
            self.wait_for_commit(&daemons, 0, COMMIT_LIMIT);
        }
    }

    /// The same for daemons some of which have a mount namespace of their own: their filesystems are mounted there still,
    /// and so is what these stand on. When all that commit by themselves have ended, those that serve are told to end, the
    /// last one first: with its namespace goes what it stands on, whose daemon commits then by itself.
    fn end_serving(&self, daemons: &[Pid]) {
        let serves = |pid: &Pid| serving::serves(self.proc, *pid);
        self.reap_until(COMMIT_LIMIT, |_, _| {
            daemons.iter().all(|pid| is_gone(pid) || serves(pid))
        });
        let end = Instant::now() + COMMIT_LIMIT;
        let left = || end.saturating_duration_since(Instant::now());
        for pid in daemons.iter().rev().filter(|pid| serves(pid)) {
            send(*pid, Signal::SIGTERM);
            self.reaped(*pid, left());
        }
        if !self.reap_until(left(), |_, _| daemons.iter().all(is_gone)) {
            warn_of_loss(COMMIT_LIMIT);
        }
    }

    fn reaped(&self, pid: Pid, limit: Duration) -> bool {
        self.reap_until(limit, |ended, any_left| {
            !any_left || ended.iter().any(|child| child.pid == pid)
        })
    }

    /// Reaps, and tells of a daemon that has not written back to its end.
    fn reap_until(&self, limit: Duration, mut is_over: impl FnMut(&[Child], bool) -> bool) -> bool {
        reap_until(self.proc, self.signals, limit, |ended, any_left| {
            self.reporter.flush();
            for Child { pid, how, name } in ended {
                let is_daemon = self.daemons.borrow().contains(pid);
                self.daemons.borrow_mut().retain(|daemon| daemon != pid);
                if let (true, Some(name), true) = (is_daemon, name, is_bad(*how)) {
                    self.tell_end(&format!("{name} {how}"));
                }
            }
            is_over(ended, any_left)
        })
    }

    /// A daemon has ended out of order.
    fn tell_end(&self, end: &str) {
        if self.unsaved.is_empty() {
            warn(end);
        } else {
            let places = self.unsaved.replace('\n', "' or '");
            warn(&format!(
                "{end}: what was written to '{places}' and not saved is lost"
            ));
        }
    }

    /// Tells of a daemon whose end nobody has seen, as it came with that of the app.
    fn tell_unseen_end(&self) {
        if !self.unsaved.is_empty() && self.daemons.borrow().iter().any(is_gone) {
            self.tell_end("a FUSE daemon has ended, too");
        }
    }

    /// The processes that serve a FUSE filesystem: they have /dev/fuse open; or had, and save what was written.
    fn fuse_daemons(&self) -> Vec<Pid> {
        let is_known = |pid: &Pid| self.daemons.borrow().contains(pid);
        let serves = |pid: &Pid| is_known(pid) || processes::serves_fuse(self.proc, *pid);
        let daemons: Vec<_> = self.processes().into_iter().filter(serves).collect();
        self.daemons.replace(daemons.clone());
        daemons
    }

    fn processes(&self) -> Vec<Pid> {
        processes::all(self.proc, self.handoff.is_init)
    }

    fn end_others(&self, daemons: &[Pid]) {
        for (signal, limit) in [(Signal::SIGTERM, LEFTOVER_LIMIT), (Signal::SIGKILL, KILL_LIMIT)] {
            let others = || self.processes().into_iter().filter(|pid| !daemons.contains(pid));
            if others().count() == 0 {
                return;
            }
            others().for_each(|pid| send(pid, signal));
            self.reap_until(limit, |_, any_left| !any_left || others().count() == 0);
        }
    }

    fn run_atexit(&self) {
        let Some((program, record)) = self.atexit else {
            return;
        };
        let limit = self.handoff.atexit_limit;
        match start_atexit(program, record) {
            Err(error) => warn(&format!("as-user-atexit hooks: {error}, skipping")),
            Ok(pid) if !self.reaped(pid, limit) => {
                let limit = limit.as_secs_f32();
                warn(&format!(
                    "as-user-atexit hooks did not return within {limit} s (atexit-timeout), killing them"
                ));
                signal_group(pid, Signal::SIGKILL);
                send(pid, Signal::SIGKILL);
                self.reaped(pid, KILL_LIMIT);
            }
            Ok(_) => {}
        }
    }

    /// The FUSE mounts that the vassal made, the last first; `/` cannot be unmounted and ends with the namespace.
    fn filesystems(&self) -> Vec<Mount> {
        self.mounts(|mount| self.is_own_fuse(mount))
    }

    fn is_own_fuse(&self, mount: &Mount) -> bool {
        let Handoff {
            owns_mounts, foreign, ..
        } = self.handoff;
        *owns_mounts && mount.is_fuse() && !foreign.contains(&mount.device())
    }

    /// What may stand on those: as long as it is there, they are, wherever they were mounted.
    fn overlays(&self) -> Vec<Mount> {
        self.mounts(|mount| mount.fstype == b"overlay" && mount.mountpoint != b"/")
    }

    fn mounts(&self, is_wanted: impl Fn(&Mount) -> bool) -> Vec<Mount> {
        if !self.handoff.owns_mounts {
            return Vec::new();
        }
        let file = mounts::open_below(self.proc, "self/mountinfo").ok();
        let all = file.and_then(|file| mountinfo::read(file).ok());
        let wanted = all.into_iter().flatten().filter(is_wanted);
        let mut wanted: Vec<_> = wanted.collect();
        wanted.reverse();
        wanted
    }

    fn unmount(&self, filesystems: &[Mount], limit: Duration) {
        if filesystems.is_empty() {
            return;
        }
        // In a process of its own, because a path on a hung filesystem may be part of it.
        match fork() {
            Err(error) => warn(&format!("cannot unmount: {error}")),
            Ok(Side::Child) => {
                // The path of one that is covered leads to what covers it.
                for _ in 0..MOST_LAYERS {
                    self.overlays().iter().for_each(unmount_one);
                }
                filesystems.iter().for_each(unmount_one);
                std::process::exit(0)
            }
            Ok(Side::Parent(pid)) => {
                if !self.reaped(pid, limit) {
                    self.abort_filesystems();
                    self.reaped(pid, KILL_LIMIT);
                }
            }
        }
    }

    /// Waits until at most `left` of the daemons are left, which write back meanwhile.
    fn wait_for_commit(&self, daemons: &[Pid], left: usize, limit: Duration) {
        let is_over = |_: &[Child], any_left: bool| {
            !any_left || daemons.iter().filter(|pid| !is_gone(pid)).count() <= left
        };
        if !self.reap_until(limit, is_over) {
            warn_of_loss(limit);
        }
    }

    /// Cuts off `mount`, which mountinfo has shown right before.
    fn abort(&self, mount: &Mount) {
        if let Some(Err(error)) = self.fusectl.map(|fusectl| fusectl::abort(fusectl, mount.minor)) {
            warn(&error.to_string());
        }
    }

    /// Cuts the vassal's FUSE filesystems off from their daemons, so that nobody waits for them any more. mountinfo
    /// is read right before, so each number is that of a mount which is ours now.
    fn abort_filesystems(&self) {
        self.filesystems().iter().for_each(|mount| self.abort(mount));
        drain(self.signals);
        reap(self.proc);
    }
}

fn is_gone(pid: &Pid) -> bool {
    kill(*pid, None) == Err(Errno::ESRCH)
}

/// SIGTERM is our own, and what libfuse ends with after it is not looked at.
fn is_bad(how: Ended) -> bool {
    match how {
        Ended::Killed(signal) => signal != Signal::SIGTERM,
        Ended::Exited(_) => false,
    }
}

fn unmount_one(mount: &Mount) {
    let path = Path::new(OsStr::from_bytes(&mount.mountpoint));
    let gone = umount2(path, MntFlags::UMOUNT_NOFOLLOW);
    // Busy: something that has no process holds it. Out of sight it goes as soon as that is over.
    let gone = gone.or_else(|_| umount2(path, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH));
    if let Err(errno) = gone {
        if errno != Errno::EINVAL {
            warn(&format!("cannot unmount '{}': {}", path.display(), errno.desc()));
        }
    }
}

fn start_atexit(program: &OwnedFd, record: &OwnedFd) -> Result<Pid, SysError> {
    match fork()? {
        Side::Parent(pid) => Ok(pid),
        Side::Child => {
            let failed = exec_atexit(program, record);
            warn(&format!("as-user-atexit hooks: {failed}, skipping"));
            std::process::exit(1)
        }
    }
}

fn exec_atexit(program: &OwnedFd, record: &OwnedFd) -> SysError {
    let prepare = || {
        signals::reset()?;
        fds::keep_over_exec(std::os::fd::AsFd::as_fd(record))
    };
    if let Err(error) = prepare() {
        return error;
    }
    let number = CString::new(record.as_raw_fd().to_string()).unwrap_or_default();
    let arguments: [&CStr; 3] = [c"vassal-enter", c"--atexit", &number];
    let environment: [&CStr; 0] = [];
    match execveat(program, c"", &arguments, &environment, AtFlags::AT_EMPTY_PATH) {
        Ok(never) => match never {},
        Err(errno) => SysError::new("start them", errno),
    }
}

/// Signals every process of a group, if there is any.
pub fn signal_group(leader: Pid, signal: Signal) {
    ignore_gone(killpg(leader, signal));
}

fn send(pid: Pid, signal: Signal) {
    ignore_gone(kill(pid, signal));
}

fn ignore_gone(result: nix::Result<()>) {
    match result {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => warn(&format!("cannot signal a process: {}", errno.desc())),
    }
}

fn warn_of_loss(limit: Duration) {
    let limit = limit.as_secs();
    warn(&format!(
        "a FUSE daemon did not end within {limit} s after the unmount: writes may be lost"
    ));
}

fn warn(message: &str) {
    line(Priority::Warning, message);
}
