//! How `systemctl reload` reaches a running watchdog. `vassal-enter --reload` knows the number of the unit's main
//! process, and looks among that process's descriptors for a memfd with a certain name. This record says how the vassal
//! was started, and which descriptor is the socket for requests. Only root can open or copy another process's
//! descriptors (proc_pid_fd(5), pidfd_getfd(2)); so no path and no authentication is needed, and nothing of it is
//! visible in the vassal's namespaces.

use crate::codec::{Reader, Writer};
use nix::errno::Errno;
use nix::unistd::{Gid, Pid, Uid};
use std::fs::{File, read_dir, read_link};
use std::io::{Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;
use vassal_sys::clone::pidfd;
use vassal_sys::creds::Credentials;
use vassal_sys::error::Context;
use vassal_sys::{SysError, fds};

/// The record's name, as proc shows it. It changes with the record's format, because an upgraded vassal-enter may look
/// into a watchdog that has not been restarted.
const NAME: &str = "vassal-control.4";

/// A listening socket that was bound for the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The address it listens on.
    pub address: String,
    /// Its descriptor's number in the watchdog.
    pub number: RawFd,
    /// Its descriptor's number in the app; used for uWSGI only.
    pub inside: RawFd,
}

/// The record. Descriptors are given by their numbers in the watchdog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// The end of the socket through which requests are sent.
    pub requester: RawFd,
    /// A private proc of the vassal's PID namespace.
    pub proc: RawFd,
    /// The listening sockets that were bound for the app.
    pub sockets: Vec<Kept>,
    /// The settings that a reload cannot change, with their values at the start.
    pub restart_only: Vec<(String, Vec<u8>)>,
    /// The `env` lines of the running app.
    pub settings: Vec<(Vec<u8>, Vec<u8>)>,
    /// The environment that the app was started with, before its as-user hooks.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// The working directory that the app's process was started in.
    pub directory: Vec<u8>,
    /// The user and groups of the app.
    pub credentials: Credentials,
    /// The directory with the copies of keys, if there are any.
    pub keys: Option<RawFd>,
    /// For each copied key its path and the name of its copy.
    pub copies: Vec<(Vec<u8>, String)>,
    /// The unit's `WatchdogSec=`; zero without one.
    pub watchdog: Duration,
}

impl Control {
    /// Puts the record into a memfd by whose name the watchdog is found.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn store(&self) -> Result<OwnedFd, SysError> {
        self.write().into_named_memfd(NAME)
    }

    /// Puts a new record into a memfd without that name; the watchdog takes it over with [`Control::replace`].
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn store_next(&self) -> Result<OwnedFd, SysError> {
        self.write().into_named_memfd("vassal-next-control")
    }

    /// Overwrites `record` with the content of `next`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn replace(record: &OwnedFd, next: &OwnedFd) -> Result<(), SysError> {
        let step = || "replace the control record";
        let bytes = read(&File::from(next.try_clone().context(step)?)).context(step)?;
        let mut file = File::from(record.try_clone().context(step)?);
        file.rewind().context(step)?;
        file.set_len(0).context(step)?;
        file.write_all(&bytes).context(step)
    }

    fn write(&self) -> Writer {
        let pairs = |writer: &mut Writer, list: &[(Vec<u8>, Vec<u8>)]| {
            writer.list(list, |writer, (name, value)| {
                writer.bytes(name).bytes(value);
            });
        };
        let mut writer = Writer::default();
        writer.number(self.requester).number(self.proc);
        writer.list(&self.sockets, |writer, kept| {
            let address = kept.address.as_bytes();
            writer.bytes(address).number(kept.number).number(kept.inside);
        });
        writer.list(&self.restart_only, |writer, (name, value)| {
            writer.bytes(name.as_bytes()).bytes(value);
        });
        pairs(&mut writer, &self.settings);
        pairs(&mut writer, &self.environment);
        writer.bytes(&self.directory);
        write_credentials(&self.credentials, &mut writer);
        writer.descriptor(self.keys);
        writer.list(&self.copies, |writer, (path, name)| {
            writer.bytes(path).bytes(name.as_bytes());
        });
        writer.milliseconds(self.watchdog);
        writer
    }

    /// Reads `record`.
    ///
    /// # Errors
    /// `EINVAL` when it is not such a record; `EMFILE`.
    pub fn of(record: &OwnedFd) -> Result<Self, SysError> {
        Self::load(&File::from(
            record.try_clone().context(|| "read the control record")?,
        ))
    }

    fn load(file: &File) -> Result<Self, SysError> {
        let step = || "read the control record";
        let control = Self::read(&mut Reader::new(read(file).context(step)?));
        control.ok_or_else(|| SysError::new(step(), Errno::EINVAL))
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        let pairs = |reader: &mut Reader| reader.list(|reader| Some((reader.bytes()?, reader.bytes()?)));
        Some(Self {
            requester: reader.number()?,
            proc: reader.number()?,
            sockets: reader.list(|reader| {
                Some(Kept {
                    address: reader.text()?,
                    number: reader.number()?,
                    inside: reader.number()?,
                })
            })?,
            restart_only: reader.list(|reader| Some((reader.text()?, reader.bytes()?)))?,
            settings: pairs(reader)?,
            environment: pairs(reader)?,
            directory: reader.bytes()?,
            credentials: read_credentials(reader)?,
            keys: reader.descriptor()?,
            copies: reader.list(|reader| Some((reader.bytes()?, reader.text()?)))?,
            watchdog: reader.milliseconds()?,
        })
    }
}

