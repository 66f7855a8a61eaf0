//! The descriptors that vassal-enter leaves open for the watchdog over the exec: a table of names and numbers.

use crate::codec::{Reader, Writer, leave};
use nix::errno::Errno;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use vassal_sys::error::SysError;
use vassal_sys::fds;

/// The names of the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// A socket connected to systemd's notification socket.
    Notify,
    /// A socket connected to journald.
    Journal,
    /// /sys/fs/fuse/connections.
    Fusectl,
    /// The restart record.
    RestartRecord,
    /// The read end of the hooks' output pipe, where a background process still has the write end open.
    Log,
    /// The watchdog's end of uWSGI's Emperor socket.
    Emperor,
    /// The watchdog's end of the socket through which configurations are pushed.
    Config,
    /// The configuration that was pushed, for the next time uWSGI asks for it.
    Pushed,
    /// The notification socket of a payload that has one ([`crate::handoff::Readiness::Notify`]).
    PayloadNotify,
    /// A private proc of this PID namespace.
    Proc,
    /// The mountinfo of the host's mount namespace, in which the vassal was started.
    HostMounts,
    /// The proc of the host's PID namespace, in which the vassal was started.
    HostProc,
    /// The file of the program `vassal-enter`, which runs the atexit hooks.
    Enter,
    /// The record of the atexit hooks.
    Atexit,
    /// The record of [`crate::reload_channel`], by which a reload finds the watchdog.
    Control,
    /// The end of the reload socket from which requests are read.
    Requests,
    /// The other end of the reload socket, which is open only for reloads to copy.
    Requester,
    /// The vassal's place among the concurrent starts, released when the vassal serves.
    Place,
    /// The directory of the health records.
    Health,
}

/// All names. A name's position is its number in the record.
const NAMES: [Name; 19] = [
    Name::Notify,
    Name::Journal,
    Name::Fusectl,
    Name::RestartRecord,
    Name::Log,
    Name::Emperor,
    Name::Config,
    Name::Pushed,
    Name::PayloadNotify,
    Name::Proc,
    Name::HostMounts,
    Name::HostProc,
    Name::Enter,
    Name::Atexit,
    Name::Control,
    Name::Requests,
    Name::Requester,
    Name::Place,
    Name::Health,
];

/// The rows of descriptors that exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Descriptors(Vec<(Name, RawFd)>);

impl Descriptors {
    /// Makes the descriptors in `rows` survive the next exec. They are only borrowed, and have to stay open until then.
    ///
    /// # Errors
    /// None for valid descriptors.
    pub fn of<'a>(rows: impl IntoIterator<Item = (Name, Option<BorrowedFd<'a>>)>) -> Result<Self, SysError> {
        let rows = rows.into_iter().filter_map(|(name, fd)| {
            let number = leave(fd).transpose()?;
            Some(number.map(|number| (name, number)))
        });
        rows.collect::<Result<_, _>>().map(Self)
    }

    /// Takes over the descriptor of this name, if there is one; each can be taken once.
    ///
    /// # Errors
    /// `EBADF` when it is not open.
    pub fn take(&mut self, name: Name) -> Result<Option<OwnedFd>, SysError> {
        let row = self.0.iter().position(|(own, _)| *own == name);
        let number = row.map(|row| self.0.swap_remove(row).1);
        number.map(fds::adopt).transpose()
    }

    /// Takes over a descriptor that is always there.
    ///
    /// # Errors
    /// `EBADF` when it is missing.
    pub fn need(&mut self, name: Name) -> Result<OwnedFd, SysError> {
        let missing = || SysError::new(format!("take over the descriptor {name:?}"), Errno::EBADF);
        self.take(name)?.ok_or_else(missing)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.list(&self.0, |writer, (name, number)| {
            writer.number(*name as i32).number(*number);
        });
    }

    pub(crate) fn read(reader: &mut Reader) -> Option<Self> {
        let row = |reader: &mut Reader| {
            let name = usize::try_from(reader.number()?).ok()?;
            Some((*NAMES.get(name)?, reader.number()?))
        };
        reader.list(row).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsFd, AsRawFd};

    #[test]
    fn every_name_has_its_number() {
        for (number, name) in NAMES.into_iter().enumerate() {
            assert_eq!(name as usize, number);
        }
    }

    #[test]
    fn what_was_left_is_read_back_and_taken_once() {
        let file = OwnedFd::from(std::fs::File::open("/proc").unwrap());
        let rows = [(Name::Log, None), (Name::Requester, Some(file.as_fd()))];
        let left = Descriptors::of(rows).unwrap();
        let mut writer = Writer::default();
        left.write(&mut writer);
        let mut read = Descriptors::read(&mut Reader::new(writer.into_bytes())).unwrap();
        assert_eq!(read, left);
        assert!(read.take(Name::Log).unwrap().is_none() && read.need(Name::Log).is_err());
        let number = file.as_raw_fd();
        // The number is taken over by the record's reader.
        std::mem::forget(file);
        assert_eq!(read.need(Name::Requester).unwrap().as_raw_fd(), number);
        assert!(read.take(Name::Requester).unwrap().is_none());
    }
}
