//! The service: waits for changes, and makes a pass after each. No thread runs while there are none.

use crate::emperor::Emperor;
use crate::orders::{Order, Outcome, Verb, give};
use crate::source::answer::Watched;
use crate::source::directory::{Doorbell, Ring, listen_to_mounts};
use crate::systemd1::Systemd;
use nix::sys::signal::{SigSet, Signal};
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use vassal_systemd::journal::{Priority, log};

/// How long changes are collected, so that a burst of them needs one pass: at least this long,
const GATHERED: Duration = Duration::from_millis(5);
/// and otherwise as long as the last pass took, up to this limit.
const MOST_GATHERED: Duration = Duration::from_millis(100);
/// The first pause after a failed pass, and the longest one.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// How many reloads and restarts may be under way at the same time, so that a change of all files does not overload the
/// machine.
const RELOADS: usize = 16;

/// An event for the main thread.
enum News {
    /// Something in the directories has changed, or may have.
    Rang(Ring),
    /// A new directory is watched, in which something may have changed before.
    Watches,
    /// The outcome of an order.
    Heard(Order, Outcome),
    /// A listener has failed. Without it changes would be missed.
    Deaf(String),
}

/// Serves until it is killed, which may be at any moment, or until a listener fails.
///
/// # Errors
/// Why the service cannot go on.
pub fn serve(mut emperor: Emperor) -> Result<Infallible, String> {
    let (tell, news) = channel();
    let watches = listen(&tell)?;
    let mut clock = Clock::new();
    loop {
        if clock.is_due() {
            let begun = Instant::now();
            match turn(&mut emperor, &tell, &watches) {
                Ok(again) => clock.looked(begun.elapsed(), again),
                Err(why) => {
                    emperor.failed(&why);
                    clock.failed();
                }
            }
        }
        let heard = wait(&news, &mut clock, &mut emperor)?;
        if heard.is_empty() {
            continue;
        }
        match hear(&mut emperor, heard, &tell) {
            Next::Look => clock.ring(),
            Next::LookLater => clock.ring_after(RETRY),
            Next::Wait => {}
        }
    }
}

/// When the next pass is due.
struct Clock {
    next: Option<Instant>,
    gathered: Duration,
    retry: Duration,
}

impl Clock {
    fn new() -> Self {
        Self {
            next: Some(Instant::now()),
            gathered: GATHERED,
            retry: RETRY,
        }
    }

    fn is_due(&self) -> bool {
        self.next.is_some_and(|next| next <= Instant::now())
    }

    fn looked(&mut self, took: Duration, again: Option<Instant>) {
        let gathered = took.clamp(GATHERED, MOST_GATHERED);
        (self.next, self.gathered, self.retry) = (again, gathered, RETRY);
    }

    fn failed(&mut self) {
        self.next = Some(Instant::now() + self.retry);
        self.retry = (self.retry * 2).min(LONGEST_RETRY);
    }

    fn ring(&mut self) {
        self.ring_after(self.gathered);
    }

    fn ring_after(&mut self, pause: Duration) {
        let due = Instant::now() + pause;
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
    }
}

/// Makes one pass. Returns when the next one is due even if nothing changes.
fn turn(
    emperor: &mut Emperor,
    tell: &Sender<News>,
    watches: &Sender<Vec<Watched>>,
) -> Result<Option<Instant>, String> {
    emperor.files.look_begins(SystemTime::now());
    // The connection to the bus is made while the files are read.
    let connecting = thread::spawn(Systemd::connect);
    let answer = emperor.read_files();
    let connected = connecting.join().map_err(|_| "cannot reach systemd".to_owned())?;
    let systemd = connected.map_err(|error| format!("cannot reach systemd: {error}"))?;
    let looked = emperor.look(answer?, &systemd)?;
    watches
        .send(looked.watched)
        .map_err(|_| "nothing is watched any more".to_owned())?;
    let orders = emperor.act(looked.steps, &systemd)?;
    dispatch(orders, &systemd, tell);
    emperor.finish(&systemd);
    Ok(looked.again)
}

/// Gives orders, with one thread for each kind, because a stop may take long and the end of a start is not waited for.
fn dispatch(orders: Vec<Order>, systemd: &Systemd, tell: &Sender<News>) {
    let (starts, others): (Vec<_>, Vec<_>) = orders
        .into_iter()
        .partition(|order| matches!(order.verb, Verb::Start | Verb::Listen));
    let (stops, reloads): (Vec<_>, Vec<_>) = others.into_iter().partition(|order| order.verb == Verb::Stop);
    for (orders, most) in [(starts, usize::MAX), (stops, usize::MAX), (reloads, RELOADS)] {
        if orders.is_empty() {
            continue;
        }
        let (tell, systemd) = (tell.clone(), systemd.clone());
        thread::spawn(move || {
            give(systemd, orders, most, |order, outcome| {
                // This fails only when the process ends.
                tell.send(News::Heard(order.clone(), outcome)).ok();
            });
        });
    }
}

