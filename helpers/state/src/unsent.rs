//! Messages that a program could not send yet, for the program that replaces it by exec.

use crate::codec::{Reader, Writer, leave};
use vassal_sys::error::SysError;
use vassal_sys::fds;

use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};
use vassal_systemd::journal::Journal;
use vassal_systemd::lines;
use vassal_systemd::notify::Notifier;
use vassal_systemd::send_queue::Datagram;

/// The messages. Descriptors, which stay open over the exec, are given by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Reaches end-of-file when messages to systemd may be sent ([`Notifier::speak_after`]).
    pub before: Option<RawFd>,
    /// Messages to systemd, and the descriptors they carry.
    pub datagrams: Vec<(Vec<u8>, Vec<RawFd>)>,
    /// Events for journald, encoded.
    pub events: Vec<Vec<u8>>,
    /// Bytes for standard error.
    pub lines: Vec<u8>,
}

impl Unsent {
    /// Collects what `notifier`, `journal` and standard error still have to send. The descriptors now belong to the
    /// next program.
    ///
    /// # Errors
    /// None for valid descriptors.
    pub fn of(notifier: &Notifier, journal: &Journal) -> Result<Self, SysError> {
        let (before, datagrams) = notifier.leave();
        let datagrams = datagrams.into_iter().map(|datagram| {
            let numbers = datagram
                .fds
                .into_iter()
                .map(give_away)
                .collect::<Result<_, _>>()?;
            Ok((datagram.text, numbers))
        });
        Ok(Self {
            before: before.map(give_away).transpose()?,
            datagrams: datagrams.collect::<Result<_, SysError>>()?,
            events: journal.leave(),
            lines: lines::leave(),
        })
    }

    /// A notifier that sends these messages through `socket`.
    ///
    /// # Errors
    /// `EBADF` for a descriptor that is not open.
    pub fn notifier(&self, socket: Option<OwnedFd>) -> Result<Notifier, SysError> {
        let datagrams = self.datagrams.iter().map(|(text, numbers)| {
            Ok(Datagram {
                text: text.clone(),
                fds: numbers
                    .iter()
                    .copied()
                    .map(fds::adopt)
                    .collect::<Result<_, _>>()?,
            })
        });
        let datagrams = datagrams.collect::<Result<_, SysError>>()?;
        let before = self.before.map(fds::adopt).transpose()?;
        Ok(Notifier::inherited(socket, before, datagrams))
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.descriptor(self.before);
        writer.list(&self.datagrams, |writer, (text, numbers)| {
            writer.bytes(text);
            writer.list(numbers, |writer, number| {
                writer.number(*number);
            });
        });
        writer.list(&self.events, |writer, event| {
            writer.bytes(event);
        });
        writer.bytes(&self.lines);
    }

    pub(crate) fn read(reader: &mut Reader) -> Option<Self> {
        Some(Self {
            before: reader.descriptor()?,
            datagrams: reader.list(|reader| Some((reader.bytes()?, reader.list(Reader::number)?)))?,
            events: reader.list(Reader::bytes)?,
            lines: reader.bytes()?,
        })
    }
}

/// Makes `fd` survive the next exec and gives up its ownership; returns its number.
fn give_away(fd: OwnedFd) -> Result<RawFd, SysError> {
    leave(Some(fd.as_fd()))?;
    Ok(fd.into_raw_fd())
}
