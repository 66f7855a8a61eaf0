//! Handles the outcomes of orders: updates the record, reports, and gives the orders that follow.

use crate::drop_ins::{Kind, vassal_of};
use crate::emperor::Emperor;
use crate::orders::{Order, Outcome, Verb};
use crate::reconcile::{Action, Stamp, Step};
use crate::systemd1::Systemd;
use std::path::Path;
use vassal_escape::unit_name::escape;
use vassal_state::reload_outcome;
use vassal_systemd::exit;

/// A stamp older than every file: any file that is there counts as changed.
const NEVER: Stamp = Stamp {
    modified: i64::MIN,
    content: 0,
};

impl Emperor {
    /// Handles outcomes, and returns the orders that follow.
    pub fn handle_outcomes(&mut self, outcomes: Vec<(Order, Outcome)>, systemd: &Systemd) -> Vec<Order> {
        self.report_lost(&outcomes);
        outcomes
            .into_iter()
            .filter_map(|(order, outcome)| self.handle_outcome(&order, outcome, systemd))
            .collect()
    }

    /// Reports all lost orders in one line, because a bus that has ended may have lost a thousand at once.
    fn report_lost(&self, outcomes: &[(Order, Outcome)]) {
        let mut lost = outcomes.iter().filter_map(|(order, outcome)| match outcome {
            Outcome::Lost(why) => Some((&order.unit, why)),
            _ => None,
        });
        let Some((unit, why)) = lost.next() else { return };
        let others = match lost.count() {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        self.reporter
            .warn(&format!("'{unit}'{others}: {why}; trying again"));
    }

    fn handle_outcome(&mut self, order: &Order, outcome: Outcome, systemd: &Systemd) -> Option<Order> {
        let (name, kind) = vassal_of(&order.unit)?;
        let step = self.busy.remove(&name)?;
        if matches!(outcome, Outcome::Lost(_)) {
            return None;
        }
        match order.verb {
            Verb::Start | Verb::Listen => self.started(&step, outcome),
            Verb::Restart => self.restarted(&step, outcome),
            Verb::Stop => {
                let next = self.after_stop(&step, kind);
                let Some(next) = next else {
                    self.stopped(&step, outcome, systemd);
                    return None;
                };
                self.busy.insert(name, step);
                return Some(next);
            }
            Verb::Reload => {
                let next = self.reloaded(&step, outcome)?;
                self.busy.insert(name, step);
                return Some(next);
            }
        }
        None
    }

    /// The order that follows the stop of one of a vassal's units.
    fn after_stop(&self, step: &Step, kind: Kind) -> Option<Order> {
        match (kind, step.action) {
            (Kind::Socket, _) => Some(Order {
                unit: step.name.unit(),
                verb: Verb::Stop,
            }),
            (Kind::Service, Action::Swap) => Some(Order::start(step)),
            (Kind::Service, _) => None,
        }
    }

    fn started(&mut self, step: &Step, outcome: Outcome) {
        match outcome {
            Outcome::Refused(why) => self.reporter.refused(&step.name, &why),
            // Only for a socket, as the outcome of a service's start is not waited for.
            Outcome::Failed(_) => {
                let unit = step.name.socket();
                let why = format!("'{unit}' cannot listen (systemctl status '{unit}' says why)");
                let text = self.reporter.file_unusable(&step.name, &why, &why);
                self.remember(step, Some(text));
            }
            Outcome::Accepted | Outcome::Done | Outcome::Lost(_) => {
                self.remember(step, None);
                self.reporter.clear_error(&step.name);
                let done = match step.socket {
                    Some(_) => "waits for its first connection",
                    None => "started",
                };
                self.reporter.done(&step.name, done);
            }
        }
    }

    fn restarted(&mut self, step: &Step, outcome: Outcome) {
        self.remember(step, None);
        self.reporter.clear_error(&step.name);
        match outcome {
            Outcome::Refused(why) => self.reporter.refused(&step.name, &why),
            // The unit's own status has the reason.
            Outcome::Failed(result) => self.reporter.done(&step.name, &format!("restarted: {result}")),
            Outcome::Accepted | Outcome::Done | Outcome::Lost(_) => {
                self.reporter.done(&step.name, "restarted")
            }
        }
    }

    fn stopped(&mut self, step: &Step, outcome: Outcome, systemd: &Systemd) {
        let unit = step.name.unit();
        // A service that was loaded only for its socket is not known any more.
        if let (Outcome::Refused(why), false) = (&outcome, step.has_socket) {
            self.reporter.refused(&step.name, why);
        }
        systemd.reset_failed(&unit);
        systemd.reset_failed(&step.name.socket());
        systemd.reset_failed(&unit.replacen("vassal@", "vassal-retry@", 1));
        // The next pass removes the remains, unless the file is back by then.
        let stamp = Some(NEVER);
        self.remember(
            &Step {
                stamp,
                ..step.clone()
            },
            None,
        );
        self.reporter.done(&step.name, "stopped: its file is gone");
    }

    /// Handles the outcome of a reload. Returns the order to restart if only a restart puts the file into effect.
    fn reloaded(&mut self, step: &Step, outcome: Outcome) -> Option<Order> {
        let left = reload_outcome::take(Path::new(reload_outcome::DIRECTORY), &escape(step.name.bytes()));
        let restart = Order {
            unit: step.name.unit(),
            verb: Verb::Restart,
        };
        let why = match (left, outcome) {
            (_, Outcome::Refused(_)) => return None,
            (Some(left), _) if left.code == 0 && left.text.is_empty() => None,
            (Some(left), _) if left.code == 0 => Some(left.text),
            (Some(left), _) if left.code == exit::UNAVAILABLE => Some(left.text),
            (Some(left), _) => {
                let text = self.reporter.file_unusable(&step.name, &left.text, &left.public);
                self.remember(step, Some(text));
                return None;
            }
            (None, Outcome::Failed(result)) if result != "canceled" => {
                let why = format!("'{}' cannot be reloaded ({result})", step.name.unit());
                let text = self.reporter.file_unusable(&step.name, &why, &why);
                self.remember(step, Some(text));
                return None;
            }
            (None, _) => None,
        };
        if let Some(text) = &step.drop_in {
            self.memory.owes_reload = true;
            if let Err(error) = self.write_one(&step.name, text) {
                self.reporter
                    .warn(&format!("'{}': {error}; trying again", step.name.unit()));
                return None;
            }
        }
        self.reporter.clear_error(&step.name);
        match why {
            Some(why) => {
                self.reporter
                    .done(&step.name, &format!("is restarted for what has changed: {why}"));
                Some(restart)
            }
            None => {
                self.remember(step, None);
                self.reporter.done(&step.name, "reloaded");
                None
            }
        }
    }
}
