//! The descriptors that stay open over the exec from `vassal-enter` to the watchdog: rows of a name and a number.

use crate::codec::{Reader, Writer, leave};
use nix::errno::Errno;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use vassal_sys::error::SysError;
use vassal_sys::fds;

/// What a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// Connected to systemd's notify socket.
    Notify,
    /// Connected to journald.
    Journal,
    /// /sys/fs/fuse/connections.
    Fusectl,
    /// The restart record.
    RestartRecord,
    /// The read end of the hooks' log, where a background process still holds the other.
    Log,
    /// Our end of uWSGI's Emperor socket.
    Emperor,
    /// Our end of the socket that configurations are pushed through.
    Config,
    /// The configuration as it was pushed, for uWSGI to ask for again.
    Pushed,
    /// The notification socket of a payload that has one ([`crate::handoff::Readiness::Notify`]).
    PayloadNotify,
    /// A private proc of this PID namespace.
    Proc,
    /// The mountinfo of the namespace that the vassal was started in, the host's.
    HostMounts,
    /// The proc of the namespace that the vassal was started in, the host's.
    HostProc,
    /// The program of `vassal-enter`, to run the atexit hooks with.
    Enter,
    /// The record that it reads them from.
    Atexit,
    /// The record of [`crate::reload_channel`].
    Control,
    /// The end of its socket at which requests are read.
    Requests,
    /// The end at which they are written, open here for others to copy.
    Requester,
    /// The place among the starts of this moment, to be left when the vassal serves.
    Place,
    /// The directory of health records.
    Health,
}

/// All names; their places are their numbers in a record.
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

/// The descriptors that are left; one that there is none of has no row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Descriptors(Vec<(Name, RawFd)>);

impl Descriptors {
    /// Leaves those of `rows` that there are to the next program. They are borrowed, and must stay open until the exec.
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

    /// Takes over the descriptor of this name, if it was left; each can be taken once.
    ///
    /// # Errors
    /// `EBADF` when it is not open.
    pub fn take(&mut self, name: Name) -> Result<Option<OwnedFd>, SysError> {
        let row = self.0.iter().position(|(own, _)| *own == name);
        let number = row.map(|row| self.0.swap_remove(row).1);
        number.map(fds::adopt).transpose()
    }

    /// The same of one that is always left.
    ///
    /// # Errors
    /// `EBADF` when it is not there.
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
