//! An app that is being stopped, because its vassal stops or because the next app has taken its place. It takes no more
//! connections, answers its requests, and ends; at its limit it is killed. Nothing here waits.

use crate::app::drain::{DrainTarget, drain_then_order, drain_then_signal};
use crate::app::running::Running;
use crate::app::uwsgi::{Order, Uwsgi, send_order};
use crate::app::wind_down::WindDown;
use crate::processes::reaper::Child;
use crate::processes::signalling::signal_group;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::time::{Duration, Instant};
use vassal_sys::proc::Proc;
use vassal_systemd::journal::{Priority, log};

/// The time between SIGTERM and SIGKILL for processes that uWSGI does not end itself.
pub const LEFTOVER_LIMIT: Duration = Duration::from_secs(2);

/// The progress of stopping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The process that drains its workers and gives the order is running.
    BeingTold(Pid),
    /// It has got the order.
    Told,
    /// It has been killed.
    Killed,
    /// Its first process has ended.
    Ended,
}

/// An app that is being stopped.
#[derive(Debug)]
pub struct Retiring {
    /// The app.
    pub running: Running,
    stage: Stage,
    /// For a uWSGI, the supervision of its processes meanwhile.
    wind_down: Option<WindDown>,
    end: Instant,
}

impl Retiring {
    /// Tells the app to stop. `sockets` are the names of the vassal's listening sockets.
    pub fn begin(mut running: Running, proc: &Proc, sockets: &[OsString], now: Instant) -> Self {
        running.leave();
        let end = now + running.app.stop_limit;
        let mut wind_down = None;
        let stage = match running.uwsgi.as_ref().map(Uwsgi::socket) {
            // It has closed its socket and cannot be told anything.
            Some(None) => None,
            Some(Some(emperor)) => {
                let master = running.master(proc);
                wind_down = Some(WindDown::to_stop(&master.workers(), now, LEFTOVER_LIMIT));
                let listener = DrainTarget { master, sockets };
                match drain_then_order(&listener, emperor, Order::Stop) {
                    Ok(messenger) => Some(Stage::BeingTold(messenger)),
                    // At a limit of processes it is told without being drained.
                    Err(_) => send_order(emperor, Order::Stop).then_some(Stage::Told),
                }
            }
            None => Signal::try_from(running.app.stop_signal).ok().and_then(|signal| {
                let master = running.master(proc);
                let pid = running.pid();
                match drain_then_signal(&DrainTarget { master, sockets }, signal) {
                    Ok(messenger) => Some(Stage::BeingTold(messenger)),
                    Err(_) => killpg(pid, signal).is_ok().then_some(Stage::Told),
                }
            }),
        };
        let mut retiring = Self {
            running,
            stage: Stage::Told,
            wind_down,
            end,
        };
        match stage {
            Some(stage) => retiring.stage = stage,
            None => retiring.kill(),
        }
        retiring
    }

    /// Takes an ended child. Returns whether it was the app's first process, or a process that gave the app an order or
    /// asked it something.
    pub fn take(&mut self, child: &Child) -> bool {
        let check = self.running.check.as_mut();
        if check.is_some_and(|check| check.take_answer(child.pid, Instant::now())) {
            return true;
        }
        if child.pid == self.running.pid() {
            // Other processes of its group would continue in its place.
            signal_group(child.pid, Signal::SIGKILL);
            self.stage = Stage::Ended;
            return true;
        }
        let is_messenger = self.stage == Stage::BeingTold(child.pid);
        if is_messenger {
            self.stage = Stage::Told;
            if child.how.code() != Some(0) {
                self.kill();
            }
        }
        is_messenger
    }

    /// Does what is due now.
    pub fn follow(&mut self, proc: &Proc, sockets: &[OsString], now: Instant) {
        if matches!(self.stage, Stage::Killed | Stage::Ended) {
            return;
        }
        if now >= self.end {
            let limit = self.running.app.stop_limit.as_secs_f32();
            let command = &self.running.app.command;
            let message = format!("{command} did not stop within {limit} s, killing it");
            log(Priority::Warning, &message);
            return self.kill();
        }
        let master = self.running.master(proc);
        if let (Some(wind_down), Stage::Told) = (&mut self.wind_down, self.stage) {
            if wind_down.is_due(now) {
                let listener = DrainTarget { master, sockets };
                let acts = wind_down.acts(&master.children(), now);
                acts.into_iter().for_each(|act| act.perform(&listener));
            }
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        signal_group(self.running.pid(), Signal::SIGKILL);
        self.stage = Stage::Killed;
    }

    /// Whether its first process has ended.
    pub fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Whether it takes no more connections, as far as that is known; another program than uWSGI is only told not to.
    pub fn is_drained(&self) -> bool {
        match self.stage {
            Stage::BeingTold(_) => false,
            Stage::Told => self.running.uwsgi.is_some(),
            Stage::Killed | Stage::Ended => true,
        }
    }

    /// When [`Retiring::follow`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::BeingTold(_) => Some(self.end),
            Stage::Told => {
                let look = self.wind_down.as_ref().map(WindDown::next_look);
                look.into_iter().chain([self.end]).min()
            }
            Stage::Killed | Stage::Ended => None,
        }
    }
}
