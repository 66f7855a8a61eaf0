//! Makes the process of the next app inside a running vassal's namespaces.
//!
//! The watchdog is the init of the vassal's PID namespace, so it becomes the parent of every orphan there. A process
//! that joins a PID namespace does not become a member itself, only its children do (pid_namespaces(7)); and a child
//! whose parent is outside would, as an orphan, become systemd's. So the process that joins forks a child, which forks
//! another one and ends.

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

/// The input of that process.
#[derive(Debug)]
pub struct Joining<'a> {
    /// The watchdog whose namespaces are joined.
    pub watchdog: &'a Watchdog,
    /// The emperor's settings.
    pub emperor: &'a Emperor,
    /// The vassal's file.
    pub file: Vec<u8>,
    /// The plan, which says what it becomes.
    pub plan: &'a Plan,
    /// The operations that it does as the vassal's user.
    pub operations: &'a [Operation],
    /// Its environment.
    pub environment: Environment,
    /// The listening sockets.
    pub sockets: &'a [Open],
    /// The copies of keys.
    pub keys: Option<&'a Keys>,
    /// Its connections with the watchdog.
    pub links: &'a AppChannel,
}

/// The process, waiting for permission to execute the app.
#[derive(Debug)]
pub struct Joined {
    /// Its number in the vassal's PID namespace.
    pub pid: Pid,
    /// Its number on the host and its pidfd; `None` if it has ended.
    pub process: Option<(Pid, OwnedFd)>,
    /// The socket to it.
    pub conversation: Conversation,
}

impl Joined {
    /// Kills the process. It is not needed any more, and its user may have stopped it, so that it would not end by
    /// itself.
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

/// Descriptors that have to be opened in the host's namespaces.
struct Doors {
    root: OwnedFd,
    proc: Proc,
    mask: Mode,
    control_group: Option<File>,
}

/// A [`Shell`] that runs nothing: no command is run at a reload.
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
    /// Creates the process.
    ///
    /// # Errors
    /// When the watchdog has ended; `EAGAIN` at a limit of processes; a log that cannot be opened.
    pub fn fork(self) -> Result<Joined, Failure> {
        let doors = Doors::find(self.watchdog)?;
        let (conversation, theirs) = Conversation::pair()?;
        let theirs = activation::above_sockets(theirs, self.plan)?;
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
                    // The child has reported the reason on the socket or in the journal.
                    Err(_) => Err(refused(&conversation)),
                }
            }
            Side::Child => {
                drop((conversation, numbers));
                self.join(doors, theirs, number.into())
            }
        }
    }

    /// The process that joins: root on the host. Its child is root inside, in the vassal's root directory.
    fn join(self, doors: Doors, theirs: Conversation, number: File) -> ! {
        let entered = doors.enter(self.watchdog).map_err(Failure::from);
        let forked = entered.and_then(|()| fork().map_err(Failure::from));
        match forked {
            Ok(Side::Parent(between)) => std::process::exit(i32::from(wait_for(between).is_err())),
            Ok(Side::Child) => self.orphan(&doors.proc, theirs, number),
            Err(failure) => end(&theirs, failure),
        }
    }

    /// The intermediate process. Its end makes the next app an orphan, and so the watchdog's child.
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
        // First as root, which may enter directories that the user may not, as at a start; but without following links
        // that are not root's, because those could lead the user to places closed to him. A directory in the user's own
        // filesystem is closed to root.
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
            kept: self.links.app_descriptors(self.sockets),
            proc,
            log: journal.as_fd(),
            output: output.as_ref().map(AsFd::as_fd),
            role: Role::Next,
        };
        launch.run(theirs)
    }

    /// Opens the file for the app's output, as the start did.
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

/// The file by which a process joins the watchdog's cgroup; `None` if this process is in it already. Where the unit has
/// `Delegate=`, systemd runs a reload's processes in a separate cgroup.
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

/// Finds the child of `init` whose number in the namespace is `pid`: its number on the host, and its pidfd.
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
    // Checked after the pidfd was opened: if the number has been reused, the inner number differs.
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

/// Reports why there is no next app, and ends this process.
fn end(theirs: &Conversation, failure: Failure) -> ! {
    use crate::app::supervise::Report;
    let code = i32::from(failure.code());
    // If the parent does not listen, it has failed itself and has reported why.
    drop(theirs.report(&Report::Failed(failure)));
    std::process::exit(code)
}

/// The failure that the process has reported.
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
