//! Gives orders to systemd, several at the same time, and reports the outcome of each.

use crate::reconcile::{Action, Step};
use crate::systemd1::{BUS, BUS_PATH, Error, MANAGER, MANAGER_PATH, NAME, PROPERTIES, Systemd, is_of_bus};
use async_io::Timer;
use futures_lite::{StreamExt, future};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};
use zbus::MessageStream;
use zbus::blocking::Connection;
use zbus::message::{Message, Type};
use zbus::zvariant::OwnedObjectPath;

const JOB: &str = "org.freedesktop.systemd1.Job";
const OWNER_CHANGED: &str = "NameOwnerChanged";
/// When nothing was received for the orders for this long, the jobs are checked. A systemd or a bus that was executed
/// again may have lost the messages about their ends.
const CHECK_AFTER: Duration = Duration::from_secs(20);
/// The same after systemd has connected to the bus again, because it has then forgotten which connections wait for its
/// jobs. It doubles with each check, up to [`CHECK_AFTER`].
const CHECK_AFTER_RECONNECT: Duration = Duration::from_secs(1);
/// How many calls may wait for their answers; these are enough to keep PID 1 busy. Starts, stops and reloads share a
/// connection, for which dbus-daemon allows 128 (`max_replies_per_connection`).
const MOST_CALLS: usize = 32;

/// The kind of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Start of a service. Its end is not waited for, so systemd itself limits how many start at the same time.
    Start,
    /// Start of a socket. This takes no time, and its end is waited for.
    Listen,
    /// Reload.
    Reload,
    /// Restart.
    Restart,
    /// Stop.
    Stop,
}

impl Verb {
    fn method(self) -> &'static str {
        match self {
            Verb::Start | Verb::Listen => "StartUnit",
            Verb::Reload => "ReloadUnit",
            Verb::Restart => "RestartUnit",
            Verb::Stop => "StopUnit",
        }
    }
}

/// One order, with the fields by which the caller recognises it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The unit.
    pub unit: String,
    /// The kind.
    pub verb: Verb,
}

impl Order {
    /// The first order for `step`, or `None` if it needs no job.
    pub fn of(step: &Step) -> Option<Self> {
        let (unit, verb) = match step.action {
            Action::Adopt | Action::Renew | Action::Erase => return None,
            Action::Start => return Some(Self::start(step)),
            Action::Reload => (step.name.unit(), Verb::Reload),
            Action::Restart => (step.name.unit(), Verb::Restart),
            // The socket is stopped before the service, because it would start the service again.
            Action::Stop | Action::Swap if step.has_socket => (step.name.socket(), Verb::Stop),
            Action::Stop | Action::Swap => (step.name.unit(), Verb::Stop),
        };
        Some(Self { unit, verb })
    }

    /// The order that starts the vassal of `step`, or that opens the socket for its first connection.
    pub fn start(step: &Step) -> Self {
        match step.socket {
            Some(_) => Self {
                unit: step.name.socket(),
                verb: Verb::Listen,
            },
            None => Self {
                unit: step.name.unit(),
                verb: Verb::Start,
            },
        }
    }
}

/// The outcome of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// systemd has accepted it (a start).
    Accepted,
    /// It was done.
    Done,
    /// Its job has failed, was cancelled, or took too long; the job's result.
    Failed(String),
    /// systemd refuses it.
    Refused(String),
    /// Its outcome is not known, because this connection to the bus, or systemd's, has ended.
    Lost(String),
}

/// Orders under way.
struct Orders {
    systemd: Systemd,
    queue: VecDeque<Order>,
    /// Calls without an answer yet, by their serial number.
    calls: BTreeMap<NonZeroU32, Order>,
    /// Jobs that have not ended yet, by their paths.
    jobs: BTreeMap<String, Order>,
    /// How many jobs that are waited for may be under way at the same time.
    most_jobs: usize,
    /// After how long without a message the jobs are checked.
    check_after: Duration,
}

/// Gives all `orders` to `systemd`, with at most `most_jobs` jobs under way that are waited for. The outcome of each
/// order goes to `report`.
pub fn submit(
    systemd: Systemd,
    orders: Vec<Order>,
    most_jobs: usize,
    mut report: impl FnMut(&Order, Outcome),
) {
    if let Err(error) = subscribe(&systemd.connection) {
        for order in &orders {
            report(order, Outcome::Lost(error.to_string()));
        }
        return;
    }
    carry_out(systemd, orders, most_jobs, report);
}

