//! The way into the namespaces of a vassal that runs, for one process that becomes its next app.
//!
//! The watchdog is the init of the vassal's PID namespace, so it becomes the parent of every process there that has lost its own.
//! A process that joins a PID namespace is not in it itself, only its children are (pid_namespaces(7)), and an orphan of a
//! parent outside would be systemd's. So the one that joins has a child, which has one itself and ends.

use crate::app::activation;
use crate::app::channel::AppChannel;
use crate::app::launch::Launch;
use crate::app::liveness;
use crate::app::order::Role;
use crate::app::supervise::Control as Conversation;
use crate::environment::Environment;
use crate::failure::{Failure, ServiceFailure};
use crate::files::paths;
use crate::handed_over::keys::Keys;
use crate::hooks::actions::perform::{Shell, perform};
use crate::hooks::command::Ended;
use crate::hooks::refusal::place;
use crate::hooks::session::Session;
use crate::sockets::open::Open;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, chroot, fchdir, pipe2};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write, stderr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::emperor::settings::Emperor;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_state::reload_channel::Watchdog;
use vassal_sys::clone::{Side, fork, pidfd as open_process};
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, pidfd};

/// What the process is given on its way.
#[derive(Debug)]
pub struct Joining<'a> {
    /// Whose namespaces are joined.
    pub watchdog: &'a Watchdog,
    /// The emperor's settings.
    pub emperor: &'a Emperor,
    /// The vassal's file.
    pub file: Vec<u8>,
    /// What it is to become.
    pub plan: &'a Plan,
    /// What it does as the vassal's user.
    pub operations: &'a [Operation],
    /// Its environment.
    pub environment: Environment,
    /// The listening sockets.
    pub sockets: &'a [Open],
    /// The copies of keys.
    pub keys: Option<&'a Keys>,
    /// What connects it with the watchdog.
    pub links: &'a AppChannel,
}

/// The process, which waits for the go-ahead.
#[derive(Debug)]
pub struct Joined {
    /// Its number in the vassal's PID namespace.
    pub pid: Pid,
    /// Its number on the host, and itself, unless it has ended.
    pub process: Option<(Pid, OwnedFd)>,
    /// The conversation with it.
    pub conversation: Conversation,
}

impl Joined {
    /// Ends it: nothing is to come of it any more, and what its user has stopped would stay.
    pub fn remove(&self) {
        match self
            .process
            .as_ref()
            .map(|(_, process)| pidfd::signal(process, Signal::SIGKILL))
        {
            // It has ended.
            Some(Ok(()) | Err(_)) | None => {}
        }
    }
}

/// What is looked up in the host's namespaces.
struct Doors {
    root: OwnedFd,
    proc: Proc,
    mask: Mode,
    control_group: Option<File>,
}

/// No command is run here.
struct NoShell;

impl Shell for NoShell {
    fn run(&mut self, _: &[Vec<u8>], _: &[u8], _: &Environment) -> Result<Ended, Failure> {
        Err(ServiceFailure::Refused {
            reason: "a reload runs no command".into(),
        }
        .into())
    }
}

impl Joining<'_> {
    /// Makes the process.
    ///
    /// # Errors
    /// A watchdog that is gone; `EAGAIN` at a limit of processes; a log that cannot be opened.
    pub fn fork(self) -> Result<Joined, Failure> {
        let doors = Doors::find(self.watchdog)?;
        let (conversation, theirs) = Conversation::pair()?;
        let theirs = activation::out_of_the_way(theirs, self.plan)?;
        let (numbers, number) = pipe2(OFlag::O_CLOEXEC).context(|| "make a pipe")?;
        match fork()? {
            Side::Parent(joiner) => {
                drop((theirs, number));
                wait_for(joiner)?;
                let mut bytes = [0; 4];
                match File::from(numbers).read_exact(&mut bytes) {
                    Ok(()) => Ok(Joined {
                        pid: Pid::from_raw(i32::from_le_bytes(bytes)),
                        process: on_host(self.watchdog.pid, i32::from_le_bytes(bytes)),
                        conversation,
                    }),
                    // It has said why to the conversation, or to the journal.
                    Err(_) => Err(refused(&conversation)),
                }
            }
            Side::Child => {
                drop((conversation, numbers));
                self.join(doors, theirs, number.into())
            }
        }
    }

    /// The process that joins. Here: root in the host. Its child: root inside, in the vassal's root directory.
    fn join(self, doors: Doors, theirs: Conversation, number: File) -> ! {
        let entered = doors.enter(self.watchdog).map_err(Failure::from);
        let forked = entered.and_then(|()| fork().map_err(Failure::from));
        match forked {
            Ok(Side::Parent(between)) => std::process::exit(i32::from(wait_for(between).is_err())),
            Ok(Side::Child) => self.orphan(&doors.proc, theirs, number),
            Err(failure) => end(&theirs, failure),
        }
    }

    /// The process in between, whose end makes the next app the watchdog's child.
    fn orphan(self, proc: &Proc, theirs: Conversation, mut number: File) -> ! {
        match fork() {
            Ok(Side::Parent(pid)) => {
                let told = number.write_all(&pid.as_raw().to_le_bytes());
                std::process::exit(i32::from(told.is_err()))
            }
            Ok(Side::Child) => {
                drop(number);
                self.become_app(proc, &theirs)
            }
            Err(error) => end(&theirs, error.into()),
        }
    }

    fn become_app(self, proc: &Proc, theirs: &Conversation) -> ! {
        let control = &self.watchdog.control;
        // As root first, which may go where a start has begun, but by no link that root has not made: that could lead the user
        // where he may not go. A directory in a filesystem of the user's is closed to root.
        let directory = Path::new(OsStr::from_bytes(&control.directory));
        let mut operations = self.operations.to_vec();
        if paths::change_directory(directory).is_err() {
            operations.insert(0, change_to(&control.directory));
        }
        let output = match self.open_log(proc) {
            Ok(output) => output,
            Err(failure) => end(theirs, failure),
        };
        let journal = stderr();
        let launch = Launch {
            operations: &operations,
            credentials: &control.credentials,
            environment: self.environment.clone(),
            own_environment: self.links.environment(self.plan),
            heartbeat: liveness::heartbeat(self.plan, self.links, control.watchdog)
                .map(|heartbeat| heartbeat.limit),
            sockets: self.sockets,
            keys: self.keys,
            plan: self.plan,
            programs: &self.emperor.programs,
            file: self.file.clone(),
            kept: self.links.payloads_descriptors(self.sockets),
            proc,
            log: journal.as_fd(),
            output: output.as_ref().map(AsFd::as_fd),
            role: Role::Next,
        };
        launch.run(theirs)
    }

    /// Opens the file that gets the app's output, as the start did.
    fn open_log(&self, proc: &Proc) -> Result<Option<OwnedFd>, Failure> {
        let limit = self.plan.settings.hook_limit;
        let mut session = Session::new(Vec::new(), &[], limit, proc);
        let mut steps = self.plan.operations.iter();
        if let Some(step) = steps.rfind(|step| matches!(step.action, Action::OpenLog(_))) {
            let opened = perform(&step.action, &mut session, &mut NoShell);
            opened.map_err(|failure| failure.at(&place(step)))?;
        }
        Ok(session.output)
    }
}

