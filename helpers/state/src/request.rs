//! The requests that `vassal-enter --reload` sends to a running watchdog: one message each, with descriptors, the first
//! of which is the socket for answers. Only root can hold the other end of the request socket
//! ([`crate::reload_channel`]); malformed messages are ignored all the same.

use crate::app::App;
use crate::codec::{Reader, Writer};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, recv,
    recvmsg, send, sendmsg, socketpair,
};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;
use vassal_sys::error::Context;
use vassal_sys::{SysError, fds};

/// The longest message. The control record is larger and is sent as a descriptor.
const LONGEST: usize = 16 * 1024;
/// The most descriptors of a message.
const MOST: usize = 6;

/// A request.
#[derive(Debug)]
pub enum Request {
    /// Let the app reload in place.
    InPlace {
        /// The new configuration for uWSGI, when it asks for it.
        pushed: Option<OwnedFd>,
    },
    /// Start the next app beside the present one: a process waits for permission to become it.
    Successor {
        /// The app that it becomes.
        app: Box<App>,
        /// How long it may take until it serves.
        limit: Duration,
        /// The control record that is valid from then on.
        record: OwnedFd,
        /// Its connections with the watchdog.
        links: Links,
    },
    /// The vassal's file differs from what runs.
    Differs {
        /// When that was found.
        since: String,
        /// The reason, for the status line; empty where the difference is gone.
        why: String,
    },
}

/// The connections between an app and the watchdog.
#[derive(Debug)]
pub enum Links {
    /// uWSGI's two sockets.
    Uwsgi {
        /// The watchdog's end of the Emperor socket.
        emperor: OwnedFd,
        /// The watchdog's end of the configuration socket.
        config: OwnedFd,
        /// The configuration that was pushed through it.
        pushed: OwnedFd,
    },
    /// The notification socket of another program than uWSGI.
    Notify(OwnedFd),
    /// No connection.
    None,
}

/// An answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The watchdog knows the next app, which may be let go.
    Known,
    /// The request has been carried out.
    Done,
    /// The request was refused, for this reason; nothing has changed.
    Refused(String),
}

/// The two ends of a socket that preserves message boundaries.
///
/// # Errors
/// `EMFILE`.
pub fn pair() -> Result<(OwnedFd, OwnedFd), SysError> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).context(|| "make a socket pair")
}

impl Request {
    /// Sends the request; answers are sent to `answers`.
    ///
    /// # Errors
    /// `EAGAIN` when the watchdog does not read, `EPIPE` when it is gone.
    pub fn send(&self, socket: &OwnedFd, answers: &OwnedFd) -> Result<(), SysError> {
        let mut writer = Writer::default();
        let mut fds: Vec<RawFd> = vec![answers.as_raw_fd()];
        match self {
            Request::InPlace { pushed } => {
                writer.number(0);
                fds.extend(pushed.iter().map(AsRawFd::as_raw_fd));
            }
            Request::Successor {
                app,
                limit,
                record,
                links,
            } => {
                writer.number(1);
                app.write(&mut writer);
                writer.milliseconds(*limit);
                fds.push(record.as_raw_fd());
                match links {
                    Links::Uwsgi {
                        emperor,
                        config,
                        pushed,
                    } => fds.extend([emperor, config, pushed].map(AsRawFd::as_raw_fd)),
                    Links::Notify(socket) => fds.push(socket.as_raw_fd()),
                    Links::None => {}
                }
            }
            Request::Differs { since, why } => {
                writer.number(2).bytes(since.as_bytes()).bytes(why.as_bytes());
            }
        }
        let text = writer.into_bytes();
        let rights = [ControlMessage::ScmRights(&fds)];
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        sendmsg::<UnixAddr>(socket.as_raw_fd(), &[IoSlice::new(&text)], &rights, flags, None)
            .map(drop)
            .context(|| "ask the watchdog")
    }

    /// Returns the next request and its answer socket, without waiting; `None` when there is none.
    pub fn receive(socket: &OwnedFd) -> Option<(Self, OwnedFd)> {
        let mut text = vec![0; LONGEST];
        let mut control = nix::cmsg_space!([RawFd; MOST]);
        let mut buffers = [IoSliceMut::new(&mut text)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let received =
            recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut buffers, Some(&mut control), flags).ok()?;
        let mut fds = Vec::new();
        for message in received.cmsgs().ok()? {
            if let ControlMessageOwned::ScmRights(numbers) = message {
                fds.extend(numbers.into_iter().filter_map(|number| fds::adopt(number).ok()));
            }
        }
        let length = received.bytes;
        text.truncate(length);
        let mut fds = fds.into_iter();
        let answers = fds.next()?;
        Some((Self::read(&mut Reader::new(text), fds)?, answers))
    }