/// The same, after the bus was asked for the signals. Each order is reported once.
fn carry_out(
    systemd: Systemd,
    orders: Vec<Order>,
    most_jobs: usize,
    mut report: impl FnMut(&Order, Outcome),
) {
    let messages = MessageStream::from(systemd.connection.inner());
    let mut under_way = Orders {
        systemd,
        queue: orders.into(),
        calls: BTreeMap::new(),
        jobs: BTreeMap::new(),
        most_jobs,
        check_after: CHECK_AFTER,
    };
    let ended = under_way.carry_out(messages, &mut report);
    let why = ended.err().map(|error| error.to_string()).unwrap_or_default();
    let Orders {
        queue, calls, jobs, ..
    } = under_way;
    let left = queue
        .into_iter()
        .chain(calls.into_values())
        .chain(jobs.into_values());
    for order in left {
        report(&order, Outcome::Lost(why.clone()));
    }
}

/// Subscribes to two signals: the ends of jobs, which systemd sends to its callers, and changes of systemd's own
/// connection to the bus.
fn subscribe(connection: &Connection) -> Result<(), Error> {
    let ends = format!("type='signal',sender='{NAME}',interface='{MANAGER}',member='JobRemoved'");
    let owners =
        format!("type='signal',sender='{BUS}',interface='{BUS}',member='{OWNER_CHANGED}',arg0='{NAME}'");
    for rule in [ends, owners] {
        connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", &rule)?;
    }
    Ok(())
}

/// The next message, or `None` after `check_after` without one.
fn next(messages: &mut MessageStream, check_after: Duration) -> Result<Option<Message>, Error> {
    if check_after.is_zero() {
        return Ok(None);
    }
    let message = async {
        match messages.next().await {
            Some(message) => message.map(Some),
            None => Err(Error::Failure(
                "the system bus has closed the connection".to_owned(),
            )),
        }
    };
    let check_after = async {
        Timer::after(check_after).await;
        Ok(None)
    };
    zbus::block_on(future::or(message, check_after))
}

/// Whether the message says that systemd's connection to the bus has ended, or that it has a new one.
fn is_change_of_owner(message: &Message) -> bool {
    message.message_type() == Type::Signal
        && is_of_bus(message)
        && message
            .header()
            .member()
            .is_some_and(|member| member == OWNER_CHANGED)
}

impl Orders {
    fn carry_out(
        &mut self,
        mut messages: MessageStream,
        report: &mut impl FnMut(&Order, Outcome),
    ) -> Result<(), Error> {
        let mut received = Instant::now();
        loop {
            let has_room = |orders: &Self| {
                orders.calls.len() < MOST_CALLS && orders.calls.len() + orders.jobs.len() < orders.most_jobs
            };
            while has_room(self) {
                let Some(order) = self.queue.front() else { break };
                let serial = self.send(order)?;
                self.calls
                    .extend(self.queue.pop_front().map(|order| (serial, order)));
            }
            if self.calls.is_empty() && self.jobs.is_empty() {
                return Ok(());
            }
            // Any user can send messages to this connection; they do not put the check off.
            let left = self.check_after.saturating_sub(received.elapsed());
            match next(&mut messages, left)? {
                Some(message) if is_change_of_owner(&message) => {
                    self.check_after = CHECK_AFTER_RECONNECT;
                    self.check_jobs(report);
                }
                Some(message) => {
                    if let Some((order, outcome)) = self.receive(&message)? {
                        received = Instant::now();
                        report(&order, outcome);
                    }
                }
                None => {
                    self.check_jobs(report);
                    received = Instant::now();
                    self.check_after = (self.check_after * 2).min(CHECK_AFTER);
                }
            }
        }
    }

