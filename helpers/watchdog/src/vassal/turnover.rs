//! Reloads in place: the app is told, and a uWSGI's processes are watched until its workers have ended, as at a stop
//! ([`crate::app::wind_down`]). Its master asks for the configuration when they have, and before it forks the next ones.

use super::state::{Stage, Vassal};
use crate::app::drain::{DrainTarget, drain_then_order};
use crate::app::master::Master;
use crate::app::uwsgi::Order;
use crate::app::wind_down::WindDown;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Instant;

impl Vassal {
    /// Passes a reload on to an app that serves.
    pub(super) fn reload(&mut self) {
        let Some(reloads) = self.reloads.as_mut().filter(|reloads| reloads.is_wanted()) else {
            return;
        };
        let serves = matches!(self.stage, Stage::Serving { .. });
        let signal = Signal::try_from(self.handoff.reload_signal).ok();
        let pid = Pid::from_raw(self.handoff.payload);
        let (master, sockets) = (
            Master {
                pid,
                proc: &self.proc,
            },
            reloads.sockets(),
        );
        let listener = DrainTarget {
            master,
            sockets: &sockets,
        };
        match (&self.uwsgi, signal) {
            (Some(uwsgi), _) if serves => {
                let turnover = WindDown::to_reload(&master.workers(), Instant::now());
                let order = |emperor| drain_then_order(&listener, emperor, Order::Reload).ok();
                match uwsgi.socket().and_then(order) {
                    Some(messenger) => {
                        reloads.begin(Some(messenger));
                        self.turnover = Some(turnover);
                        self.reporter
                            .status_is("reloading; waiting for uwsgi to accept requests again");
                    }
                    None => reloads.refuse(),
                }
            }
            (None, Some(signal)) if serves && kill(pid, signal).is_ok() => {
                reloads.begin(None);
                reloads.finish();
            }
            _ => reloads.refuse(),
        }
    }

    /// Does what is due while the workers of before a reload end; whether uWSGI wants to be stopped.
    pub(super) fn follow_reload(&mut self) -> bool {
        let now = Instant::now();
        // Who stands still is not to be continued.
        let is_frozen = self.freezer.until().is_some();
        // Asked in any case, as it sets the time of the next look, until which the loop may sleep.
        let is_due = self
            .turnover
            .as_mut()
            .is_some_and(|turnover| turnover.is_due(now));
        let is_told = self
            .reloads
            .as_ref()
            .is_some_and(|reloads| !reloads.has_messenger());
        if is_frozen || !is_told || !is_due {
            return false;
        }
        let pid = Pid::from_raw(self.handoff.payload);
        let children = Master {
            pid,
            proc: &self.proc,
        }
        .children();
        // Heard after the look: if one of those was forked for the configuration to come, the turnover is over now.
        let wants_stop = self.hear_uwsgi();
        let (Some(turnover), Some(reloads)) = (&mut self.turnover, &self.reloads) else {
            return wants_stop;
        };
        let master = Master {
            pid,
            proc: &self.proc,
        };
        let listener = DrainTarget {
            master,
            sockets: &reloads.sockets(),
        };
        let acts = turnover.acts(&children, now);
        acts.into_iter().for_each(|act| act.perform(&listener));
        wants_stop
    }
}
