//! What the watchdog is told of an app: by the start, and by each reload that puts another in its place.

use crate::codec::{Reader, Writer};
use std::time::Duration;

/// How the payload says that it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// uWSGI sends byte 5 on its Emperor socket: a worker accepts.
    Accepting,
    /// uWSGI sends byte 1: it has loaded everything, and has no worker that would say more.
    Loaded,
    /// `READY=1` on a notification socket of the watchdog's.
    Notify,
    /// A connection to this address (`IP:PORT` or a path) is accepted.
    Connect(String),
    /// A connection to this address, of a socket that was bound for the app, is accepted by one of its own processes: the
    /// kernel completes such a connection by itself, whether or not there is an app.
    Accepted(String),
    /// A GET of this is answered with status 200 by one of its own processes.
    Http(Url),
    /// It was started.
    Started,
}

/// Where an HTTP server is asked for its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// `IP:PORT` or the path of a unix socket.
    pub address: String,
    /// What is asked for, with the slash that it begins with.
    pub path: String,
    /// Whether the address is that of a socket which was bound for the app, and which others may accept from, too.
    pub is_kept: bool,
}

/// How an app that serves is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for.
    pub url: Url,
    /// From an answer to the next question.
    pub interval: Duration,
    /// How long an answer may take.
    pub deadline: Duration,
    /// So many failures in a row are the verdict.
    pub failures: u32,
    /// The line, as `user001.ini:12`.
    pub origin: String,
}

/// How often an app is to send `WATCHDOG=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The longest time between two.
    pub limit: Duration,
    /// The line that demands it; without one it is demanded of an app that has sent the first.
    pub origin: Option<String>,
}

/// An app: its process, and how it is dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its process id, as the watchdog sees it; it leads a session and a process group of its own.
    pub pid: i32,
    /// The first words of its command, for messages.
    pub command: String,
    /// What is probably wrong if uWSGI finds no app; empty when nothing is known.
    pub hint: String,
    /// How it says that it serves.
    pub readiness: Readiness,
    /// The signal that stops one that is not uWSGI.
    pub stop_signal: i32,
    /// The signal that reloads it in place; zero for none.
    pub reload_signal: i32,
    /// How long it may take to stop before it is killed.
    pub stop_limit: Duration,
    /// How it is asked for its health, if it is.
    pub health: Option<HealthCheck>,
    /// What is expected of it on its notification socket after it has come to serve.
    pub heartbeat: Option<Heartbeat>,
    /// Whose messages on that socket are its own, beside root's; where it has a PID namespace, that tells.
    pub sender: Option<u32>,
}

impl App {
    /// Adds it to a record.
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

    /// Reads it back.
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
