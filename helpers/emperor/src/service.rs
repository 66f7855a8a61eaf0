//! The service: waits for changes, and makes a pass after each. No thread runs while there are none.

use crate::emperor::Emperor;
use crate::orders::{Order, Outcome, Verb, submit};
use crate::source::answer::Watched;
use crate::source::directory::{Changes, Watcher, watch_mounts};
use crate::systemd1::Systemd;
use nix::sys::signal::{SigSet, Signal};
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use vassal_systemd::journal::{Priority, log};

/// How long changes are collected, so that a burst of them needs one pass: at least this long,
const COLLECT: Duration = Duration::from_millis(5);
/// and otherwise as long as the last pass took, up to this limit.
const LONGEST_COLLECT: Duration = Duration::from_millis(100);
/// The first pause after a failed pass, and the longest one.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// How many reloads and restarts may be under way at the same time, so that a change of all files does not overload the
/// machine.
const MOST_RELOADS: usize = 16;

/// An event for the main thread.
enum Event {
    /// Something in the directories has changed, or may have.
    Changed(Changes),
    /// A new directory is watched, in which something may have changed before.
    NewWatch,
    /// The outcome of an order.
    OrderEnded(Order, Outcome),
    /// A listener has failed. Without it changes would be missed.
    ListenerFailed(String),
}

/// Serves until it is killed, which may be at any moment, or until a listener fails.
///
/// # Errors
/// Why the service cannot go on.
pub fn serve(mut emperor: Emperor) -> Result<Infallible, String> {
    let (sender, events) = channel();
    let watches = listen(&sender)?;
    let mut schedule = Schedule::new();
    loop {
        if schedule.is_due() {
            let begun = Instant::now();
            match pass(&mut emperor, &sender, &watches) {
                Ok(again) => schedule.passed(begun.elapsed(), again),
                Err(why) => {
                    emperor.pass_failed(&why);
                    schedule.pass_failed();
                }
            }
        }
        let outcomes = wait(&events, &mut schedule, &mut emperor)?;
        if outcomes.is_empty() {
            continue;
        }
        match handle_outcomes(&mut emperor, outcomes, &sender) {
            Next::Pass => {
                schedule.loss = RETRY;
                schedule.request();
            }
            Next::PassLater => schedule.request_after_loss(),
            Next::Wait => schedule.loss = RETRY,
        }
    }
}

/// When the next pass is due.
struct Schedule {
    next: Option<Instant>,
    collect: Duration,
    retry: Duration,
    /// How long the next pass is put off after orders were lost.
    loss: Duration,
}

impl Schedule {
    fn new() -> Self {
        Self {
            next: Some(Instant::now()),
            collect: COLLECT,
            retry: RETRY,
            loss: RETRY,
        }
    }

    fn is_due(&self) -> bool {
        self.next.is_some_and(|next| next <= Instant::now())
    }

    fn passed(&mut self, took: Duration, again: Option<Instant>) {
        let collect = took.clamp(COLLECT, LONGEST_COLLECT);
        (self.next, self.collect, self.retry) = (again, collect, RETRY);
    }

    fn pass_failed(&mut self) {
        self.next = Some(Instant::now() + self.retry);
        self.retry = (self.retry * 2).min(LONGEST_RETRY);
    }

    /// Requests a pass after orders were lost, later and later while their losses follow each other.
    fn request_after_loss(&mut self) {
        self.request_after(self.loss);
        self.loss = (self.loss * 2).min(LONGEST_RETRY);
    }

    fn request(&mut self) {
        self.request_after(self.collect);
    }

    fn request_after(&mut self, pause: Duration) {
        let due = Instant::now() + pause;
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
    }
}

/// Makes one pass. Returns when the next one is due even if nothing changes.
fn pass(
    emperor: &mut Emperor,
    sender: &Sender<Event>,
    watches: &Sender<Vec<Watched>>,
) -> Result<Option<Instant>, String> {
    emperor.files.pass_begins(SystemTime::now());
    // The connection to the bus is made while the files are read.
    let connecting = thread::spawn(Systemd::connect);
    let answer = emperor.read_files();
    let connected = connecting.join().map_err(|_| "cannot reach systemd".to_owned())?;
    let systemd = connected.map_err(|error| format!("cannot reach systemd: {error}"))?;
    let decision = emperor.decide(answer?, &systemd)?;
    watches
        .send(decision.watched)
        .map_err(|_| "nothing is watched any more".to_owned())?;
    let orders = emperor.act(decision.steps, &systemd)?;
    dispatch(orders, &systemd, sender);
    emperor.finish(&systemd);
    Ok(decision.again)
}

