//! The threads of a vassal, in proc. Nothing here waits: `wchan`, `status` and `children` are made without the locks of
//! the process they tell about. `maps`, `cmdline`, `environ` and `syscall` are not: those are for processes that may be
//! lost (evidence.rs).

use crate::hang::wait_channel::{Switches, Wait, switches, wait};
use crate::processes::tree;
use std::os::fd::OwnedFd;
use vassal_sys::mounts;

/// A thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Its process.
    pub process: i32,
    /// Its own number.
    pub number: i32,
}

impl Thread {
    /// The text of one of its files in proc; empty when it has ended.
    pub fn read(self, proc: &OwnedFd, file: &str) -> String {
        let path = format!("{}/task/{}/{file}", self.process, self.number);
        let open = mounts::open_below(proc, &path).ok();
        open.and_then(|file| std::io::read_to_string(file).ok())
            .unwrap_or_default()
    }

    /// What it waits for, and how often it has run.
    pub fn asleep(self, proc: &OwnedFd) -> Option<(Wait, Switches)> {
        let wait = wait(&self.read(proc, "wchan"))?;
        Some((wait, switches(&self.read(proc, "status"))?))
    }
}

/// Every thread of every process but the watchdog's own and those in `but`. As init, all in our proc; else all that
/// descend from us, of which every orphan is our child (proc_pid_children(5)).
pub fn all(proc: &OwnedFd, is_init: bool, but: &[i32]) -> Vec<Thread> {
    let mut found = Vec::new();
    let mut todo: Vec<i32> = tree::all(proc, is_init).iter().map(|pid| pid.as_raw()).collect();
    todo.retain(|process| !but.contains(process));
    while let Some(process) = todo.pop() {
        for thread in of(proc, process) {
            found.push(thread);
            if !is_init {
                todo.extend(numbers(&thread.read(proc, "children")));
            }
        }
    }
    found
}

/// The threads of a process.
pub fn of(proc: &OwnedFd, process: i32) -> Vec<Thread> {
    let names = mounts::list(proc, &format!("{process}/task")).unwrap_or_default();
    let numbers = numbers(&names.join(" "));
    let thread = |number| Thread { process, number };
    numbers.into_iter().map(thread).collect()
}

/// The numbers in a text of proc.
pub fn numbers(text: &str) -> Vec<i32> {
    text.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}
