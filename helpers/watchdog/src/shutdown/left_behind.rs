//! Leaves processes behind that not even SIGKILL ends. They wait for a FUSE daemon of the host's that has read their
//! request; only its answer or its end releases them, or an abort of the connection, which is not the vassal's. systemd
//! would wait for them, and for the init of their PID namespace, which cannot end before them, through all its
//! timeouts: nine minutes (measured). So they are moved into a cgroup of their own beside the unit's, and the watchdog,
//! too. A child, which has nothing to wait for, becomes the unit's main process in its place. They end when the mount
//! answers or dies.

use crate::report::Reporter;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::poll::{PollFd, PollFlags};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Pid, UnlinkatFlags, pause, pipe2, read, unlinkat, write};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use vassal_sys::clone::{Side, fork_apart};
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::{SysError, directory};
use vassal_systemd::journal::{Priority, log};

/// The parent cgroup for left-behind processes, in the slice of their unit. Each vassal has its own cgroup in it, named
/// by the number of its watchdog on the host.
const NAME: &str = "vassal-left-behind";
/// How long the child may take to find out its number on the host.
const FORK_LIMIT: Duration = Duration::from_secs(1);
/// The path of the unified hierarchy below the host's proc.
const HIERARCHY: &str = "1/root/sys/fs/cgroup";

/// The cgroup of one vassal's left-behind processes.
#[derive(Debug)]
pub struct LeftBehind {
    /// The file `cgroup.procs`, through which processes are moved in.
    procs: OwnedFd,
    /// The file `cgroup.kill`, by which all of them are killed.
    kill: OwnedFd,
}

impl LeftBehind {
    /// Makes the cgroup.
    ///
    /// # Errors
    /// When there is no unified hierarchy; any error of the kernel.
    pub fn make(proc: &Proc, host: &Proc) -> Result<Self, SysError> {
        let cgroup = cgroup(proc, host)?;
        let open = |file: &str| {
            let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            openat(&cgroup, file, flags, Mode::empty()).context(|| format!("open '{file}'"))
        };
        Ok(Self {
            procs: open("cgroup.procs")?,
            kill: open("cgroup.kill")?,
        })
    }

    /// Kills the moved processes and those that they have started since then. The unit's limits no longer apply to
    /// them, and without a PID namespace nothing else would end a grandchild.
    pub fn kill(&self) {
        if let Err(errno) = write(&self.kill, b"1") {
            let why = errno.desc();
            log(
                Priority::Warning,
                &format!("cannot kill what is left behind: {why}"),
            );
        }
    }

    /// Moves processes into the cgroup. They have to be killed after that: a killed process cannot be moved as long as
    /// one of its threads waits.
    ///
    /// # Errors
    /// As write(2); a process that has ended is no error.
    pub fn take(&self, pids: impl IntoIterator<Item = Pid>) -> Result<(), SysError> {
        for pid in pids {
            match write(&self.procs, pid.to_string().as_bytes()) {
                Ok(_) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(SysError::new("leave a process behind", errno)),
            }
        }
        Ok(())
    }

    /// Leaves this process behind, too. A new child becomes the unit's only process and its main process, and makes
    /// systemd kill it and restart the unit. Returns that child.
    ///
    /// # Errors
    /// If a step fails; then systemd waits for this process.
    pub fn leave(&self, host: &Proc, reporter: &Reporter, cause: &str) -> Result<Pid, SysError> {
        let (number, theirs) = pipe2(OFlag::O_CLOEXEC).context(|| "make a pipe")?;
        let (go, ours) = pipe2(OFlag::O_CLOEXEC).context(|| "make a pipe")?;
        let child = match fork_apart()? {
            Side::Parent(child) => child,
            Side::Child => {
                drop(ours);
                take_the_place(host, theirs, &go, reporter, cause)
            }
        };
        drop((theirs, go));
        reporter.main_process_is(hosts_number(number)?, cause)?;
        // 0 stands for the writing process.
        self.take([Pid::from_raw(0)])?;
        write(&ours, b"g").context(|| "let the new main process go on")?;
        Ok(child)
    }
}

/// In the child: reports its number on the host and, when it is the main process, that the vassal is lost. Then systemd
/// kills it.
fn take_the_place(host: &Proc, number: OwnedFd, go: &OwnedFd, reporter: &Reporter, cause: &str) -> ! {
    let told = readlinkat(host, "self").and_then(|own| write(&number, own.as_bytes()));
    drop(number);
    if told.is_ok() && read(go, &mut [0]) == Ok(1) {
        reporter.trigger(cause);
        reporter.deliver();
        pause();
    }
    std::process::exit(1)
}

fn hosts_number(pipe: OwnedFd) -> Result<u32, SysError> {
    let step = || "hear from the new main process";
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    let deadline = Deadline::after(FORK_LIMIT);
    while !deadline.poll(&mut fds, FORK_LIMIT).context(step)? {
        if deadline.is_over() {
            return Err(SysError::new(step(), Errno::ETIMEDOUT));
        }
    }
    let mut text = String::new();
    std::fs::File::from(pipe)
        .take(16)
        .read_to_string(&mut text)
        .context(step)?;
    text.parse().map_err(|_| SysError::new(step(), Errno::EIO))
}

/// Makes the cgroup, and removes other vassals' cgroups that are empty by now.
fn cgroup(proc: &Proc, host: &Proc) -> Result<OwnedFd, SysError> {
    let step = || format!("make the cgroup '{NAME}'");
    let text = std::io::read_to_string(proc.open("self/cgroup")?).context(step)?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::"));
    let slice = own.and_then(|own| own.rsplit_once('/')).map(|(slice, _)| slice);
    let slice = slice.ok_or_else(|| SysError::new(step(), Errno::ENOENT))?;
    let slice = open_directory(host, &format!("{HIERARCHY}{slice}")).context(step)?;
    let all = made(&slice, NAME).context(step)?;
    for name in directory::list(&all, ".")? {
        match unlinkat(&all, name.as_str(), UnlinkatFlags::RemoveDir) {
            // Not a cgroup, or not empty.
            Ok(()) | Err(_) => {}
        }
    }
    let number = readlinkat(host, "self").context(step)?;
    made(&all, &number.to_string_lossy()).context(step)
}

fn made(parent: &OwnedFd, name: &str) -> nix::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => open_directory(parent, name),
        Err(errno) => Err(errno),
    }
}

/// Opens a directory that is also going to be listed.
fn open_directory(parent: impl AsFd, path: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(parent, path, flags, Mode::empty())
}
