//! A machine that stands still for a while, as a suspended or starved virtual machine does, while its clocks run on.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::container::machine::Machine;
use crate::failure::Failure;

/// Before a machine's PID 1 goes on: it would take what others have not yet been able to say for silence.
const HEAD_START: Duration = Duration::from_millis(200);

/// How it is brought to a halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// By the kernel: nobody in the machine can notice anything but the time.
    Frozen,
    /// By SIGSTOP to each of its processes: its PID 1 is the first to stop and the last to go on.
    Stopped,
}

impl Machine {
    /// Has nothing in the machine run for so long, its systemd included.
    ///
    /// # Panics
    ///
    /// When the kernel refuses; the machine goes on then.
    pub fn stand_still(&self, how: Halt, time: Duration) {
        let goes_on = GoesOn { machine: self, how };
        match how {
            Halt::Frozen => self.freeze("1"),
            Halt::Stopped => {
                self.signal(self.leader(), Signal::SIGSTOP);
                self.signal_others(Signal::SIGSTOP);
            }
        }
        std::thread::sleep(time);
        drop(goes_on);
    }

    fn freeze(&self, state: &str) {
        let file = self.cgroup.payload().join("cgroup.freeze");
        self.demand(fs::write(&file, state).map_err(Failure::file("write", file)));
    }

    fn signal_others(&self, signal: Signal) {
        let others = self.cgroup.payload_processes().into_iter();
        others
            .filter(|pid| *pid != self.leader())
            .for_each(|pid| self.signal(pid, signal));
    }

    /// A process that has ended meanwhile needs no signal.
    fn signal(&self, pid: Pid, signal: Signal) {
        kill(pid, signal).ok();
    }
}

/// Lets a machine go on, however the wait ends.
struct GoesOn<'a> {
    machine: &'a Machine,
    how: Halt,
}

impl Drop for GoesOn<'_> {
    fn drop(&mut self) {
        match self.how {
            Halt::Frozen => self.machine.freeze("0"),
            Halt::Stopped => {
                self.machine.signal_others(Signal::SIGCONT);
                std::thread::sleep(HEAD_START);
                self.machine.signal(self.machine.leader(), Signal::SIGCONT);
            }
        }
    }
}
