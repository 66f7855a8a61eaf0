//! The part of systemd's D-Bus API (org.freedesktop.systemd1(5)) that is used here. A connection is made when there is
//! something to do and closed after that, so the end of a connection, or of systemd, needs no recovery: the next pass
//! reads the state again.
//!
//! It uses the system bus and not PID 1's own socket, which would need no broker: zbus ends the process at the first
//! message from that socket, because the sender is no unique name (measured with 5.13).

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

/// The socket of the system bus (dbus-daemon(1)).
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
pub(crate) const BUS: &str = "org.freedesktop.DBus";
pub(crate) const BUS_PATH: &str = "/org/freedesktop/DBus";
/// The name that systemd has on the bus while it is connected.
pub(crate) const NAME: &str = "org.freedesktop.systemd1";
pub(crate) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
pub(crate) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
pub(crate) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// How long the bus may take to accept the connection, and for each question where systemd is.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long systemd's name may be missing from the bus before systemd is asked to connect again; also the time until it
/// is asked once more. While systemd is executed again it has no name.
const ABSENCE: Duration = Duration::from_secs(1);
/// How long the name may be missing altogether.
const ABSENCE_LIMIT: Duration = Duration::from_secs(5);
/// How often the bus is asked for the name meanwhile.
const ABSENCE_INTERVAL: Duration = Duration::from_millis(50);
/// How long an answer may take: PID 1 may be in a daemon-reload of thousands of units, or be stopped.
const LIMIT: Duration = Duration::from_secs(600);
/// An error of the bus or of systemd.
pub type Error = zbus::Error;

/// A unit, as systemd lists it.
#[derive(Debug, Clone)]
pub struct ListedUnit {
    /// Its name.
    pub unit: String,
    /// `LoadState`.
    pub load: String,
    /// `ActiveState`.
    pub active: String,
    /// The object with its properties.
    pub path: OwnedObjectPath,
    /// The kind of the job that waits or runs; empty without one.
    pub job: String,
}

/// A connection to systemd.
#[derive(Debug, Clone)]
pub struct Systemd {
    /// The connection.
    pub(crate) connection: Connection,
    /// The unique name of systemd's own connection. When that connection has ended, the bus refuses a call to this name
    /// at once; for a call to [`NAME`] it would try to start systemd, and fail after 25 s.
    pub(crate) owner: String,
}

impl Systemd {
    /// Connects.
    ///
    /// # Errors
    /// When the system bus does not answer, or systemd does not connect to it.
    pub fn connect() -> Result<Self, Error> {
        // The socket is connected here, because zbus would use a thread for it that then wakes twice a second for ever.
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
    pub fn units(&self, patterns: &[&str]) -> Result<Vec<ListedUnit>, Error> {
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
        let listed = |(unit, _, load, active, _, _, path, _, job, _): Row| ListedUnit {
            unit,
            load,
            active,
            path,
            job,
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// Makes systemd reload all units.
    ///
    /// # Errors
    /// When systemd fails to.
    pub fn daemon_reload(&self) -> Result<(), Error> {
        self.manager("Reload", &()).map(drop)
    }

    /// Restarts a unit, or starts it.
    ///
    /// # Errors
    /// When systemd refuses.
    pub fn restart(&self, unit: &str) -> Result<(), Error> {
        self.manager("RestartUnit", &(unit, "replace")).map(drop)
    }

    /// Stops a unit.
    ///
    /// # Errors
    /// When systemd refuses.
    pub fn stop(&self, unit: &str) -> Result<(), Error> {
        self.manager("StopUnit", &(unit, "replace")).map(drop)
    }

    /// Resets the failed state of a unit. A unit that is not loaded has none.
    pub fn reset_failed(&self, unit: &str) {
        self.manager("ResetFailedUnit", &unit).map(drop).ok();
    }

    /// The path of a unit, which systemd loads for this.
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

/// Waits for `answer` of the bus, at most [`CONNECT_LIMIT`].
fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = async {
        Timer::after(CONNECT_LIMIT).await;
        Err(Error::Failure("the system bus does not answer".to_owned()))
    };
    zbus::block_on(future::or(answer, late))
}

/// Waits until systemd is on the bus, and returns the name of its connection. If the bus has closed systemd's
/// connection, systemd does not connect again by itself, so it gets SIGUSR1 (systemd(1), SIGNALS). It gets the signal
/// repeatedly, because it ignores it while it believes that it is connected.
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

/// Whether an answer comes from the bus itself: the call has not reached systemd, or systemd has not answered before
/// its connection ended.
pub(crate) fn is_of_bus(answer: &Message) -> bool {
    answer.header().sender().is_some_and(|sender| sender == BUS)
}
