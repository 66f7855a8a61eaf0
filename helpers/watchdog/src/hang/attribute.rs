//! Examines threads that have slept in a FUSE wait for a whole deadline: do they wait for a watched filesystem, in a
//! call that it has to answer at once? This is done in a process that can be abandoned, because `syscall` and `fdinfo`
//! take locks of the process they describe.
//!
//! The connection that a thread waits for is known from the file that it reads or writes. A call with a path, or a page
//! fault, names no file; then it is the connection that has requests waiting, watched or not, if there is only one. If
//! there are several, a busy healthy one may be among them, and the verdict falls only on one that has left a statfs
//! unanswered, too. A wrong verdict is worse than a late one.

use crate::hang::wait_channel::{Call, Switches, Wait, asleep, call, name};
use crate::mountpoints::mountpoint::Mountpoint;
use nix::fcntl::readlinkat;
use nix::unistd::write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use vassal_escape::{printable, shortened};
use vassal_sys::error::Context;
use vassal_sys::proc::{Proc, Thread};
use vassal_sys::{SysError, fusectl, mountinfo};

/// The longest description of a call; it contains a path that a tenant has chosen. It is shorter than what a pipe takes
/// at once.
pub const OPERATION_LIMIT: usize = 400;

/// The sources for requests, threads and mountpoints.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// /sys/fs/fuse/connections.
    pub fusectl: &'a OwnedFd,
    /// The vassal's proc.
    pub proc: &'a Proc,
    /// Whether that proc shows a PID namespace of the vassal's own.
    pub is_init: bool,
    /// The watched mountpoints.
    pub mountpoints: &'a [Mountpoint],
}

/// The threads and mountpoints to examine.
#[derive(Debug)]
pub struct Suspects {
    /// Threads that have not run for a deadline, and for how long they have slept.
    pub threads: Vec<(Thread, Switches, Duration)>,
    /// For each mountpoint whether it had requests waiting for all that time.
    pub busy: Vec<bool>,
}

/// The result, which the process reports by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribution {
    /// No thread waits in a call that has to be answered at once.
    Nothing,
    /// A thread waits for the mountpoint with this index in the list.
    Mountpoint(usize),
    /// A thread waits, but it is unknown for which of several filesystems, or for one that is not watched.
    Unnamed,
}

impl Attribution {
    const UNNAMED: i32 = 255;

    fn code(self) -> i32 {
        match self {
            Attribution::Nothing => 0,
            Attribution::Mountpoint(index) => i32::try_from(index + 1)
                .unwrap_or(Self::UNNAMED)
                .min(Self::UNNAMED),
            Attribution::Unnamed => Self::UNNAMED,
        }
    }

    /// The result that an exit code stands for; `None` stands for a killed process.
    pub fn of(code: Option<i32>) -> Self {
        match code {
            Some(Self::UNNAMED) => Attribution::Unnamed,
            Some(code) => {
                let index = usize::try_from(code).ok().and_then(|code| code.checked_sub(1));
                index.map_or(Attribution::Nothing, Attribution::Mountpoint)
            }
            None => Attribution::Nothing,
        }
    }
}

/// Examines the suspects and returns the exit code. A description of the call that is waited for is written to `report`.
pub fn find(sources: Sources<'_>, suspects: &Suspects, report: Option<&OwnedFd>) -> i32 {
    // A partly read table proves nothing.
    let Ok((mounts, waiting)) = read(sources) else {
        return Attribution::Nothing.code();
    };
    let look = |(thread, switches, slept): &(Thread, Switches, Duration)| {
        let (wait, _) = asleep(*thread, sources.proc)?;
        let syscall = thread.text(sources.proc, "syscall")?;
        let call = call(&syscall)?;
        let device = match call {
            Call::Patient => return None,
            Call::File(fd) => match device_of(sources.proc, *thread, fd, &mounts) {
                Some(asked) if asked.is_fuse => Some(asked.device),
                // An overlay, perhaps, with a FUSE filesystem below it.
                Some(_) | None => only(&waiting, wait)?,
            },
            Call::Other => only(&waiting, wait)?,
        };
        // What was read is valid only if the thread has not run meanwhile.
        let still = asleep(*thread, sources.proc)? == (wait, *switches);
        let index = device.and_then(|device| position(sources, device));
        let index = index.filter(|index| suspects.busy.get(*index) == Some(&true));
        // The mountpoint may have a longer deadline than the shortest of all.
        if index.is_some_and(|index| *slept < sources.mountpoints[index].schedule.deadline) {
            return None;
        }
        let attribution = index.map_or(Attribution::Unnamed, Attribution::Mountpoint);
        still.then(|| (attribution, operation(sources.proc, *thread, &syscall, call)))
    };
    let found: Vec<_> = suspects.threads.iter().filter_map(look).collect();
    let named = found
        .iter()
        .find(|(attribution, _)| *attribution != Attribution::Unnamed);
    let Some((attribution, operation)) = named.or(found.first()) else {
        return Attribution::Nothing.code();
    };
    // On failure the message is only less precise.
    report.map(|report| write(report, operation.as_bytes()));
    attribution.code()
}

