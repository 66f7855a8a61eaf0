//! uWSGI is told to stop, and its processes are watched until its master has ended: see [`crate::app::wind_down`].

use super::state::{LEFTOVER_LIMIT, Shutdown};
use crate::app::drain::{DrainTarget, drain_then_order};
use crate::app::master::Master;
use crate::app::uwsgi::{Order, Uwsgi, say};
use crate::app::wind_down::WindDown;
use crate::processes::reaper::Child;
use nix::unistd::Pid;
use std::time::Instant;

impl Shutdown<'_> {
    /// Tells uWSGI to stop, deaf to new connections; whether it has, in time.
    pub(super) fn stop_uwsgi(&self, uwsgi: &Uwsgi, app: Pid) -> bool {
        let Some(emperor) = uwsgi.socket() else {
            return false;
        };
        let master = Master {
            pid: app,
            proc: self.proc,
        };
        let listener = DrainTarget {
            master,
            sockets: &self.sockets,
        };
        let mut wind_down = WindDown::to_stop(&master.workers(), Instant::now(), LEFTOVER_LIMIT);
        let messenger = drain_then_order(&listener, emperor, Order::Stop).ok();
        let mut is_ordered = messenger.is_none();
        if is_ordered && !say(emperor, Order::Stop) {
            return false;
        }
        let mut has_ended = false;
        self.reap_until(self.handoff.stop_limit, |ended, any_left| {
            has_ended |= !any_left || ended.iter().any(|child| child.pid == app);
            let message = ended.iter().find(|child| Some(child.pid) == messenger);
            if has_ended || message.is_some_and(is_unheard) {
                return true;
            }
            is_ordered |= message.is_some();
            let now = Instant::now();
            if is_ordered && wind_down.is_due(now) {
                let acts = wind_down.acts(&master.children(), now);
                acts.into_iter().for_each(|act| act.perform(&listener));
            }
            false
        });
        has_ended
    }
}

fn is_unheard(messenger: &Child) -> bool {
    messenger.how.code() != Some(0)
}
