//! The way from `systemctl reload` to a running watchdog. `vassal-enter --reload` finds it by the main process's number:
//! among that process's descriptors is a record, a memfd of a name of its own, which says where the two pipes are and what
//! the vassal was started with. Root alone can open another process's descriptors (proc_pid_fd(5)), so no path, no
//! socket and no credential is needed, and nothing of it is in the vassal's namespaces.

use crate::codec::{Reader, Writer};
use vassal_sys::SysError;
use vassal_sys::error::Context;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, pipe2};
use std::fs::{File, OpenOptions, read_dir, read_link};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

/// The record's name, as proc shows it. It changes with the record's format, as an upgraded vassal-enter looks into a watchdog
/// that has not been restarted.
const NAME: &str = "vassal-control.2";

/// The request, on the first pipe.
pub const RELOAD: u8 = b'R';
/// The answer, on the second: it has been done.
pub const DONE: u8 = b'D';
/// The answer: there is nothing that could be reloaded, or not yet.
pub const REFUSED: u8 = b'N';

/// What the record says. Numbers are those of the watchdog's descriptors, unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// The pipe of requests.
    pub request: RawFd,
    /// The pipe of answers.
    pub answer: RawFd,
    /// The configuration that uWSGI asks for, where there is one.
    pub pushed: Option<RawFd>,
    /// The app's listening sockets, by address, and their numbers in the app.
    pub sockets: Vec<(String, RawFd)>,
    /// What a reload cannot change, by name, as it was at the start.
    pub lasting: Vec<(String, Vec<u8>)>,
    /// The `env` lines of the start.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// The directory of the copies of keys, where there are some.
    pub keys: Option<RawFd>,
    /// The path of each of them, and the name of its copy.
    pub copies: Vec<(Vec<u8>, String)>,
}

impl Control {
    /// Writes the record into a memfd.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn store(&self) -> Result<OwnedFd, SysError> {
        let mut writer = Writer::default();
        writer
            .number(self.request)
            .number(self.answer)
            .number(self.pushed.unwrap_or(-1));
        writer.list(&self.sockets, |writer, (address, number)| {
            writer.bytes(address.as_bytes()).number(*number);
        });
        writer.list(&self.lasting, |writer, (name, value)| {
            writer.bytes(name.as_bytes()).bytes(value);
        });
        writer.list(&self.environment, |writer, (name, value)| {
            writer.bytes(name).bytes(value);
        });
        writer.number(self.keys.unwrap_or(-1));
        writer.list(&self.copies, |writer, (path, name)| {
            writer.bytes(path).bytes(name.as_bytes());
        });
        writer.into_named_memfd(NAME)
    }

    /// Reads the record back from its memfd.
    ///
    /// # Errors
    /// `EINVAL` for something else; `EMFILE`.
    pub fn load(record: &OwnedFd) -> Result<Self, SysError> {
        let step = || "read the control record";
        let copy = record.try_clone().context(step)?;
        let control = Self::read(&mut Reader::from_file(File::from(copy))?);
        control.ok_or_else(|| SysError::new(step(), Errno::EINVAL))
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        Some(Self {
            request: reader.number()?,
            answer: reader.number()?,
            pushed: descriptor(reader.number()?),
            sockets: reader.list(|reader| Some((reader.text()?, reader.number()?)))?,
            lasting: reader.list(|reader| Some((reader.text()?, reader.bytes()?)))?,
            environment: reader.list(|reader| Some((reader.bytes()?, reader.bytes()?)))?,
            keys: descriptor(reader.number()?),
            copies: reader.list(|reader| Some((reader.bytes()?, reader.text()?)))?,
        })
    }
}

fn descriptor(number: RawFd) -> Option<RawFd> {
    (number >= 0).then_some(number)
}

/// A pipe of which one descriptor is both ends, so that it is never at its end.
///
/// # Errors
/// `EMFILE`; a proc that is not there.
pub fn endless_pipe(proc: &OwnedFd) -> Result<OwnedFd, SysError> {
    let step = || "make a pipe";
    let (reader, _writer) = pipe2(OFlag::O_CLOEXEC).context(step)?;
    let path = format!("self/fd/{}", reader.as_raw_fd());
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    nix::fcntl::openat(proc, path.as_str(), flags, Mode::empty()).context(step)
}

