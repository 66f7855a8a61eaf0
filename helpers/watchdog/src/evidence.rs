//! The last look at threads that have slept in a FUSE wait for a whole deadline: is it a watched filesystem that they
//! wait for, with a call that it has to answer at once? Made in a process that may be lost, as `syscall` and `fdinfo`
//! take locks of the process they tell about.
//!
//! Which connection a thread waits for is told by the file it reads or writes. A call with a path, or a page fault,
//! names none: then the one connection that has requests waiting is the one, whoever watches it; are there several, a
//! busy healthy one may be among them, and nobody is convicted. Wrong is worse than late: statfs still guards all.

use crate::sleeper::{Call, Switches, Wait, call};
use crate::threads::Thread;
use crate::unanswered::Scene;
use std::os::fd::OwnedFd;
use vassal_sys::mountinfo::{self, Mount};
use vassal_sys::{fusectl, mounts};

/// Who is suspected.
#[derive(Debug)]
pub struct Suspicion {
    /// Threads that have not run for a deadline.
    pub threads: Vec<(Thread, Switches)>,
    /// For each mountpoint, whether requests were waiting all that time.
    pub busy: Vec<bool>,
}

/// The exit code of a process that found the mountpoint `index` hung; `None` for one it cannot tell.
fn exit_code(index: usize) -> Option<i32> {
    i32::try_from(index + 1).ok().filter(|code| *code < 255)
}

/// Which mountpoint an exit code accuses.
pub fn judge_evidence(code: i32) -> Option<usize> {
    usize::try_from(code).ok()?.checked_sub(1)
}

/// The exit code that tells what was found: 0 for nothing.
pub fn find(scene: Scene<'_>, suspicion: &Suspicion) -> i32 {
    let open = mounts::open_below(scene.proc, "self/mountinfo").ok();
    let mounts = open
        .and_then(|file| mountinfo::read(file).ok())
        .unwrap_or_default();
    let waiting = waiting_devices(scene.fusectl, &mounts);
    let guilty = suspicion.threads.iter().find_map(|(thread, switches)| {
        let (wait, _) = thread.asleep(scene.proc)?;
        let device = match call(&thread.read(scene.proc, "syscall"))? {
            Call::Patient => None,
            Call::File(fd) => match device_of(scene.proc, *thread, fd, &mounts) {
                Some(asked) if asked.is_fuse() => Some(asked.device()),
                // An overlay, perhaps, that has a FUSE filesystem below.
                Some(_) | None => only(&waiting, wait),
            },
            Call::Other => only(&waiting, wait),
        };
        // What was read is true only if it has not run since then.
        let still = thread.asleep(scene.proc)? == (wait, *switches);
        let index = position(scene, device.filter(|_| still)?)?;
        suspicion.busy.get(index).filter(|busy| **busy)?;
        exit_code(index)
    });
    guilty.unwrap_or(0)
}

/// The one device that can be meant when nothing names it. A page may be that of any filesystem.
fn only(waiting: &[(u32, u32)], wait: Wait) -> Option<(u32, u32)> {
    match (waiting, wait) {
        ([device], Wait::Request) => Some(*device),
        (_, Wait::Request | Wait::Page) => None,
    }
}

/// The FUSE filesystems, watched or not, that have requests waiting now.
fn waiting_devices(fusectl: &OwnedFd, mounts: &[Mount]) -> Vec<(u32, u32)> {
    let has_requests =
        |mount: &&Mount| fusectl::waiting(fusectl, mount.minor).is_ok_and(|waiting| waiting > 0);
    let fuse = mounts.iter().filter(|mount| mount.is_fuse());
    let mut found: Vec<_> = fuse.filter(has_requests).map(Mount::device).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The mount of the file behind a thread's descriptor.
fn device_of<'a>(proc: &OwnedFd, thread: Thread, fd: u64, mounts: &'a [Mount]) -> Option<&'a Mount> {
    let text = thread.read(proc, &format!("fdinfo/{fd}"));
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    let id: u32 = id.trim().parse().ok()?;
    mounts.iter().find(|mount| mount.id == id)
}

fn position(scene: Scene<'_>, device: (u32, u32)) -> Option<usize> {
    let mut mountpoints = scene.mountpoints.iter();
    mountpoints.position(|mountpoint| mountpoint.watched.mount.device() == device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_names_a_mountpoint() {
        assert_eq!(judge_evidence(0), None);
        assert_eq!(exit_code(0).and_then(judge_evidence), Some(0));
        assert_eq!(exit_code(6).and_then(judge_evidence), Some(6));
        assert_eq!(exit_code(254), None);
    }

    #[test]
    fn of_several_none_is_meant() {
        assert_eq!(only(&[(0, 51)], Wait::Request), Some((0, 51)));
        assert_eq!(only(&[(0, 51)], Wait::Page), None);
        assert_eq!(only(&[(0, 51), (0, 52)], Wait::Request), None);
        assert_eq!(only(&[], Wait::Request), None);
    }
}