/// Gives orders, with one thread for each kind, because a stop may take long and the end of a start is not waited for.
fn dispatch(orders: Vec<Order>, systemd: &Systemd, sender: &Sender<Event>) {
    let (starts, others): (Vec<_>, Vec<_>) = orders
        .into_iter()
        .partition(|order| matches!(order.verb, Verb::Start | Verb::Listen));
    let (stops, reloads): (Vec<_>, Vec<_>) = others.into_iter().partition(|order| order.verb == Verb::Stop);
    for (orders, most) in [(starts, usize::MAX), (stops, usize::MAX), (reloads, MOST_RELOADS)] {
        if orders.is_empty() {
            continue;
        }
        let (sender, systemd) = (sender.clone(), systemd.clone());
        thread::spawn(move || {
            submit(systemd, orders, most, |order, outcome| {
                // This fails only when the process ends.
                sender.send(Event::OrderEnded(order.clone(), outcome)).ok();
            });
        });
    }
}

/// Waits for events or until a pass is due. Returns the outcomes of orders.
fn wait(
    events: &Receiver<Event>,
    schedule: &mut Schedule,
    emperor: &mut Emperor,
) -> Result<Vec<(Order, Outcome)>, String> {
    let first = match schedule.next {
        None => events.recv().map_err(|error| error.to_string())?,
        Some(next) => match events.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => return Ok(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return Err("nothing is heard any more".to_owned()),
        },
    };
    let mut outcomes = Vec::new();
    for each in std::iter::once(first).chain(events.try_iter()) {
        match each {
            Event::Changed(changes) => {
                changes
                    .written
                    .into_iter()
                    .for_each(|file| emperor.files.on_write(file));
                changes
                    .closed
                    .into_iter()
                    .for_each(|file| emperor.files.on_close(file));
                schedule.request();
            }
            Event::NewWatch => schedule.request(),
            Event::OrderEnded(order, outcome) => outcomes.push((order, outcome)),
            Event::ListenerFailed(why) => return Err(why),
        }
    }
    Ok(outcomes)
}

/// Whether another pass is necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Pass,
    /// After a pause, because the reason for which an order was lost may last.
    PassLater,
    Wait,
}

/// Handles the outcomes of orders, and gives the orders that follow.
fn handle_outcomes(emperor: &mut Emperor, outcomes: Vec<(Order, Outcome)>, sender: &Sender<Event>) -> Next {
    let systemd = match Systemd::connect() {
        Ok(systemd) => systemd,
        Err(error) => {
            log(
                Priority::Warning,
                &format!("cannot reach systemd: {error}; trying again"),
            );
            for (order, outcome) in outcomes {
                sender.send(Event::OrderEnded(order, outcome)).ok();
            }
            thread::sleep(RETRY);
            return Next::Wait;
        }
    };
    // A thousand starts need one pass and not a thousand.
    let needs_pass = outcomes
        .iter()
        .any(|(order, outcome)| emperor.needs_pass(order, outcome));
    let is_lost = |(_, outcome): &(Order, Outcome)| matches!(outcome, Outcome::Lost(_));
    let has_lost = outcomes.iter().any(is_lost);
    let next = emperor.handle_outcomes(outcomes, &systemd);
    emperor.finish(&systemd);
    dispatch(next, &systemd, sender);
    match (has_lost, needs_pass) {
        (true, _) => Next::PassLater,
        (false, true) => Next::Pass,
        (false, false) => Next::Wait,
    }
}

/// Starts the threads that listen: for changes in directories, for changes of the mount table, and for SIGHUP. Returns
/// the sender that tells them what to watch.
fn listen(sender: &Sender<Event>) -> Result<Sender<Vec<Watched>>, String> {
    let watcher = Watcher::new().map_err(|errno| format!("cannot watch directories: {errno}"))?;
    let watching_changes = (watcher.clone(), sender.clone());
    thread::spawn(move || {
        let (watcher, sender) = watching_changes;
        loop {
            let event = match watcher.next_changes() {
                Ok(changes) => Event::Changed(changes),
                Err(errno) => Event::ListenerFailed(format!("cannot hear of changes any more: {errno}")),
            };
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    let (watches, wanted) = channel::<Vec<Watched>>();
    let watching = sender.clone();
    // This has a thread of its own, because a directory on a hanging filesystem blocks it.
    thread::spawn(move || {
        for wanted in wanted {
            match watcher.watch(&wanted) {
                Ok(true) if watching.send(Event::NewWatch).is_err() => return,
                Ok(_) => {}
                Err(errno) => log(
                    Priority::Error,
                    &format!("not everything is watched: {errno} (fs.inotify.max_user_watches)"),
                ),
            }
        }
    });
    let mounts = sender.clone();
    thread::spawn(move || {
        let listened = watch_mounts(|| mounts.send(Event::Changed(Changes::default())).is_ok());
        if let Err(error) = listened {
            log(Priority::Warning, &format!("mounts are not noticed: {error}"));
        }
    });
    let hangup = SigSet::from(Signal::SIGHUP);
    let calling = sender.clone();
    thread::spawn(
        move || {
            while hangup.wait().is_ok() && calling.send(Event::Changed(Changes::default())).is_ok() {}
        },
    );
    Ok(watches)
}
