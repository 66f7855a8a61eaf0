//! `vassalctl sync`: makes passes until the running vassals match the files, without the service.

use crate::emperor::{Emperor, Looked};
use crate::orders::{Order, Outcome, Verb, give};
use crate::reconcile::{Does, Step};
use crate::systemd1::Systemd;
use std::thread;
use std::time::{Duration, Instant};
use vassal_escape::printable;

/// The most passes: one, another for what follows from its steps, and so on.
const LOOKS: usize = 8;
/// How many reloads and restarts may be under way at the same time.
const RELOADS: usize = 16;

/// Prints a line for each vassal that is changed, and unless `is_dry`, carries out the changes.
///
/// # Errors
/// When files or units cannot be read.
pub fn once(mut emperor: Emperor, is_dry: bool) -> Result<(), String> {
    let systemd = Systemd::connect().map_err(|error| format!("cannot reach systemd: {error}"))?;
    for _ in 0..LOOKS {
        let mut looked = look(&mut emperor, &systemd)?;
        // A file that has just disappeared counts as removed only after a while.
        while let Some(again) = looked.again {
            thread::sleep(again.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
            looked = look(&mut emperor, &systemd)?;
        }
        if is_dry {
            looked.steps.iter().for_each(show);
            return Ok(());
        }
        if looked.steps.is_empty() {
            return Ok(());
        }
        looked.steps.iter().for_each(show);
        let orders = emperor.act(looked.steps, &systemd)?;
        carry_out(&mut emperor, orders, &systemd);
    }
    Err("there is no end of changes; look again later".to_owned())
}

fn look(emperor: &mut Emperor, systemd: &Systemd) -> Result<Looked, String> {
    let answer = emperor.read_files()?;
    emperor.look(answer, systemd)
}

fn carry_out(emperor: &mut Emperor, mut orders: Vec<Order>, systemd: &Systemd) {
    while !orders.is_empty() {
        let (starts, others): (Vec<_>, Vec<_>) = orders
            .into_iter()
            .partition(|order| matches!(order.verb, Verb::Start | Verb::Listen));
        let mut heard: Vec<(Order, Outcome)> = Vec::new();
        for (orders, most) in [(starts, usize::MAX), (others, RELOADS)] {
            if !orders.is_empty() {
                give(systemd.clone(), orders, most, |order, outcome| {
                    heard.push((order.clone(), outcome));
                });
            }
        }
        orders = emperor.heard(heard, systemd);
        emperor.finish(systemd);
    }
}

fn show(step: &Step) {
    let what = match step.does {
        Does::Adopt if step.drop_in.is_some() => "write its drop-in",
        Does::Adopt => return,
        Does::Renew => "have it read its file at its next connection",
        Does::Start if step.socket.is_some() => "wait for its first connection",
        Does::Start => "start",
        Does::Reload => "reload, or restart where that does not do",
        Does::Restart => "restart",
        Does::Swap => "stop it, and start it where it listens now",
        Does::Stop => "stop: it has no file",
        Does::Erase => "remove what is left of it",
    };
    println!("{}: {what}", printable(step.name.bytes()));
}
