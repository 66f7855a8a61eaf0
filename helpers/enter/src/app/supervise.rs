//! The messages between the process that becomes the app and its supervisor, and the supervision itself.

use crate::failure::{Failure, HookFailure, Place};
use crate::hooks::output::HookOutput;
use crate::hooks::refusal::{place, with_last_words};
use crate::sockets::open;
use crate::stop::Stop;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;
use vassal_config::diagnostic::Public;
use vassal_config::vassal::plan::Operation;
use vassal_sys::SysError;
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;
use vassal_sys::fds;

/// The longest message; a longer failure is cut off.
const MESSAGE_LIMIT: usize = 8192;
/// The longest public text of a failure: its length is sent in one byte.
const PUBLIC_LIMIT: usize = 255;
/// Extra time for a hook with a limit of its own (wait_for_*), so that it can report itself what it has waited for.
const GRACE: Duration = Duration::from_millis(200);

/// A message of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It begins the operation of this index, and waits for permission.
    Hook(u32),
    /// It has bound the unix socket of this index in the list to this file.
    Bound(u32, open::File),
    /// Its hooks are done; it waits for permission to execute the app.
    Ready,
    /// It has failed to become the app.
    Failed(Failure),
}

/// One end of the socket between them. It is close-on-exec, so the supervisor sees end-of-file when the exec has
/// succeeded.
#[derive(Debug)]
pub struct Control(OwnedFd);

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Control {
    /// The two ends, the supervisor's first.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn pair() -> Result<(Self, Self), SysError> {
        socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .context(|| "make a socket pair")
        .map(|(one, other)| (Self(one), Self(other)))
    }

    /// Moves this end to a descriptor of at least `least`.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn above(self, least: RawFd) -> Result<Self, SysError> {
        fds::copy_above(self.0, least).map(Self)
    }

    /// Sends a message to the supervisor.
    ///
    /// # Errors
    /// `EPIPE` when the supervisor has ended.
    pub fn report(&self, report: &Report) -> Result<(), SysError> {
        let message = match report {
            Report::Hook(index) => [&b"H"[..], &index.to_le_bytes()].concat(),
            Report::Bound(index, (device, inode)) => [
                &b"B"[..],
                &index.to_le_bytes(),
                &device.to_le_bytes(),
                &inode.to_le_bytes(),
            ]
            .concat(),
            Report::Ready => b"R".to_vec(),
            Report::Failed(failure) => {
                let public = failure.public().to_string();
                let public = &public.as_bytes()[..public.len().min(PUBLIC_LIMIT)];
                let length = [public.len() as u8];
                [
                    &[b'F', failure.code()],
                    &length[..],
                    public,
                    failure.to_string().as_bytes(),
                ]
                .concat()
            }
        };
        let message = &message[..message.len().min(MESSAGE_LIMIT)];
        send(self.0.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL)
            .map(drop)
            .context(|| "report to vassal-enter")
    }

    /// Waits for the supervisor's permission.
    ///
    /// # Errors
    /// `ECONNRESET` when the supervisor has ended.
    pub fn wait_for_go(&self) -> Result<(), SysError> {
        let mut go = [0];
        match recv(self.0.as_raw_fd(), &mut go, MsgFlags::empty()).context(|| "wait for the go-ahead")? {
            0 => Err(SysError::new("wait for the go-ahead", Errno::ECONNRESET)),
            _ => Ok(()),
        }
    }

    /// Permits the process to go on.
    ///
    /// # Errors
    /// `EPIPE` when the process has ended.
    pub fn go(&self) -> Result<(), SysError> {
        send(self.0.as_raw_fd(), b"G", MsgFlags::MSG_NOSIGNAL)
            .map(drop)
            .context(|| "give the go-ahead")
    }

    /// Receives the next message. `None` at end-of-file: the process has executed the app, or ended without a message.
    ///
    /// # Errors
    /// As recv(2).
    pub fn receive(&self) -> Result<Option<Report>, SysError> {
        let mut buffer = vec![0; MESSAGE_LIMIT];
        let length = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty())
            .context(|| "hear from the app's process")?;
        Ok(match buffer[..length] {
            [] => None,
            [b'H', a, b, c, d] => Some(Report::Hook(u32::from_le_bytes([a, b, c, d]))),
            [b'B', ref numbers @ ..] if numbers.len() == 20 => {
                let word = |at: usize| {
                    numbers[at..at + 8]
                        .try_into()
                        .map(u64::from_le_bytes)
                        .unwrap_or_default()
                };
                let index = numbers[..4]
                    .try_into()
                    .map(u32::from_le_bytes)
                    .unwrap_or_default();
                Some(Report::Bound(index, (word(4), word(12))))
            }
            [b'F', code, length, ref texts @ ..] => {
                let (public, message) = texts.split_at(texts.len().min(length.into()));
                Some(Report::Failed(Failure::Reported {
                    code,
                    message: String::from_utf8_lossy(message).into_owned(),
                    public: Public::handed_over(public),
                }))
            }
            _ => Some(Report::Ready),
        })
    }
}

