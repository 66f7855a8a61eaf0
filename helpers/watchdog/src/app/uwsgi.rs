//! The Emperor's side of uWSGI's two sockets: one-byte messages (EMP-17), and configurations with a header (D4).

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_sys::fds::unread_bytes;
use vassal_systemd::send_queue::Interest;

/// How many bytes are read at once: more than a uWSGI sends in its life.
const MOST: usize = 4096;

/// How many reads there may be in a second without a pause. uWSGI sends a message every few seconds, and a dozen while
/// it loads.
const OFTEN: u32 = 64;
/// The pause after that: an app that sends all the time causes one wakeup in this time.
const PAUSE: Duration = Duration::from_millis(20);

/// An order to uWSGI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// Reload in place.
    Reload = 1,
    /// Stop when the requests in progress are answered (EMP-6; byte 0 ends workers within a request).
    Stop = 2,
}

/// Sends an order to uWSGI; `false` if the socket is closed.
pub fn send_order(emperor: &OwnedFd, order: Order) -> bool {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    send(emperor.as_raw_fd(), &[order as u8], flags).is_ok()
}

/// A message from uWSGI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// Byte 1: it has loaded everything. Not sent again after a reload.
    Loaded,
    /// Byte 5: it accepts requests.
    Accepting,
    /// Byte 2: it asks for its configuration, in order to reload in place.
    WantsConfiguration,
    /// Byte 22: it wants to be stopped.
    WantsStop,
    /// Byte 26: the heartbeat of a worker's loop.
    Heartbeat,
    /// Any other byte, for instance the one that means "loyal".
    Other,
}

/// The message of a byte.
pub fn meaning(byte: u8) -> Message {
    match byte {
        1 => Message::Loaded,
        2 => Message::WantsConfiguration,
        5 => Message::Accepting,
        22 => Message::WantsStop,
        26 => Message::Heartbeat,
        _ => Message::Other,
    }
}

/// The sockets of a uWSGI.
#[derive(Debug)]
pub struct Uwsgi {
    emperor: Option<OwnedFd>,
    /// `None` once uWSGI has not taken a configuration that it asked for.
    config: Option<File>,
    pushed: File,
    /// The beginning of the present second, and how many reads there were in it.
    heard: (Instant, u32),
    paused_until: Option<Instant>,
}

impl Uwsgi {
    /// The sockets, and the configuration that was pushed through the second one.
    pub fn new(emperor: OwnedFd, config: OwnedFd, pushed: OwnedFd) -> Self {
        Self {
            emperor: Some(emperor),
            config: Some(config.into()),
            pushed: pushed.into(),
            heard: (Instant::now(), 0),
            paused_until: None,
        }
    }

    /// The socket to wait for, until uWSGI closes it.
    pub fn socket(&self) -> Option<&OwnedFd> {
        self.emperor.as_ref()
    }

    /// The condition for the next read.
    pub fn interest(&self) -> Interest<'_> {
        match (&self.emperor, self.paused_until) {
            (None, _) => Interest::Nothing,
            (Some(_), Some(until)) if until > Instant::now() => Interest::At(until),
            (Some(emperor), _) => Interest::Readable(emperor.as_fd()),
        }
    }

    /// Counts a read.
    fn pace(&mut self) {
        let now = Instant::now();
        let (since, count) = &mut self.heard;
        if now.saturating_duration_since(*since) > Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        self.paused_until = (*count > OFTEN).then_some(now + PAUSE);
    }

    /// Reads the waiting messages, without blocking. Each kind is returned once, however often it was sent, and at most
    /// [`MOST`] bytes are read.
    pub fn messages(&mut self) -> Vec<Message> {
        let mut bytes = [0; MOST];
        let Some(emperor) = &self.emperor else {
            return Vec::new();
        };
        if self.paused_until.is_some_and(|until| until > Instant::now()) {
            return Vec::new();
        }
        match recv(emperor.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(length @ 1..) => {
                self.pace();
                let said = bytes[..length].iter().copied().map(meaning);
                said.fold(Vec::new(), |mut messages, message| {
                    if !messages.contains(&message) {
                        messages.push(message);
                    }
                    messages
                })
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Vec::new(),
            // uWSGI has closed its end: it is exiting, and its process will be reaped.
            Ok(0) | Err(_) => {
                self.emperor = None;
                Vec::new()
            }
        }
    }

    /// Sets the configuration for the next time uWSGI asks. Returns the previous one.
    pub fn exchange(&mut self, pushed: File) -> File {
        std::mem::replace(&mut self.pushed, pushed)
    }

    /// Pushes the configuration again. If uWSGI has not read the last one yet, nothing is done, as it will read that:
    /// an app that only asks cannot fill the socket.
    ///
    /// # Errors
    /// When uWSGI does not take it at once. Then it gets no configuration any more.
    pub fn push_again(&mut self) -> Result<(), SysError> {
        let Some(config) = self.config.take() else {
            return Ok(());
        };
        push(&config, &self.pushed).context(|| "push the configuration again")?;
        self.config = Some(config);
        Ok(())
    }
}

