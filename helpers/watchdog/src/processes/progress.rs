//! Detects whether the daemon of a filesystem that does not answer is at work. A daemon with one thread answers nothing
//! while it uploads a large file at its close(2), or unpacks a member of an archive. It is distinguished from one that
//! hangs by the bytes that it reads and writes, which the kernel counts (`rchar` and `wchar` of proc's `io`,
//! proc_pid_io(5): files, pipes, and sockets that are read and written like files). Using the processor alone is no
//! progress, because a daemon in an endless loop hangs. A daemon that only pretends to work delays its own vassal and
//! no other.
//!
//! Done in a process that can be abandoned, because `io` takes a lock of the process it describes.

use crate::processes::tree;
use nix::unistd::Pid;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;
use vassal_sys::deadline::Deadline;
use vassal_sys::mountinfo::Mount;
use vassal_sys::proc::Proc;
use vassal_sys::{fusectl, mountinfo};

/// How many bytes a daemon must have moved to be at work. Even a hanging one reads the requests of waiting processes:
/// some hundred bytes for each of the app's processes.
const LEAST: u64 = 16 << 10;
/// The time between two checks.
const LOOK: Duration = Duration::from_millis(50);

/// The sources for the check.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The vassal's proc.
    pub proc: &'a Proc,
    /// Whether that proc shows a PID namespace of the vassal's own.
    pub is_init: bool,
    /// /sys/fs/fuse/connections, if it existed at the start.
    pub fusectl: Option<&'a OwnedFd>,
}

/// Observes the daemon of the FUSE connection for at most `limit`. Returns the exit code: 1 as soon as it is seen at
/// work; 0 if it is not, or if it is unknown which process it is.
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

/// The processes that serve a connection. Before Linux 6.16 the kernel does not tell which these are; then all
/// processes that serve any connection, provided that no other connection has requests waiting.
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

/// The connection number in the text of `fdinfo`, if the kernel shows it.
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

/// The number of bytes that a process has read and written.
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
