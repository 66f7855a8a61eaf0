//! uWSGI is told to stop, and its processes are watched until its master has ended: see [`crate::app::farewell`].

use super::{Ending, LEFTOVER_LIMIT};
use crate::app::drain::{Listener, order_when_deaf};
use crate::app::farewell::Farewell;
use crate::app::master::Master;
use crate::app::uwsgi::{Order, Uwsgi, say};
use crate::processes::reaper::Child;
use nix::unistd::Pid;
use std::time::Instant;

impl Ending<'_> {
    /// Tells uWSGI to stop, deaf to new connections; whether it has, in time.
    pub(super) fn stop_uwsgi(&self, uwsgi: &Uwsgi, app: Pid) -> bool {
        let Some(emperor) = uwsgi.socket() else {
            return false;
        };
        let master = Master {
            pid: app,
            proc: self.proc,
        };
        let listener = Listener {
            master,
            sockets: &self.sockets,
        };
        let mut farewell = Farewell::to_stop(&master.workers(), Instant::now(), LEFTOVER_LIMIT);
        let messenger = order_when_deaf(&listener, emperor, Order::Stop).ok();
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
            if is_ordered && farewell.is_due(now) {
                let acts = farewell.acts(&master.children(), now);
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