/// Describes a thread's call for messages: `read of '/app/x'`, or `open`.
fn operation(proc: &Proc, thread: Thread, syscall: &str, call: Call) -> String {
    let name = name(syscall).unwrap_or("a system call");
    let path = match call {
        Call::File(fd) => {
            let link = format!("{}/task/{}/fd/{fd}", thread.process, thread.number);
            readlinkat(proc, link.as_str()).ok()
        }
        Call::Other | Call::Patient => None,
    };
    let operation = path.map(|path| format!("{name} of '{}'", printable(path.as_bytes())));
    shortened(&operation.unwrap_or_else(|| name.to_owned()), OPERATION_LIMIT)
}

/// The device that a thread must be waiting for if its call names no file. The outer `None`: none, because the wait can
/// be for a filesystem of any kind, as that for a page can. The inner `None`: unknown, because several FUSE filesystems
/// have requests waiting.
fn only(waiting: &[(u32, u32)], wait: Wait) -> Option<Option<(u32, u32)>> {
    match (waiting, wait) {
        (_, Wait::Page) | ([], Wait::Request) => None,
        ([device], Wait::Request) => Some(Some(*device)),
        (_, Wait::Request) => Some(None),
    }
}

type Devices = Vec<(u32, u32)>;

/// The needed fields of a mount.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: u32,
    device: (u32, u32),
    is_fuse: bool,
}

/// Reads all mounts, and the FUSE filesystems, watched or not, that have requests waiting now.
fn read(sources: Sources<'_>) -> Result<(Vec<Known>, Devices), SysError> {
    let file = sources.proc.mountinfo()?;
    let (mut mounts, mut waiting) = (Vec::new(), Vec::new());
    mountinfo::visit(file, |mount| {
        let (id, device, is_fuse) = (mount.id, mount.device(), mount.is_fuse());
        mounts.push(Known { id, device, is_fuse });
        let waits =
            |connection| fusectl::waiting(sources.fusectl, connection).is_ok_and(|waiting| waiting > 0);
        if is_fuse && waits(mount.connection()) {
            waiting.push(device);
        }
    })
    .context(|| "read mountinfo")?;
    waiting.sort_unstable();
    waiting.dedup();
    Ok((mounts, waiting))
}

/// The mount of the file behind a thread's descriptor.
fn device_of(proc: &Proc, thread: Thread, fd: u64, mounts: &[Known]) -> Option<Known> {
    let text = thread.text(proc, &format!("fdinfo/{fd}"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    let id: u32 = id.trim().parse().ok()?;
    mounts.iter().find(|mount| mount.id == id).copied()
}

fn position(sources: Sources<'_>, device: (u32, u32)) -> Option<usize> {
    let mut mountpoints = sources.mountpoints.iter();
    mountpoints.position(|mountpoint| mountpoint.watched.mount.device() == device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_tells_what_was_found() {
        for attribution in [
            Attribution::Nothing,
            Attribution::Mountpoint(0),
            Attribution::Mountpoint(6),
            Attribution::Unnamed,
        ] {
            assert_eq!(Attribution::of(Some(attribution.code())), attribution);
        }
        assert_eq!(
            Attribution::of(Some(Attribution::Mountpoint(254).code())),
            Attribution::Unnamed
        );
        assert_eq!(Attribution::of(None), Attribution::Nothing);
    }

    #[test]
    fn of_several_none_is_meant_for_certain() {
        assert_eq!(only(&[(0, 51)], Wait::Request), Some(Some((0, 51))));
        assert_eq!(only(&[(0, 51), (0, 52)], Wait::Request), Some(None));
        assert_eq!(only(&[(0, 51)], Wait::Page), None);
        assert_eq!(only(&[], Wait::Request), None);
    }
}