impl Doors {
    fn find(watchdog: &Watchdog) -> Result<Self, SysError> {
        let pid = watchdog.pid;
        let step = || format!("look into the vassal of process {pid}");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context(step)?;
        let mask = status.lines().find_map(|line| line.strip_prefix("Umask:\t"));
        let mask = mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok());
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self {
            root: open(format!("/proc/{pid}/root").as_str(), flags, Mode::empty()).context(step)?,
            proc: Proc::from(watchdog.copy_of(watchdog.control.proc)?),
            mask: Mode::from_bits_truncate(mask.unwrap_or(0o022)),
            control_group: control_group(pid).context(step)?,
        })
    }

    fn enter(&self, watchdog: &Watchdog) -> Result<(), SysError> {
        if let Some(mut group) = self.control_group.as_ref() {
            group
                .write_all(b"0")
                .context(|| "join the vassal's control group")?;
        }
        let all = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWNET;
        setns(watchdog.process(), all).context(|| "join the vassal's namespaces")?;
        fchdir(&self.root).context(|| "change to the vassal's root directory")?;
        chroot(".").context(|| "change to the vassal's root directory")?;
        umask(self.mask);
        Ok(())
    }
}

/// Where a process joins the watchdog's control group; nothing where this one is in it already. systemd has one of its own for
/// the processes of a reload where the unit has `Delegate=`.
fn control_group(pid: Pid) -> std::io::Result<Option<File>> {
    let of = |process: String| fs::read_to_string(format!("/proc/{process}/cgroup"));
    let (own, theirs) = (of("self".into())?, of(pid.to_string())?);
    let path = theirs.lines().find_map(|line| line.strip_prefix("0::"));
    match path {
        Some(path) if own != theirs => {
            let file = format!("/sys/fs/cgroup{path}/cgroup.procs");
            fs::OpenOptions::new().write(true).open(file).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

/// The child of `init` that is `pid` in its namespace: its number on the host, and itself.
fn on_host(init: Pid, pid: i32) -> Option<(Pid, OwnedFd)> {
    let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).ok()?;
    let inner = |number: &&str| {
        let status = fs::read_to_string(format!("/proc/{number}/status")).ok()?;
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        numbers.split_whitespace().last()?.parse::<i32>().ok()
    };
    let mut numbers = children.split_whitespace();
    let found = numbers.find(|number| inner(number) == Some(pid))?;
    let number = found.parse().ok().map(Pid::from_raw)?;
    let process = open_process(number).ok()?;
    // Looked at when it is held: a number that was given away is another's in there.
    (inner(&found) == Some(pid)).then_some((number, process))
}

fn change_to(directory: &[u8]) -> Operation {
    Operation {
        phase: Phase::AsUser,
        kind: None,
        action: Action::ChangeDirectory(directory.to_vec()),
        option: b"directory".to_vec(),
        text: directory.to_vec(),
        origin: None,
    }
}

/// Says why there is no next app, and ends.
fn end(theirs: &Conversation, failure: Failure) -> ! {
    use crate::app::supervise::Report;
    let code = i32::from(failure.code());
    // A parent that listens no more has failed itself, and has reported why.
    drop(theirs.report(&Report::Failed(failure)));
    std::process::exit(code)
}

/// What the process has said that there is not.
fn refused(conversation: &Conversation) -> Failure {
    use crate::app::supervise::Report;
    match conversation.receive() {
        Ok(Some(Report::Failed(failure))) => failure,
        Ok(_) => ServiceFailure::NextGone.into(),
        Err(error) => error.into(),
    }
}

fn wait_for(child: Pid) -> Result<(), SysError> {
    loop {
        match waitpid(child, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(SysError::new("wait for a process", errno)),
        }
    }
}