fn read(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Appends credentials to a record.
pub fn write_credentials(credentials: &Credentials, writer: &mut Writer) {
    let Credentials {
        uid,
        gid,
        groups,
        capabilities,
    } = credentials;
    let number = |id: Option<u32>| id.map_or(-1, |id| id as i32);
    writer.number(number(uid.map(Uid::as_raw)));
    writer.number(number(gid.map(Gid::as_raw)));
    writer.flag(groups.is_some());
    writer.list(groups.as_deref().unwrap_or_default(), |writer, gid| {
        writer.number(gid.as_raw() as i32);
    });
    writer.flag(capabilities.is_some());
    let capabilities = capabilities.unwrap_or(0);
    writer
        .number(capabilities as i32)
        .number((capabilities >> 32) as i32);
}

/// Reads credentials from a record.
pub fn read_credentials(reader: &mut Reader) -> Option<Credentials> {
    let mut id = || reader.number().map(|id| (id != -1).then_some(id as u32));
    let (uid, gid) = (id()?.map(Uid::from_raw), id()?.map(Gid::from_raw));
    let has_groups = reader.flag()?;
    let groups = reader.list(|reader| reader.number().map(|gid| Gid::from_raw(gid as u32)))?;
    let has_capabilities = reader.flag()?;
    let half = |number: i32| u64::from(number as u32);
    let capabilities = half(reader.number()?) | half(reader.number()?) << 32;
    Some(Credentials {
        uid,
        gid,
        groups: has_groups.then_some(groups),
        capabilities: has_capabilities.then_some(capabilities),
    })
}

/// A running watchdog, as another root process sees it.
#[derive(Debug)]
pub struct Watchdog {
    /// Its process id.
    pub pid: Pid,
    process: OwnedFd,
    /// Its record.
    pub control: Control,
}

impl Watchdog {
    /// Finds the watchdog with the process id `pid`.
    ///
    /// # Errors
    /// `ESRCH` when that is not a watchdog, or is gone.
    pub fn find(pid: Pid) -> Result<Self, SysError> {
        let step = || format!("find the watchdog in process {pid}");
        let process = pidfd(pid)?;
        let link = format!("/memfd:{NAME} (deleted)");
        let is_record =
            |path: &PathBuf| read_link(path).is_ok_and(|target| target.as_os_str() == link.as_str());
        let entries = read_dir(format!("/proc/{pid}/fd")).context(step)?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let path = paths
            .find(is_record)
            .ok_or_else(|| SysError::new(step(), Errno::ESRCH))?;
        let control = Control::load(&File::open(path).context(step)?)?;
        Ok(Self {
            pid,
            process,
            control,
        })
    }

    /// The pidfd of the process.
    #[must_use]
    pub fn process(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }

    /// Copies one of its descriptors.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn copy_of(&self, number: RawFd) -> Result<OwnedFd, SysError> {
        fds::copy_of(self.process(), number)
    }

    /// Copies the directory of the copies of keys; `None` when there is none.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn keys(&self) -> Result<Option<OwnedFd>, SysError> {
        self.control.keys.map(|number| self.copy_of(number)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::getpid;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_process_finds_the_record_of_another_and_what_it_says_after_a_change() {
        let file = File::open("/proc/self/status").unwrap();
        let control = Control {
            requester: file.as_raw_fd(),
            proc: 9,
            sockets: vec![Kept {
                address: "127.0.0.1:9090".into(),
                number: 7,
                inside: 8,
            }],
            restart_only: vec![("user".into(), b"u".to_vec())],
            settings: vec![(b"A".to_vec(), b"B".to_vec())],
            environment: vec![(b"PATH".to_vec(), b"/bin".to_vec())],
            directory: b"/srv".to_vec(),
            credentials: Credentials {
                uid: Some(Uid::from_raw(20001)),
                gid: None,
                groups: Some(vec![Gid::from_raw(7)]),
                capabilities: Some(1 << 40 | 1 << 10),
            },
            keys: None,
            copies: vec![(b"/k".to_vec(), "0.pem".into())],
            watchdog: Duration::from_secs(90),
        };
        let record = control.store().unwrap();
        let found = Watchdog::find(getpid()).unwrap();
        assert_eq!(found.control, control);
        assert!(found.keys().unwrap().is_none());
        assert!(found.copy_of(control.requester).is_ok());
        let shorter = Control {
            sockets: Vec::new(),
            ..control
        };
        Control::replace(&record, &shorter.store_next().unwrap()).unwrap();
        assert_eq!(Watchdog::find(getpid()).unwrap().control, shorter);
    }
}