    /// Reports jobs that no longer exist as lost, because the messages about their ends were not received. This uses a
    /// connection of its own: during a call nothing reads the messages of the other one, and its queue is limited.
    fn check_jobs(&mut self, report: &mut impl FnMut(&Order, Outcome)) {
        // If systemd cannot be reached, the next check follows after the next silence.
        let Ok(systemd) = Systemd::connect() else { return };
        for path in self.jobs.keys().cloned().collect::<Vec<_>>() {
            let state = systemd.connection.call_method(
                Some(systemd.owner.as_str()),
                path.as_str(),
                Some(PROPERTIES),
                "Get",
                &(JOB, "State"),
            );
            match state {
                Err(Error::MethodError(_, _, answer)) if !is_of_bus(&answer) => {
                    if let Some(order) = self.jobs.remove(&path) {
                        report(&order, Outcome::Lost("its job has ended unheard".to_owned()));
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    /// Sends the call to systemd, and returns its serial number.
    fn send(&self, order: &Order) -> Result<NonZeroU32, Error> {
        let message = Message::method_call(MANAGER_PATH, order.verb.method())?
            .destination(self.systemd.owner.as_str())?
            .interface(MANAGER)?
            .build(&(order.unit.as_str(), "replace"))?;
        self.systemd.connection.send(&message)?;
        Ok(message.primary_header().serial_num())
    }

    /// The order whose outcome is in `message`, if it is about one of them and the outcome is known.
    fn receive(&mut self, message: &Message) -> Result<Option<(Order, Outcome)>, Error> {
        let header = message.header();
        match message.message_type() {
            Type::MethodReturn => {
                let is_ours = |serial: &NonZeroU32| self.calls.contains_key(serial);
                let Some(serial) = header.reply_serial().filter(is_ours) else {
                    return Ok(None);
                };
                // This comes before the order is removed from the list: if the answer cannot be read, the order is
                // reported as lost.
                let job: OwnedObjectPath = message.body().deserialize()?;
                let Some(order) = self.calls.remove(&serial) else {
                    return Ok(None);
                };
                if order.verb == Verb::Start {
                    return Ok(Some((order, Outcome::Accepted)));
                }
                self.jobs.insert(job.to_string(), order);
                Ok(None)
            }
            Type::Error => {
                let order = header
                    .reply_serial()
                    .and_then(|serial| self.calls.remove(&serial));
                let Some(order) = order else { return Ok(None) };
                let why = message.body().deserialize::<String>().unwrap_or_default();
                if is_of_bus(message) {
                    self.queue.push_front(order);
                    return Err(Error::Failure(why));
                }
                Ok(Some((order, Outcome::Refused(why))))
            }
            // The bus lets any user send a signal to a single connection. systemd's signals are broadcast, and the bus
            // checks their sender, because the match rule names it.
            Type::Signal if header.destination().is_some() => Ok(None),
            Type::Signal if header.member().is_some_and(|member| member == "JobRemoved") => {
                let body = message.body();
                let (_, job, _, result): (u32, OwnedObjectPath, String, String) = body.deserialize()?;
                let outcome = match result.as_str() {
                    "done" => Outcome::Done,
                    _ => Outcome::Failed(result),
                };
                Ok(self.jobs.remove(job.as_str()).map(|order| (order, outcome)))
            }
            Type::Signal | Type::MethodCall => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use zbus::Guid;
    use zbus::connection::Builder;

    /// A connection without a bus, and its other end.
    fn connection() -> (Connection, Connection) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let guid = Guid::generate();
        let theirs = Builder::unix_stream(theirs).server(guid).unwrap().p2p().build();
        let ours = Builder::unix_stream(ours).p2p().build();
        let (ours, theirs) = zbus::block_on(future::zip(ours, theirs));
        (ours.unwrap().into(), theirs.unwrap().into())
    }

    #[test]
    fn each_order_is_reported_when_the_connection_ends_before_it_is_given() {
        let (connection, theirs) = connection();
        theirs.close().unwrap();
        let systemd = Systemd {
            connection,
            owner: ":1.0".to_owned(),
        };
        let order = |unit: &str| Order {
            unit: unit.to_owned(),
            verb: Verb::Stop,
        };
        let orders = ["vassal@a.service", "vassal@b.service"].map(order).to_vec();
        let mut reported = Vec::new();
        carry_out(systemd, orders.clone(), usize::MAX, |order, outcome| {
            assert!(matches!(outcome, Outcome::Lost(_)), "{outcome:?}");
            reported.push(order.clone());
        });
        reported.sort_by(|one, other| one.unit.cmp(&other.unit));
        assert_eq!(reported, orders);
    }
}