    fn read(reader: &mut Reader, mut fds: impl Iterator<Item = OwnedFd>) -> Option<Self> {
        Some(match reader.number()? {
            0 => Request::InPlace { pushed: fds.next() },
            1 => Request::Successor {
                app: Box::new(App::read(reader)?),
                limit: reader.milliseconds()?,
                record: fds.next()?,
                links: match (fds.next(), fds.next(), fds.next()) {
                    (Some(emperor), Some(config), Some(pushed)) => Links::Uwsgi {
                        emperor,
                        config,
                        pushed,
                    },
                    (Some(socket), ..) => Links::Notify(socket),
                    (None, ..) => Links::None,
                },
            },
            2 => Request::Differs {
                since: reader.text()?,
                why: reader.text()?,
            },
            _ => return None,
        })
    }
}

impl Answer {
    /// Sends the answer. A requester that is gone is no error.
    pub fn send(&self, answers: BorrowedFd<'_>) {
        let text = match self {
            Answer::Known => b"K".to_vec(),
            Answer::Done => b"D".to_vec(),
            Answer::Refused(reason) => [b"N", reason.as_bytes()].concat(),
        };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        match send(answers.as_raw_fd(), &text[..text.len().min(LONGEST)], flags) {
            // The requester may have been killed meanwhile.
            Ok(_) | Err(_) => {}
        }
    }

    /// Waits for the next answer; `None` when the watchdog has ended.
    ///
    /// # Errors
    /// As recv(2).
    pub fn receive(answers: &OwnedFd) -> Result<Option<Self>, SysError> {
        let mut text = vec![0; LONGEST];
        let length = loop {
            match recv(answers.as_raw_fd(), &mut text, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                received => break received.context(|| "hear from the watchdog")?,
            }
        };
        Ok(match &text[..length] {
            [] => None,
            [b'K'] => Some(Answer::Known),
            [b'D'] => Some(Answer::Done),
            [_, reason @ ..] => Some(Answer::Refused(String::from_utf8_lossy(reason).into_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Readiness;
    use std::fs::File;
    use std::os::fd::AsFd;

    fn file() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn a_request_arrives_with_its_descriptors_and_is_answered() {
        let (ours, theirs) = pair().unwrap();
        let (answers, answered) = pair().unwrap();
        assert!(Request::receive(&ours).is_none());
        let app = App {
            pid: 7,
            command: "uwsgi".into(),
            hint: String::new(),
            readiness: Readiness::Accepting,
            stop_signal: 15,
            reload_signal: 0,
            stop_limit: Duration::from_secs(30),
            health: None,
            heartbeat: None,
            sender: None,
        };
        let request = Request::Successor {
            app: Box::new(app.clone()),
            limit: Duration::from_secs(80),
            record: file(),
            links: Links::Uwsgi {
                emperor: file(),
                config: file(),
                pushed: file(),
            },
        };
        request.send(&theirs, &answered).unwrap();
        let (received, answered) = Request::receive(&ours).unwrap();
        match received {
            Request::Successor {
                app: known,
                links: Links::Uwsgi { .. },
                limit,
                ..
            } => assert_eq!((*known, limit), (app, Duration::from_secs(80))),
            other => panic!("{other:?}"),
        }
        let refused = Answer::Refused("no".into());
        for answer in [Answer::Known, Answer::Done, refused] {
            answer.send(answered.as_fd());
            assert_eq!(Answer::receive(&answers).unwrap(), Some(answer));
        }
        drop((answered, request));
    }

    #[test]
    fn what_is_no_request_is_none_and_keeps_no_descriptor() {
        let (ours, theirs) = pair().unwrap();
        send(theirs.as_raw_fd(), b"x", MsgFlags::empty()).unwrap();
        assert!(Request::receive(&ours).is_none());
        let (_, answered) = pair().unwrap();
        Request::InPlace { pushed: None }
            .send(&theirs, &answered)
            .unwrap();
        let differs = Request::Differs {
            since: "now".into(),
            why: "x".into(),
        };
        differs.send(&theirs, &answered).unwrap();
        assert!(matches!(
            Request::receive(&ours),
            Some((Request::InPlace { pushed: None }, _))
        ));
        assert!(matches!(Request::receive(&ours), Some((Request::Differs { why, .. }, _)) if why == "x"));
    }
}
