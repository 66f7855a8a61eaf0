//! Whether the daemon of a filesystem that does not answer is at work: one with a single thread answers no request while it
//! uploads what was written, at the close(2) of a large file, or unpacks a member of an archive. That is told from a
//! daemon that hangs by the bytes that it reads and writes, which the kernel counts (`rchar` and `wchar` of proc's `io`,
//! proc_pid_io(5): files, pipes, and sockets that are read and written as files are). What it does on the processor alone
//! is no progress: a daemon that turns in a circle hangs. A daemon that pretends to be at work keeps its own vassal waiting and
//! no other.
//!
//! Looked at in a process that may be lost, as `io` takes a lock of the process it tells about.

use crate::processes::tree;
use nix::unistd::Pid;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;
use vassal_sys::deadline::Deadline;
use vassal_sys::mountinfo::Mount;
use vassal_sys::proc::Proc;
use vassal_sys::{fusectl, mountinfo};

/// What a daemon must have moved to be at work. While it hangs it takes the requests of processes that wait for it, too: some
/// hundred bytes each, of as many as the app has processes.
const LEAST: u64 = 16 << 10;
/// The time between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The vassal's proc.
    pub proc: &'a Proc,
    /// Whether that is the proc of a PID namespace of its own.
    pub is_init: bool,
    /// /sys/fs/fuse/connections, if it was there at the start.
    pub fusectl: Option<&'a OwnedFd>,
}

/// Looks for at most `limit` at the daemon of the FUSE connection; the exit code: 1 as soon as it is seen to be at work, 0 if
/// it is not, or nothing tells which process it is.
pub fn watch(place: Place<'_>, connection: u32, limit: Duration) -> i32 {
    let deadline = Deadline::after(limit);
    let daemons = daemons(place, connection);
    let before: Vec<_> = daemons.iter().map(|pid| moved(place.proc, *pid)).collect();
    while !daemons.is_empty() && !deadline.is_over() {
        std::thread::sleep(LOOK);
        let is_at_work = |(pid, before): (&Pid, &Option<u64>)| {
            let now = moved(place.proc, *pid).zip(*before);
            now.is_some_and(|(now, before)| now.saturating_sub(before) >= LEAST)
        };
        if daemons.iter().zip(&before).any(is_at_work) {
            return 1;
        }
    }
    0
}

/// The processes that serve a connection. Before Linux 6.16 nothing tells which those are: then all that serve any, while it
/// is the only one with requests.
fn daemons(place: Place<'_>, connection: u32) -> Vec<Pid> {
    let mut found = Vec::new();
    for pid in tree::all(place.proc, place.is_init) {
        let numbers: Vec<_> = tree::fuse_descriptors(place.proc, pid).collect();
        let serves = |number: &RawFd| {
            let text = place.proc.text(&format!("{pid}/fdinfo/{number}"));
            text.and_then(|text| served(&text))
                .map_or_else(|| is_only(place, connection), |served| served == connection)
        };
        if numbers.iter().any(serves) {
            found.push(pid);
        }
    }
    found
}

/// The connection in the text of `fdinfo`, where the kernel names it.
fn served(fdinfo: &str) -> Option<u32> {
    let mut lines = fdinfo.lines();
    lines.find_map(|line| line.strip_prefix("fuse_connection:")?.trim().parse().ok())
}

/// Whether no other FUSE filesystem has requests waiting.
fn is_only(place: Place<'_>, connection: u32) -> bool {
    let Some(fusectl) = place.fusectl else {
        return false;
    };
    let open = place.proc.mountinfo().ok();
    let is_busy = |mount: &Mount| {
        mount.is_fuse()
            && mount.connection() != connection
            && fusectl::waiting(fusectl, mount.connection()).is_ok_and(|waiting| waiting > 0)
    };
    let others = open.and_then(|file| mountinfo::select(file, is_busy).ok());
    others.is_some_and(|others| others.is_empty())
}

/// How many bytes a process has read and written.
fn moved(proc: &Proc, pid: Pid) -> Option<u64> {
    sum(&proc.text(&format!("{pid}/io"))?)
}

fn sum(io: &str) -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        let mut lines = io.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    number("rchar:")?.checked_add(number("wchar:")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Instant;

    #[test]
    fn the_texts_of_proc_are_read() {
        assert_eq!(served("pos:\t0\nino:\t28\nfuse_connection:\t135\n"), Some(135));
        assert_eq!(served("pos:\t0\nino:\t28\n"), None);
        assert_eq!(sum("rchar: 7834\nwchar: 272\nsyscr: 15\n"), Some(8106));
        assert_eq!(sum(""), None);
    }

    #[test]
    fn bytes_that_a_process_moves_are_seen() {
        let proc = Proc::mounted().unwrap();
        let mut busy = Command::new("dd")
            .args(["if=/dev/zero", "of=/dev/null", "bs=4k", "status=none"])
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(busy.id() as i32);
        let begun = Instant::now();
        let before = moved(&proc, pid).unwrap();
        while moved(&proc, pid).unwrap() < before + LEAST {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
        busy.kill().unwrap();
        busy.wait().unwrap();
    }
}
