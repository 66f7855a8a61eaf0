//! What a program has said and could not send yet, for the one that takes its place by exec.

use crate::codec::{Reader, Writer, leave};
use vassal_sys::error::SysError;
use vassal_sys::fds;

use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};
use vassal_systemd::journal::Journal;
use vassal_systemd::lines;
use vassal_systemd::notify::Notifier;
use vassal_systemd::send_queue::Datagram;

/// Messages, with the numbers of descriptors that stay open over the exec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Is at its end when the first message to systemd may go ([`Notifier::speak_after`]).
    pub before: Option<RawFd>,
    /// Messages to systemd, and what they carry.
    pub datagrams: Vec<(Vec<u8>, Vec<RawFd>)>,
    /// Events for journald, as they are sent.
    pub events: Vec<Vec<u8>>,
    /// Lines for standard error.
    pub lines: Vec<u8>,
}

impl Unsent {
    /// What `notifier`, `journal` and standard error have left. The descriptors are the next program's from here on.
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

    /// The notifier that goes on with `socket`.
    ///
    /// # Errors
    /// `EBADF` for a descriptor that is not there.
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

/// The number of a descriptor that stays open over the exec that comes next.
fn give_away(fd: OwnedFd) -> Result<RawFd, SysError> {
    leave(Some(fd.as_fd()))?;
    Ok(fd.into_raw_fd())
}
