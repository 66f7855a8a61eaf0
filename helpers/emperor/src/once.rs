//! `vassalctl sync`: makes passes until the running vassals match the files, without the service.

use crate::emperor::{Decision, Emperor};
use crate::orders::{Order, Outcome, Verb, submit};
use crate::reconcile::{Action, Step};
use crate::systemd1::Systemd;
use std::thread;
use std::time::{Duration, Instant};
use vassal_escape::printable;

/// The most passes: one, another for what follows from its steps, and so on.
const MOST_PASSES: usize = 8;
/// How many reloads and restarts may be under way at the same time.
const MOST_RELOADS: usize = 16;

/// Prints a line for each vassal that is changed, and unless `is_dry`, carries out the changes.
///
/// # Errors
/// When files or units cannot be read.
pub fn once(mut emperor: Emperor, is_dry: bool) -> Result<(), String> {
    for _ in 0..MOST_PASSES {
        let systemd = Systemd::connect().map_err(|error| format!("cannot reach systemd: {error}"))?;
        let mut decision = decide(&mut emperor, &systemd)?;
        // A file that has just disappeared counts as removed only after a while.
        while let Some(again) = decision.again {
            thread::sleep(again.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
            decision = decide(&mut emperor, &systemd)?;
        }
        if is_dry {
            decision.steps.iter().for_each(print);
            return Ok(());
        }
        if decision.steps.is_empty() {
            return Ok(());
        }
        decision.steps.iter().for_each(print);
        let orders = emperor.act(decision.steps, &systemd)?;
        carry_out(&mut emperor, orders, &systemd);
    }
    Err("there is no end of changes; look again later".to_owned())
}

fn decide(emperor: &mut Emperor, systemd: &Systemd) -> Result<Decision, String> {
    let answer = emperor.read_files()?;
    emperor.decide(answer, systemd)
}

fn carry_out(emperor: &mut Emperor, mut orders: Vec<Order>, systemd: &Systemd) {
    while !orders.is_empty() {
        let (starts, others): (Vec<_>, Vec<_>) = orders
            .into_iter()
            .partition(|order| matches!(order.verb, Verb::Start | Verb::Listen));
        let mut outcomes: Vec<(Order, Outcome)> = Vec::new();
        for (orders, most) in [(starts, usize::MAX), (others, MOST_RELOADS)] {
            if !orders.is_empty() {
                submit(systemd.clone(), orders, most, |order, outcome| {
                    outcomes.push((order.clone(), outcome));
                });
            }
        }
        orders = emperor.handle_outcomes(outcomes, systemd);
        emperor.finish(systemd);
    }
}

fn print(step: &Step) {
    let what = match step.action {
        Action::Adopt if step.drop_in.is_some() => "write its drop-in",
        Action::Adopt => return,
        Action::Renew => "have it read its file at its next connection",
        Action::Start if step.socket.is_some() => "wait for its first connection",
        Action::Start => "start",
        Action::Reload => "reload, or restart where that does not do",
        Action::Restart => "restart",
        Action::Swap => "stop it, and start it where it listens now",
        Action::Stop => "stop: it has no file",
        Action::Erase => "remove what is left of it",
    };
    println!("{}: {what}", printable(step.name.bytes()));
}
