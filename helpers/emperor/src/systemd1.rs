//! systemd's D-Bus API (org.freedesktop.systemd1(5)), as far as it is needed. A connection is made when there is something to do, and
//! closed after that, so a bus that was gone, or a systemd that was executed again, is nothing to recover from: what was not
//! heard of is looked at again.
//!
//! The system bus, and not PID 1's own socket, which needs no broker: zbus ends the process at the first message from there, as its
//! sender is no unique name (5.13, measured).

use async_io::Timer;
use futures_lite::{StreamExt, future};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use zbus::MessageStream;
use zbus::blocking::Connection;
use zbus::connection::Builder;
use zbus::message::{Message, Type};
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

/// Where the system bus listens (dbus-daemon(1)).
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
const NAME: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const JOB: &str = "org.freedesktop.systemd1.Job";
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// How long the bus may take to let somebody in.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long an answer may take: PID 1 may be in the midst of a daemon-reload of thousands of units, or stand still.
const LIMIT: Duration = Duration::from_secs(600);
/// When nothing was heard for this long, the jobs are asked whether they are still there: a systemd that was executed again, or
/// a bus that was, may have lost what was to be said of them.
const SILENCE: Duration = Duration::from_secs(20);
/// How many calls may wait for their answers: as many as keep PID 1 at work.
const CALLS: usize = 64;

/// What went wrong between here and systemd.
pub type Error = zbus::Error;

/// A unit, as systemd lists it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name.
    pub unit: String,
    /// `LoadState`.
    pub load: String,
    /// `ActiveState`.
    pub active: String,
    /// Where it is asked for more.
    pub path: OwnedObjectPath,
    /// The kind of job that waits or runs; empty without one.
    pub job: String,
}

/// systemd, connected.
#[derive(Debug)]
pub struct Systemd {
    connection: Connection,
}

impl Systemd {
    /// Connects.
    ///
    /// # Errors
    /// When the system bus does not answer.
    pub fn connect() -> Result<Self, Error> {
        // Connected here: zbus would have a thread do it, which then wakes twice a second for ever.
        let socket = UnixStream::connect(SYSTEM_BUS).map_err(|error| Error::InputOutput(error.into()))?;
        let connection = Builder::unix_stream(socket).method_timeout(LIMIT).build();
        let late = async {
            Timer::after(CONNECT_LIMIT).await;
            Err(Error::Failure("the system bus does not answer".to_owned()))
        };
        let connection = zbus::block_on(future::or(connection, late))?.into();
        Ok(Self { connection })
    }

    /// The loaded units whose names match one of `patterns`.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn units(&self, patterns: &[&str]) -> Result<Vec<Listed>, Error> {
        type Row = (
            String,
            String,
            String,
            String,
            String,
            String,
            OwnedObjectPath,
            u32,
            String,
            OwnedObjectPath,
        );
        let states: &[&str] = &[];
        let answer = self.manager("ListUnitsByPatterns", &(states, patterns))?;
        let rows: Vec<Row> = answer.body().deserialize()?;
        let listed = |(unit, _, load, active, _, _, path, _, job, _): Row| Listed {
            unit,
            load,
            active,
            path,
            job,
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// Has systemd read all units again.
    ///
    /// # Errors
    /// When it does not.
    pub fn daemon_reload(&self) -> Result<(), Error> {
        self.manager("Reload", &()).map(drop)
    }

    /// Forgets that a unit has failed. One that is not loaded has not.
    pub fn reset_failed(&self, unit: &str) {
        self.manager("ResetFailedUnit", &unit).map(drop).ok();
    }

    /// The path of a unit, which is loaded for it.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn path_of(&self, unit: &str) -> Result<OwnedObjectPath, Error> {
        self.manager("LoadUnit", &unit)?.body().deserialize()
    }

    /// A property of a unit.
    ///
    /// # Errors
    /// When the unit is gone, or has no such property of that type.
    pub fn property<T>(&self, path: &OwnedObjectPath, property: &str) -> Result<T, Error>
    where
        T: TryFrom<OwnedValue>,
        T::Error: Into<Error>,
    {
        let answer =
            self.connection
                .call_method(Some(NAME), path, Some(PROPERTIES), "Get", &(UNIT, property))?;
        let value: OwnedValue = answer.body().deserialize()?;
        T::try_from(value).map_err(Into::into)
    }

    fn manager<B>(&self, method: &str, body: &B) -> Result<Message, Error>
    where
        B: zbus::export::serde::Serialize + zbus::zvariant::DynamicType,
    {
        self.connection
            .call_method(Some(NAME), MANAGER_PATH, Some(MANAGER), method, body)
    }
}

/// What is asked for, of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Its end is not waited for: systemd starts as many at the same time as it will.
    Start,
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
            Verb::Start => "StartUnit",
            Verb::Reload => "ReloadUnit",
            Verb::Restart => "RestartUnit",
            Verb::Stop => "StopUnit",
        }
    }
}

/// One order, with what the caller knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The unit.
    pub unit: String,
    /// What is to be done with it.
    pub verb: Verb,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It will be done (a start).
    Accepted,
    /// It was done.
    Done,
    /// It was tried, and has failed, was cancelled or took too long: the job's result.
    Failed(String),
    /// systemd does not do it.
    Refused(String),
    /// Nobody knows: the connection has ended.
    Lost(String),
}

