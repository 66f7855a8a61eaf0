//! systemd's D-Bus API (org.freedesktop.systemd1(5)), as far as it is needed. A connection is made when there is something to do, and
//! closed after that, so a bus that was gone, or a systemd that was executed again, is nothing to recover from: what was not
//! heard of is looked at again.
//!
//! The system bus, and not PID 1's own socket, which needs no broker: zbus ends the process at the first message from there, as its
//! sender is no unique name (5.13, measured).

use async_io::Timer;
use futures_lite::future;
use libsystemd::daemon::booted;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};
use zbus::blocking::Connection;
use zbus::connection::Builder;
use zbus::message::Message;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

/// Where the system bus listens (dbus-daemon(1)).
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
pub(crate) const BUS: &str = "org.freedesktop.DBus";
pub(crate) const BUS_PATH: &str = "/org/freedesktop/DBus";
/// The name that systemd has on the bus while it is connected.
pub(crate) const NAME: &str = "org.freedesktop.systemd1";
pub(crate) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
pub(crate) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
pub(crate) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// How long the bus may take to let somebody in, and to say where systemd is.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long systemd's name may be missing before systemd is asked to connect again, and asked once more: it has none while it is
/// executed again.
const ABSENCE: Duration = Duration::from_secs(1);
/// How long it may be missing altogether.
const ABSENCE_LIMIT: Duration = Duration::from_secs(5);
/// How often the bus is asked meanwhile.
const ABSENCE_INTERVAL: Duration = Duration::from_millis(50);
/// How long an answer may take: PID 1 may be in the midst of a daemon-reload of thousands of units, or stand still.
const LIMIT: Duration = Duration::from_secs(600);
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
#[derive(Debug, Clone)]
pub struct Systemd {
    /// The connection.
    pub(crate) connection: Connection,
    /// The name of systemd's own connection. The bus answers at once when it has ended; a call to [`NAME`] would have it try to
    /// start a systemd, and fail after 25 s.
    pub(crate) owner: String,
}

impl Systemd {
    /// Connects.
    ///
    /// # Errors
    /// When the system bus does not answer, or systemd does not come to it.
    pub fn connect() -> Result<Self, Error> {
        // Connected here: zbus would have a thread do it, which then wakes twice a second for ever.
        let socket = UnixStream::connect(SYSTEM_BUS).map_err(|error| Error::InputOutput(error.into()))?;
        let connection = Builder::unix_stream(socket).method_timeout(LIMIT).build();
        let connection = in_time(connection)?.into();
        let owner = wait_for_owner(&connection)?;
        Ok(Self { connection, owner })
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

    /// Has a unit started again, or started.
    ///
    /// # Errors
    /// When systemd does not do it.
    pub fn restart(&self, unit: &str) -> Result<(), Error> {
        self.manager("RestartUnit", &(unit, "replace")).map(drop)
    }

    /// Has a unit stopped.
    ///
    /// # Errors
    /// When systemd does not do it.
    pub fn stop(&self, unit: &str) -> Result<(), Error> {
        self.manager("StopUnit", &(unit, "replace")).map(drop)
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
        let answer = self.connection.call_method(
            Some(self.owner.as_str()),
            path,
            Some(PROPERTIES),
            "Get",
            &(UNIT, property),
        )?;
        let value: OwnedValue = answer.body().deserialize()?;
        T::try_from(value).map_err(Into::into)
    }

    fn manager<B>(&self, method: &str, body: &B) -> Result<Message, Error>
    where
        B: zbus::export::serde::Serialize + zbus::zvariant::DynamicType,
    {
        self.connection.call_method(
            Some(self.owner.as_str()),
            MANAGER_PATH,
            Some(MANAGER),
            method,
            body,
        )
    }
}

/// What the bus answers within [`CONNECT_LIMIT`].
fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = async {
        Timer::after(CONNECT_LIMIT).await;
        Err(Error::Failure("the system bus does not answer".to_owned()))
    };
    zbus::block_on(future::or(answer, late))
}

/// Waits until systemd is on the bus; the name of its connection. One that the bus has dropped does not come back by itself: it is
/// asked to by SIGUSR1 (systemd(1), SIGNALS), more than once, as it does nothing while it believes to be connected.
fn wait_for_owner(connection: &Connection) -> Result<String, Error> {
    let begun = Instant::now();
    let mut calls_at = begun + ABSENCE;
    loop {
        let bus = connection.inner();
        match in_time(bus.call_method(Some(BUS), BUS_PATH, Some(BUS), "GetNameOwner", &NAME)) {
            Ok(answer) => return answer.body().deserialize(),
            Err(Error::MethodError(..)) if begun.elapsed() < ABSENCE_LIMIT => {}
            Err(Error::MethodError(..)) => {
                return Err(Error::Failure("systemd is not on the system bus".to_owned()));
            }
            Err(error) => return Err(error),
        }
        if calls_at <= Instant::now() && booted() {
            calls_at += ABSENCE;
            kill(Pid::from_raw(1), Signal::SIGUSR1)
                .map_err(|errno| Error::InputOutput(io::Error::from(errno).into()))?;
        }
        thread::sleep(ABSENCE_INTERVAL);
    }
}

/// Whether an answer was given by the bus in systemd's place: what was asked for has not reached systemd, or systemd has not answered
/// before its connection ended.
pub(crate) fn is_of_bus(answer: &Message) -> bool {
    answer.header().sender().is_some_and(|sender| sender == BUS)
}
