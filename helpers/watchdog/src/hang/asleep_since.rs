//! For how long a thread has slept. The kernel reports when it last ran (`se.exec_start` in proc's `sched`) by the
//! clock of the processor on which it ran, and these clocks differ: measured on Linux 6.18, two were ten seconds apart.
//! So the present time is read on the same processor. That clock does not count time that the hypervisor or interrupts
//! took from the processor; so the result is at most the true time, and was measured to be a few milliseconds less.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::time::Duration;
use vassal_sys::proc::{Proc, Thread};

/// How long the sleeping `thread` has slept; `None` where that cannot be found out.
pub fn slept(thread: Thread, proc: &Proc) -> Option<Duration> {
    let since = last_run(&thread.text(proc, "sched")?)?;
    let now = clock_of(thread.stat(proc)?.processor?, proc)?;
    // If it has run meanwhile, it may have been on another processor.
    (last_run(&thread.text(proc, "sched")?)? == since).then(|| now.saturating_sub(since))
}

/// Whether this kernel reports it (CONFIG_SCHED_DEBUG).
pub fn is_told(proc: &Proc) -> bool {
    own_clock(proc).is_some()
}

/// The clock of a processor: this process moves there, and reads when it began to run.
fn clock_of(processor: usize, proc: &Proc) -> Option<Duration> {
    let own = Pid::from_raw(0);
    let before = sched_getaffinity(own).ok()?;
    let mut there = CpuSet::new();
    there.set(processor).ok()?;
    sched_setaffinity(own, &there).ok()?;
    let now = own_clock(proc);
    sched_setaffinity(own, &before).ok()?;
    now
}

fn own_clock(proc: &Proc) -> Option<Duration> {
    last_run(&proc.text("thread-self/sched")?)
}

/// The milliseconds in the line of `se.exec_start`.
fn last_run(sched: &str) -> Option<Duration> {
    let line = sched
        .lines()
        .find_map(|line| line.strip_prefix("se.exec_start"))?;
    let milliseconds: f64 = line.trim_start().strip_prefix(':')?.trim().parse().ok()?;
    Duration::try_from_secs_f64(milliseconds / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Instant;

    #[test]
    fn the_texts_of_proc_are_read() {
        let sched =
            "cat (14291, #threads: 1)\n-----\nse.exec_start      :      22537036.800710\nse.vruntime : 1.5\n";
        assert_eq!(last_run(sched).map(|time| time.as_millis()), Some(22_537_036));
        assert_eq!(last_run("cat (14291, #threads: 1)\n"), None);
    }

    #[test]
    fn a_thread_has_never_slept_longer_than_it_has() {
        let proc = Proc::mounted().unwrap();
        if !is_told(&proc) {
            return;
        }
        let (say, hear) = mpsc::channel();
        let (end, wait) = mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            say.send((Instant::now(), nix::unistd::gettid())).unwrap();
            wait.recv()
        });
        let (began, number) = hear.recv().unwrap();
        std::thread::sleep(Duration::from_millis(80));
        let thread = Thread {
            process: Pid::this(),
            number,
        };
        let slept = slept(thread, &proc).unwrap();
        assert!(slept > Duration::ZERO && slept <= began.elapsed(), "{slept:?}");
        drop(end);
        assert!(sleeper.join().unwrap().is_err());
    }
}