fn push(config: &File, pushed: &File) -> nix::Result<()> {
    if unread_bytes(config)? > 0 {
        return Ok(());
    }
    let bytes = |file: &File| {
        let mut bytes = vec![0; file.metadata()?.len() as usize];
        file.read_exact_at(&mut bytes, 0).map(|()| bytes)
    };
    let message = bytes(pushed).map_err(|_| Errno::EIO)?;
    // The longest possible message fits into a unix socket's empty buffer.
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    match send(config.as_raw_fd(), &message, flags)? {
        sent if sent == message.len() => Ok(()),
        _ => Err(Errno::EMSGSIZE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::io::Read;
    use std::io::Write;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .unwrap()
    }

    fn uwsgi() -> (Uwsgi, File, File) {
        let ((emperor, theirs), (config, config_theirs)) = (pair(), pair());
        let mut pushed = tempfile();
        pushed.write_all(b"s\x03\0\0abc").unwrap();
        (
            Uwsgi::new(emperor, config, pushed.into()),
            theirs.into(),
            config_theirs.into(),
        )
    }

    fn tempfile() -> File {
        nix::sys::memfd::memfd_create(c"test", nix::sys::memfd::MFdFlags::empty())
            .unwrap()
            .into()
    }

    #[test]
    fn bytes_are_messages_and_a_closed_socket_is_silent() {
        let (mut uwsgi, mut theirs, _config) = uwsgi();
        assert_eq!(uwsgi.messages(), []);
        theirs.write_all(&[1, 5, 2, 99]).unwrap();
        let expected = [
            Message::Loaded,
            Message::Accepting,
            Message::WantsConfiguration,
            Message::Other,
        ];
        assert_eq!(uwsgi.messages(), expected);
        let socket = uwsgi.socket().unwrap();
        assert!(send_order(socket, Order::Stop) && send_order(socket, Order::Reload));
        let mut said = [0; 2];
        theirs.read_exact(&mut said).unwrap();
        assert_eq!(said, [2, 1]);
        drop(theirs);
        assert!(!send_order(uwsgi.socket().unwrap(), Order::Stop));
        assert_eq!(uwsgi.messages(), []);
        assert!(uwsgi.socket().is_none());
    }

    #[test]
    fn an_app_that_goes_on_and_on_is_heard_a_few_times_a_second_and_nothing_is_lost() {
        let (mut uwsgi, mut theirs, _config) = uwsgi();
        let begun = Instant::now();
        let mut heard = 0;
        while begun.elapsed() < Duration::from_millis(400) {
            // It is full while nothing is heard.
            send(theirs.as_raw_fd(), &[99], MsgFlags::MSG_DONTWAIT).ok();
            heard += uwsgi.messages().len() as u32;
        }
        // The machine may have had other things to do meanwhile.
        let took = begun.elapsed();
        let most = OFTEN * (1 + took.as_secs() as u32) + (took.as_millis() / PAUSE.as_millis()) as u32 + 1;
        assert!(heard <= most, "{heard} after {took:?}");
        std::thread::sleep(PAUSE);
        uwsgi.messages();
        theirs.write_all(&[22]).unwrap();
        let until = uwsgi.paused_until.unwrap();
        assert!(matches!(uwsgi.interest(), Interest::At(_)) || until <= Instant::now());
        std::thread::sleep(PAUSE);
        assert!(matches!(uwsgi.interest(), Interest::Readable(_)));
        assert_eq!(uwsgi.messages(), [Message::WantsStop]);
    }

    #[test]
    fn the_configuration_is_pushed_as_often_as_it_is_wanted() {
        let (mut uwsgi, _theirs, mut config) = uwsgi();
        let mut bytes = [0; 7];
        for _ in 0..2 {
            uwsgi.push_again().unwrap();
            config.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"s\x03\0\0abc");
        }
    }

    #[test]
    fn an_app_that_asks_and_does_not_read_is_given_one_configuration() {
        let (mut uwsgi, _theirs, mut config) = uwsgi();
        (0..100_000).for_each(|_| uwsgi.push_again().unwrap());
        drop(uwsgi);
        let mut bytes = Vec::new();
        config.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"s\x03\0\0abc");
    }
}