/// A running watchdog, seen from another process of root's.
#[derive(Debug)]
pub struct Watchdog {
    process: Pid,
    /// Its record.
    pub control: Control,
}

impl Watchdog {
    /// The watchdog whose process is `process`.
    ///
    /// # Errors
    /// `ESRCH` when it is none, or gone.
    pub fn find(process: Pid) -> Result<Self, SysError> {
        let step = || format!("find the watchdog in process {process}");
        let link = format!("/memfd:{NAME} (deleted)");
        let is_record =
            |path: &PathBuf| read_link(path).is_ok_and(|target| target.as_os_str() == link.as_str());
        let entries = read_dir(format!("/proc/{process}/fd")).context(step)?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let path = paths
            .find(is_record)
            .ok_or_else(|| SysError::new(step(), Errno::ESRCH))?;
        let record: OwnedFd = File::open(path).context(step)?.into();
        let control = Control::load(&record)?;
        Ok(Self { process, control })
    }

    fn path(&self, number: RawFd) -> String {
        format!("/proc/{}/fd/{number}", self.process)
    }

    /// Both pipes: one to write requests into, one to read answers from, which do not wait.
    ///
    /// # Errors
    /// When the watchdog is gone.
    pub fn pipes(&self) -> Result<(File, OwnedFd), SysError> {
        let step = || "open the watchdog's pipes";
        let request = OpenOptions::new()
            .write(true)
            .open(self.path(self.control.request));
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let answer = open(self.path(self.control.answer).as_str(), flags, Mode::empty());
        Ok((request.context(step)?, answer.context(step)?))
    }

    /// The directory of the copies of keys; nothing where there are none.
    ///
    /// # Errors
    /// When the watchdog is gone.
    pub fn keys(&self) -> Result<Option<OwnedFd>, SysError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = |number| open(self.path(number).as_str(), flags, Mode::empty());
        let opened = self.control.keys.map(directory).transpose();
        opened.context(|| "open the copies of keys")
    }

    /// The configuration that uWSGI will be given when it asks again, to be replaced.
    ///
    /// # Errors
    /// `ENOENT` for an app that is not uWSGI.
    pub fn pushed(&self) -> Result<File, SysError> {
        let step = || "open the app's configuration";
        let number = self
            .control
            .pushed
            .ok_or_else(|| SysError::new(step(), Errno::ENOENT))?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .open(self.path(number))
            .context(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{getpid, read};
    use std::io::Write;

    #[test]
    fn a_process_finds_the_record_and_the_pipes_of_another() {
        let proc: OwnedFd = File::open("/proc").unwrap().into();
        let (request, answer) = (endless_pipe(&proc).unwrap(), endless_pipe(&proc).unwrap());
        let control = Control {
            request: request.as_raw_fd(),
            answer: answer.as_raw_fd(),
            pushed: None,
            sockets: vec![("127.0.0.1:9090".into(), 7)],
            lasting: vec![("user".into(), b"u".to_vec())],
            environment: vec![(b"A".to_vec(), b"B".to_vec())],
            keys: None,
            copies: vec![(b"/k".to_vec(), "0.pem".into())],
        };
        let _record = control.store().unwrap();
        let found = Watchdog::find(getpid()).unwrap();
        assert_eq!(found.control, control);
        let (mut writes, reads) = found.pipes().unwrap();
        writes.write_all(&[RELOAD]).unwrap();
        nix::unistd::write(&answer, &[DONE]).unwrap();
        let mut byte = [0];
        assert_eq!(read(&request, &mut byte), Ok(1));
        assert_eq!(byte, [RELOAD]);
        assert_eq!(read(&reads, &mut byte), Ok(1));
        assert_eq!(byte, [DONE]);
        drop((writes, reads));
        assert_eq!(read(&request, &mut byte), Err(Errno::EAGAIN));
        assert!(found.pushed().is_err());
        assert!(found.keys().unwrap().is_none());
    }
}
