//! Processes that not even SIGKILL ends: they wait for an answer of a FUSE daemon of the host's which has read their request.
//! Only its answer or its end releases them, or an abort of the connection, which is not ours to make. systemd would wait for
//! them, and for the init of their PID namespace, which cannot end before them: through each of its time-outs, nine minutes
//! in all (measured). So they are left behind in a cgroup of their own beside the unit's, and the watchdog with them; its
//! place as the unit's main process is taken by a child which has nothing to wait for. They go when the mount answers or dies.

use crate::report::Reporter;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Pid, pause, pipe2, read, write};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use vassal_sys::clone::{Side, fork};
use vassal_sys::error::Step;
use vassal_sys::{SysError, mounts};

/// The cgroup in which processes are left behind, in the slice of their unit.
const NAME: &str = "vassal-left-behind";
/// How long the child may take to find out who it is.
const FORK_LIMIT: Duration = Duration::from_secs(1);
/// The unified hierarchy below the host's proc.
const HIERARCHY: &str = "1/root/sys/fs/cgroup";

/// The cgroup for them.
#[derive(Debug)]
pub struct Behind {
    /// The file that takes processes.
    procs: OwnedFd,
}

impl Behind {
    /// Makes the cgroup.
    ///
    /// # Errors
    /// Where there is no unified hierarchy; what the kernel refuses.
    pub fn make(proc: &OwnedFd, host: &OwnedFd) -> Result<Self, SysError> {
        cgroup(proc, host).map(|procs| Self { procs })
    }

    /// Takes processes, which are to be killed then: one that has been killed stays where it is as long as a thread of it waits.
    ///
    /// # Errors
    /// As write(2); not for a process that has ended.
    pub fn take(&self, pids: impl IntoIterator<Item = Pid>) -> Result<(), SysError> {
        for pid in pids {
            match write(&self.procs, pid.to_string().as_bytes()) {
                Ok(_) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(SysError::new("leave a process behind", errno)),
            }
        }
        Ok(())
    }

    /// Leaves this process behind, too, and in its place a new one as the unit's only and main process, which has systemd kill
    /// it and restart the unit; that one.
    ///
    /// # Errors
    /// What of it cannot be done; then systemd waits for this one.
    pub fn leave(&self, host: &OwnedFd, reporter: &Reporter, cause: &str) -> Result<Pid, SysError> {
        let (number, theirs) = pipe2(OFlag::O_CLOEXEC).step(|| "make a pipe")?;
        let (go, ours) = pipe2(OFlag::O_CLOEXEC).step(|| "make a pipe")?;
        let child = match fork()? {
            Side::Parent(child) => child,
            Side::Child => {
                drop(ours);
                take_the_place(host, theirs, &go, reporter, cause)
            }
        };
        drop((theirs, go));
        reporter.main_process_is(hosts_number(number)?, cause)?;
        // The writer itself.
        self.take([Pid::from_raw(0)])?;
        write(&ours, b"g").step(|| "let the new main process go on")?;
        Ok(child)
    }
}

/// In the child: tells its number on the host, and when it is the main process, that the vassal is lost. systemd kills it.
fn take_the_place(host: &OwnedFd, number: OwnedFd, go: &OwnedFd, reporter: &Reporter, cause: &str) -> ! {
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
    let timeout = PollTimeout::try_from(FORK_LIMIT).unwrap_or(PollTimeout::MAX);
    if poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], timeout).step(step)? == 0 {
        return Err(SysError::new(step(), Errno::ETIMEDOUT));
    }
    let mut text = String::new();
    std::fs::File::from(pipe)
        .take(16)
        .read_to_string(&mut text)
        .step(step)?;
    text.parse().map_err(|_| SysError::new(step(), Errno::EIO))
}

/// Makes the cgroup; the file that takes processes into it.
fn cgroup(proc: &OwnedFd, host: &OwnedFd) -> Result<OwnedFd, SysError> {
    let step = || format!("make the cgroup '{NAME}'");
    let text = std::io::read_to_string(mounts::open_below(proc, "self/cgroup")?).step(step)?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::"));
    let slice = own.and_then(|own| own.rsplit_once('/')).map(|(slice, _)| slice);
    let slice = slice.ok_or_else(|| SysError::new(step(), Errno::ENOENT))?;
    let path = format!("{HIERARCHY}{slice}");
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let slice = openat(host, path.as_str(), flags, Mode::empty()).step(step)?;
    match mkdirat(&slice, NAME, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(SysError::new(step(), errno)),
    }
    let file = format!("{NAME}/cgroup.procs");
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    openat(&slice, file.as_str(), flags, Mode::empty()).step(step)
}
