//! One question about an app's health, asked by a process that can be abandoned. The process writes its result into a
//! pipe, and is killed when its time is over.

use crate::liveness::http::Connection;
use crate::liveness::verdict::Sign;
use crate::liveness::way::Way;
use crate::processes::probe::Probe;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Pid, pipe2};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use vassal_state::app::{HealthCheck, Url};
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;
use vassal_sys::{SysError, signals};

/// How long the rest of a good answer is read.
const REST: Duration = Duration::from_secs(1);

/// A question that is being asked.
#[derive(Debug)]
pub struct Question {
    probe: Probe,
    answer: File,
    /// When its time is over.
    pub end: Instant,
    limit: Duration,
}

/// The message in the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Message([u8; 9]);

impl Question {
    /// Asks by `rule`, reaching the app by `way`; `None` if no process can be forked now.
    ///
    /// # Errors
    /// `EMFILE`; errors of fork(2).
    pub fn ask(rule: &HealthCheck, way: Way<'_>, now: Instant) -> Result<Option<Self>, SysError> {
        let (url, limit) = (&rule.url, rule.deadline);
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let (answer, theirs) = pipe2(flags).context(|| "make a pipe")?;
        let sent = Probe::run(|| find_out(url, way, limit, theirs))?;
        Ok(sent.map(|probe| Self {
            probe,
            answer: answer.into(),
            end: now + limit,
            limit,
        }))
    }

    /// The process that asks.
    pub fn pid(&self) -> Pid {
        self.probe.pid
    }

    /// The result and how long it took, if it has arrived.
    pub fn found(&mut self) -> Option<(Sign, Duration)> {
        let mut bytes = [0; 9];
        self.answer.read_exact(&mut bytes).ok()?;
        Some(Message(bytes).meaning(self.limit))
    }

    /// Kills the process, because its time is over.
    pub fn stop(&self) {
        self.probe.end();
    }

    /// The machine did not run for `time`, which is not counted.
    pub fn forgive(&mut self, time: Duration) {
        self.end += time;
    }
}

/// Runs in the process; the exit code has no meaning.
fn find_out(url: &Url, way: Way<'_>, limit: Duration, theirs: OwnedFd) -> i32 {
    let begun = Instant::now();
    let deadline = Deadline::after(limit);
    let reset = signals::reset().map_err(|error| error.errno);
    let asked = reset
        .and_then(|()| Connection::to(&url.address, way, deadline))
        .and_then(|mut connection| connection.ask(url, deadline).map(|()| connection));
    let (sign, connection) = match asked {
        Ok(mut connection) => (connection.sign(deadline), Some(connection)),
        Err(Errno::ETIMEDOUT | Errno::EAGAIN | Errno::EINPROGRESS) => (Sign::Late(limit), None),
        Err(errno) => (Sign::Failed(errno), None),
    };
    let told = File::from(theirs).write_all(&Message::of(sign, begun.elapsed()).0);
    if let Some(connection) = connection {
        connection.finish(Deadline::after(deadline.left().min(REST)));
    }
    i32::from(told.is_err())
}

impl Message {
    fn of(sign: Sign, took: Duration) -> Self {
        let (kind, number) = match sign {
            Sign::Status(status) => (0, status.into()),
            Sign::NoHttp => (1, 0),
            Sign::Closed => (2, 0),
            Sign::Failed(errno) => (3, errno as u32),
            Sign::Late(_) => (4, 0),
        };
        let mut bytes = [kind; 9];
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        bytes[1..5].copy_from_slice(&number.to_le_bytes());
        bytes[5..].copy_from_slice(&took.to_le_bytes());
        Self(bytes)
    }

    fn meaning(self, limit: Duration) -> (Sign, Duration) {
        let [kind, a, b, c, d, took @ ..] = self.0;
        let number = u32::from_le_bytes([a, b, c, d]);
        let sign = match kind {
            0 => Sign::Status(number as u16),
            1 => Sign::NoHttp,
            2 => Sign::Closed,
            3 => Sign::Failed(Errno::from_raw(number as i32)),
            _ => Sign::Late(limit),
        };
        (sign, Duration::from_micros(u32::from_le_bytes(took).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI32, Ordering};

    /// Above any that a process can have.
    static NEXT: AtomicI32 = AtomicI32::new(i32::MAX);

    impl Question {
        /// One of which there is no process, and that has found `sign` or nothing.
        pub fn found_out(sign: Option<Sign>, limit: Duration, now: Instant) -> Self {
            let (answer, theirs) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
            if let Some(sign) = sign {
                let message = Message::of(sign, Duration::from_millis(1));
                File::from(theirs).write_all(&message.0).unwrap();
            }
            let pid = Pid::from_raw(NEXT.fetch_sub(1, Ordering::Relaxed));
            Self {
                probe: Probe { pid, since: now },
                answer: answer.into(),
                end: now + limit,
                limit,
            }
        }
    }

    #[test]
    fn what_is_found_arrives_as_it_was_sent() {
        const LIMIT: Duration = Duration::from_secs(5);
        let signs = [
            Sign::Status(503),
            Sign::NoHttp,
            Sign::Closed,
            Sign::Failed(Errno::ECONNREFUSED),
            Sign::Late(LIMIT),
        ];
        for sign in signs {
            let took = Duration::from_micros(4711);
            assert_eq!(Message::of(sign, took).meaning(LIMIT), (sign, took));
        }
    }
}