/// Orders on their way, over a connection of their own.
struct Orders {
    connection: Connection,
    queue: VecDeque<Order>,
    /// Calls without an answer, by their serial number.
    called: BTreeMap<NonZeroU32, Order>,
    /// Jobs that have not ended, by their paths.
    jobs: BTreeMap<String, Order>,
    /// How many jobs may be under way that somebody waits for.
    most_jobs: usize,
}

/// Gives all `orders`, but no more than `most_jobs` at the same time of those whose end is waited for. What becomes of each is told to
/// `report`.
pub fn give(orders: Vec<Order>, most_jobs: usize, mut report: impl FnMut(&Order, Outcome)) {
    let connection = match Systemd::connect().and_then(|systemd| listen(systemd.connection)) {
        Ok(connection) => connection,
        Err(error) => {
            for order in &orders {
                report(order, Outcome::Lost(error.to_string()));
            }
            return;
        }
    };
    let messages = MessageStream::from(connection.inner());
    let mut under_way = Orders {
        connection,
        queue: orders.into(),
        called: BTreeMap::new(),
        jobs: BTreeMap::new(),
        most_jobs,
    };
    let ended = under_way.carry_out(messages, &mut report);
    let why = ended.err().map(|error| error.to_string()).unwrap_or_default();
    let Orders {
        queue, called, jobs, ..
    } = under_way;
    let left = queue
        .into_iter()
        .chain(called.into_values())
        .chain(jobs.into_values());
    for order in left {
        report(&order, Outcome::Lost(why.clone()));
    }
}

/// Asks the bus for the ends of jobs; systemd tells of those of its callers' own jobs without being asked.
fn listen(connection: Connection) -> Result<Connection, Error> {
    let rule = format!("type='signal',sender='{NAME}',interface='{MANAGER}',member='JobRemoved'");
    connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", &rule)?;
    Ok(connection)
}

/// The next message, or nothing when there is none for a while.
fn next(messages: &mut MessageStream) -> Result<Option<Message>, Error> {
    let message = async {
        match messages.next().await {
            Some(message) => message.map(Some),
            None => Err(Error::Failure(
                "the system bus has closed the connection".to_owned(),
            )),
        }
    };
    let silence = async {
        Timer::after(SILENCE).await;
        Ok(None)
    };
    zbus::block_on(future::or(message, silence))
}

impl Orders {
    fn carry_out(
        &mut self,
        mut messages: MessageStream,
        report: &mut impl FnMut(&Order, Outcome),
    ) -> Result<(), Error> {
        loop {
            let has_room = |orders: &Self| {
                orders.called.len() < CALLS && orders.called.len() + orders.jobs.len() < orders.most_jobs
            };
            while has_room(self) {
                let Some(order) = self.queue.pop_front() else {
                    break;
                };
                self.send(order)?;
            }
            if self.called.is_empty() && self.jobs.is_empty() {
                return Ok(());
            }
            match next(&mut messages)? {
                Some(message) => {
                    if let Some((order, outcome)) = self.hear(&message)? {
                        report(&order, outcome);
                    }
                }
                None => self.ask_after_jobs(report),
            }
        }
    }

    /// Jobs that are not there any more have ended without being heard of.
    fn ask_after_jobs(&mut self, report: &mut impl FnMut(&Order, Outcome)) {
        for path in self.jobs.keys().cloned().collect::<Vec<_>>() {
            let state = self.connection.call_method(
                Some(NAME),
                path.as_str(),
                Some(PROPERTIES),
                "Get",
                &(JOB, "State"),
            );
            if let (Err(Error::MethodError(..)), Some(order)) = (state, self.jobs.get(&path).cloned()) {
                self.jobs.remove(&path);
                report(&order, Outcome::Lost("its job has ended unheard".to_owned()));
            }
        }
    }

    fn send(&mut self, order: Order) -> Result<(), Error> {
        let message = Message::method_call(MANAGER_PATH, order.verb.method())?
            .destination(NAME)?
            .interface(MANAGER)?
            .build(&(order.unit.as_str(), "replace"))?;
        self.connection.send(&message)?;
        self.called.insert(message.primary_header().serial_num(), order);
        Ok(())
    }

    /// What a message says of one of the orders.
    fn hear(&mut self, message: &Message) -> Result<Option<(Order, Outcome)>, Error> {
        let header = message.header();
        match message.message_type() {
            Type::MethodReturn => {
                let order = header
                    .reply_serial()
                    .and_then(|serial| self.called.remove(&serial));
                match order {
                    Some(order) if order.verb == Verb::Start => return Ok(Some((order, Outcome::Accepted))),
                    Some(order) => {
                        let job: OwnedObjectPath = message.body().deserialize()?;
                        self.jobs.insert(job.to_string(), order);
                    }
                    None => {}
                }
                Ok(None)
            }
            Type::Error => {
                let order = header
                    .reply_serial()
                    .and_then(|serial| self.called.remove(&serial));
                let why = message.body().deserialize::<String>().unwrap_or_default();
                Ok(order.map(|order| (order, Outcome::Refused(why))))
            }
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