/// The unix sockets that were bound: their indexes in the list, and their files.
pub type Bound = Vec<(usize, open::File)>;

/// Supervises the process during its as-user phase.
#[derive(Debug)]
pub struct Supervisor<'a> {
    /// The supervisor's end of the socket.
    pub control: &'a Control,
    /// The operations that the process runs.
    pub operations: &'a [Operation],
    /// The hooks' output.
    pub log: &'a mut HookOutput,
    /// systemd's request to stop.
    pub stop: &'a Stop<'a>,
    /// How long one hook may take.
    pub limit: Duration,
    /// The unix sockets that the process has bound.
    pub bound: Bound,
}

/// Why [`Supervisor::wait`] has returned.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its hooks are done.
    Ready,
    /// The socket is at its end.
    Gone,
    /// systemd has asked to stop the vassal.
    Stopped,
}

impl Supervisor<'_> {
    /// Waits until the hooks are done, the socket is at its end, or a hook has exceeded its limit.
    ///
    /// # Errors
    /// The hook that failed, with its last words; the hook that exceeded its limit.
    pub fn wait(&mut self) -> Result<Outcome, Failure> {
        let mut current = None;
        let mut deadline = Deadline::after(self.limit);
        loop {
            if deadline.is_over() {
                return Err(self.timed_out(current));
            }
            match self.next_event(deadline)? {
                Event::Nothing => {}
                Event::Stop => return Ok(Outcome::Stopped),
                Event::Report(None) => return Ok(Outcome::Gone),
                Event::Report(Some(Report::Ready)) => return Ok(Outcome::Ready),
                Event::Report(Some(Report::Bound(index, file))) => self.bound.push((index as usize, file)),
                Event::Report(Some(Report::Hook(index))) => {
                    self.log.relay();
                    self.log.forget();
                    current = self.operations.get(index as usize);
                    deadline = Deadline::after(self.limit.saturating_add(GRACE));
                    if self.control.go().is_err() {
                        return Ok(Outcome::Gone);
                    }
                }
                Event::Report(Some(Report::Failed(failure))) => {
                    return Err(match current {
                        Some(operation) => with_last_words(failure, operation, self.log),
                        None => failure,
                    });
                }
            }
        }
    }

    fn next_event(&mut self, deadline: Deadline) -> Result<Event, Failure> {
        let mut fds = [
            PollFd::new(self.control.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.stop.wish(), PollFlags::POLLIN),
            PollFd::new(self.log.reader(), PollFlags::POLLIN),
        ];
        deadline
            .poll(&mut fds, deadline.left())
            .context(|| "wait for the app's process")?;
        let [reported, stop, _] = fds.map(|fd| fd.any().unwrap_or(false));
        self.log.relay();
        if stop {
            return Ok(Event::Stop);
        }
        if reported {
            Ok(Event::Report(self.control.receive()?))
        } else {
            Ok(Event::Nothing)
        }
    }

    fn timed_out(&mut self, current: Option<&Operation>) -> Failure {
        let problem = Failure::from(HookFailure::TimedOut { limit: self.limit });
        match current {
            Some(operation) => with_last_words(problem.at(&place(operation)), operation, self.log),
            None => problem.at(&Place::context("the process that becomes the app")),
        }
    }
}

enum Event {
    Nothing,
    Stop,
    Report(Option<Report>),
}
