//! What the watchdog has to know about an app. It comes from vassal-enter at a start, and at each reload that replaces
//! the app.

use crate::codec::{Reader, Writer};
use std::time::Duration;

/// How the watchdog learns that the app serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// uWSGI sends byte 5 on its Emperor socket: a worker accepts requests.
    Accepting,
    /// uWSGI sends byte 1: it has loaded everything. It has no worker that would send byte 5.
    Loaded,
    /// `READY=1` on a notification socket of the watchdog's.
    Notify,
    /// A connection to this address (`IP:PORT` or a path) can be made.
    Connect(String),
    /// A connection to this address, whose socket was bound for the app, is accepted by one of the app's own processes.
    /// A mere connection would prove nothing: the kernel completes it even without an app.
    Accepted(String),
    /// A GET of this URL is answered with status 200 by one of the app's own processes.
    Http(Url),
    /// The app was started; nothing more is waited for.
    Started,
}

/// The URL of an HTTP health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// `IP:PORT` or the path of a unix socket.
    pub address: String,
    /// The path, which begins with a slash.
    pub path: String,
    /// Whether the socket at the address was bound for the app, so that other processes may accept from it, too.
    pub is_kept: bool,
}

/// How a serving app is asked about its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The URL that is asked.
    pub url: Url,
    /// The time from an answer to the next question.
    pub interval: Duration,
    /// How long an answer may take.
    pub deadline: Duration,
    /// After this many failures in a row the app is lost.
    pub failures: u32,
    /// The line that asks for it, such as `user001.ini:12`.
    pub origin: String,
}

/// How often an app has to send `WATCHDOG=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The longest time between two.
    pub limit: Duration,
    /// The line that demands it. `None`: demanded only of an app that has sent one.
    pub origin: Option<String>,
}

/// An app: its process, and how the watchdog deals with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its process id in the watchdog's PID namespace; the process leads a session and a process group.
    pub pid: i32,
    /// The name of its program, for messages.
    pub command: String,
    /// The probable reason when uWSGI loads no app; empty when nothing is known.
    pub hint: String,
    /// How the watchdog learns that it serves.
    pub readiness: Readiness,
    /// The signal that stops it; not used for uWSGI.
    pub stop_signal: i32,
    /// The signal that makes it reload in place; 0 for none.
    pub reload_signal: i32,
    /// How long it may take to stop before it is killed.
    pub stop_limit: Duration,
    /// How it is asked for its health, if it is.
    pub health: Option<HealthCheck>,
    /// The heartbeat it has to send on its notification socket once it serves.
    pub heartbeat: Option<Heartbeat>,
    /// The user id whose messages on that socket are the app's, beside root's. Used where the app has no PID namespace
    /// of its own; elsewhere the namespace tells.
    pub sender: Option<u32>,
}

impl App {
    /// Appends it to a record.
    pub fn write(&self, writer: &mut Writer) {
        writer
            .number(self.pid)
            .bytes(self.command.as_bytes())
            .bytes(self.hint.as_bytes());
        let (kind, address, path) = match &self.readiness {
            Readiness::Accepting => (0, "", ""),
            Readiness::Notify => (1, "", ""),
            Readiness::Connect(address) => (2, address.as_str(), ""),
            Readiness::Started => (3, "", ""),
            Readiness::Loaded => (4, "", ""),
            Readiness::Accepted(address) => (5, address.as_str(), ""),
            Readiness::Http(url) if url.is_kept => (7, url.address.as_str(), url.path.as_str()),
            Readiness::Http(url) => (6, url.address.as_str(), url.path.as_str()),
        };
        writer
            .number(kind)
            .bytes(address.as_bytes())
            .bytes(path.as_bytes());
        writer.number(self.stop_signal).number(self.reload_signal);
        writer.milliseconds(self.stop_limit);
        writer.list(self.health.as_slice(), |writer, check| check.write(writer));
        writer.list(self.heartbeat.as_slice(), |writer, beat| {
            writer.milliseconds(beat.limit);
            writer.list(beat.origin.as_slice(), |writer, origin| {
                writer.bytes(origin.as_bytes());
            });
        });
        writer.list(self.sender.as_slice(), |writer, uid| {
            writer.number(*uid as i32);
        });
    }

    /// Reads it from a record.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        Some(Self {
            pid: reader.number()?,
            command: reader.text()?,
            hint: reader.text()?,
            readiness: match (reader.number()?, reader.text()?, reader.text()?) {
                (0, ..) => Readiness::Accepting,
                (1, ..) => Readiness::Notify,
                (2, address, _) => Readiness::Connect(address),
                (4, ..) => Readiness::Loaded,
                (5, address, _) => Readiness::Accepted(address),
                (kind @ (6 | 7), address, path) => Readiness::Http(Url {
                    address,
                    path,
                    is_kept: kind == 7,
                }),
                _ => Readiness::Started,
            },
            stop_signal: reader.number()?,
            reload_signal: reader.number()?,
            stop_limit: reader.milliseconds()?,
            health: reader.list(HealthCheck::read)?.pop(),
            heartbeat: reader.list(Heartbeat::read)?.pop(),
            sender: reader.list(Reader::number)?.pop().map(|uid| uid as u32),
        })
    }
}

impl HealthCheck {
    fn write(&self, writer: &mut Writer) {
        let Self {
            url,
            interval,
            deadline,
            failures,
            origin,
        } = self;
        writer.bytes(url.address.as_bytes()).bytes(url.path.as_bytes());
        writer.flag(url.is_kept);
        writer.milliseconds(*interval).milliseconds(*deadline);
        writer.number(*failures as i32).bytes(origin.as_bytes());
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        Some(Self {
            url: Url {
                address: reader.text()?,
                path: reader.text()?,
                is_kept: reader.flag()?,
            },
            interval: reader.milliseconds()?,
            deadline: reader.milliseconds()?,
            failures: reader.number()? as u32,
            origin: reader.text()?,
        })
    }
}

impl Heartbeat {
    fn read(reader: &mut Reader) -> Option<Self> {
        Some(Self {
            limit: reader.milliseconds()?,
            origin: reader.list(Reader::text)?.pop(),
        })
    }
}