/// Waits for events or until a pass is due. Returns the outcomes of orders.
fn wait(
    news: &Receiver<News>,
    clock: &mut Clock,
    emperor: &mut Emperor,
) -> Result<Vec<(Order, Outcome)>, String> {
    let first = match clock.next {
        None => news.recv().map_err(|error| error.to_string())?,
        Some(next) => match news.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => return Ok(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return Err("nothing is heard any more".to_owned()),
        },
    };
    let mut heard = Vec::new();
    for each in std::iter::once(first).chain(news.try_iter()) {
        match each {
            News::Rang(ring) => {
                ring.written
                    .into_iter()
                    .for_each(|file| emperor.files.is_written(file));
                ring.closed
                    .into_iter()
                    .for_each(|file| emperor.files.is_closed(file));
                clock.ring();
            }
            News::Watches => clock.ring(),
            News::Heard(order, outcome) => heard.push((order, outcome)),
            News::Deaf(why) => return Err(why),
        }
    }
    Ok(heard)
}

/// Whether another pass is necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Look,
    /// After a pause, because the reason for which an order was lost may last.
    LookLater,
    Wait,
}

/// Handles the outcomes of orders, and gives the orders that follow.
fn hear(emperor: &mut Emperor, heard: Vec<(Order, Outcome)>, tell: &Sender<News>) -> Next {
    let systemd = match Systemd::connect() {
        Ok(systemd) => systemd,
        Err(error) => {
            log(
                Priority::Warning,
                &format!("cannot reach systemd: {error}; trying again"),
            );
            for (order, outcome) in heard {
                tell.send(News::Heard(order, outcome)).ok();
            }
            thread::sleep(RETRY);
            return Next::Wait;
        }
    };
    // A thousand starts need one pass and not a thousand.
    let has_news = heard
        .iter()
        .any(|(order, outcome)| emperor.is_news(order, outcome));
    let is_lost = |(_, outcome): &(Order, Outcome)| matches!(outcome, Outcome::Lost(_));
    let has_lost = heard.iter().any(is_lost);
    let next = emperor.heard(heard, &systemd);
    emperor.finish(&systemd);
    dispatch(next, &systemd, tell);
    match (has_lost, has_news) {
        (true, _) => Next::LookLater,
        (false, true) => Next::Look,
        (false, false) => Next::Wait,
    }
}

/// Starts the threads that listen: for changes in directories, for changes of the mount table, and for SIGHUP. Returns
/// the sender that tells them what to watch.
fn listen(tell: &Sender<News>) -> Result<Sender<Vec<Watched>>, String> {
    let bell = Doorbell::new().map_err(|errno| format!("cannot watch directories: {errno}"))?;
    let ringing = (bell.clone(), tell.clone());
    thread::spawn(move || {
        let (bell, tell) = ringing;
        loop {
            let news = match bell.listen() {
                Ok(ring) => News::Rang(ring),
                Err(errno) => News::Deaf(format!("cannot hear of changes any more: {errno}")),
            };
            if tell.send(news).is_err() {
                return;
            }
        }
    });
    let (watches, wanted) = channel::<Vec<Watched>>();
    let watching = tell.clone();
    // This has a thread of its own, because a directory on a hanging filesystem blocks it.
    thread::spawn(move || {
        for wanted in wanted {
            match bell.watch(&wanted) {
                Ok(true) if watching.send(News::Watches).is_err() => return,
                Ok(_) => {}
                Err(errno) => log(
                    Priority::Error,
                    &format!("not everything is watched: {errno} (fs.inotify.max_user_watches)"),
                ),
            }
        }
    });
    let mounts = tell.clone();
    thread::spawn(move || {
        let listened = listen_to_mounts(|| mounts.send(News::Rang(Ring::default())).is_ok());
        if let Err(error) = listened {
            log(Priority::Warning, &format!("mounts are not noticed: {error}"));
        }
    });
    let hangup = SigSet::from(Signal::SIGHUP);
    let calling = tell.clone();
    thread::spawn(
        move || {
            while hangup.wait().is_ok() && calling.send(News::Rang(Ring::default())).is_ok() {}
        },
    );
    Ok(watches)
}
