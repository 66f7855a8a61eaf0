//! What `vassal-enter` leaves to `vassal-watchdog` over exec: a plain record in a memfd, whose number is the
//! watchdog's only argument. Both ends are one build; the first field says so.

use crate::codec::{Reader, Writer};
use crate::unsent::Unsent;
use nix::errno::Errno;
use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vassal_sys::error::SysError;
use vassal_sys::fds;
use vassal_sys::mountinfo::Mount;

const VERSION: &[u8] = env!("CARGO_PKG_VERSION").as_bytes();

/// A mountpoint to watch, and what was mounted there when the app was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The mount itself; its `mountpoint` is the path with all links resolved.
    pub mount: Mount,
    /// The `mountpoint-check` line, as `user001.ini:10`.
    pub origin: String,
}

/// How the payload says that it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// uWSGI sends byte 5 on its Emperor socket: a worker accepts.
    Accepting,
    /// uWSGI sends byte 1: it has loaded everything, and has no worker that would say more.
    Loaded,
    /// `READY=1` on a notification socket of the watchdog's.
    Notify,
    /// A connection to this address (`IP:PORT` or a path) is accepted.
    Connect(String),
    /// It was started.
    Started,
}

/// Descriptors by number, all open in the next program. `None` where there is nothing to leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// Connected to systemd's notify socket.
    pub notify: Option<RawFd>,
    /// Connected to journald.
    pub journal: Option<RawFd>,
    /// /sys/fs/fuse/connections.
    pub fusectl: Option<RawFd>,
    /// The restart record.
    pub restart_record: Option<RawFd>,
    /// The read end of the hooks' log, where a background process still holds the other.
    pub log: Option<RawFd>,
    /// Our end of uWSGI's Emperor socket.
    pub emperor: Option<RawFd>,
    /// Our end of the socket that configurations are pushed through.
    pub config: Option<RawFd>,
    /// The configuration as it was pushed, for uWSGI to ask for again.
    pub pushed: Option<RawFd>,
    /// The notification socket of a payload that has one ([`Readiness::Notify`]).
    pub payload_notify: Option<RawFd>,
    /// A private proc of this PID namespace.
    pub proc: Option<RawFd>,
    /// The mountinfo of the namespace that the vassal was started in, the host's.
    pub host_mounts: Option<RawFd>,
    /// The proc of the namespace that the vassal was started in, the host's.
    pub host_proc: Option<RawFd>,
    /// The program of `vassal-enter`, to run the atexit hooks with, and the record it reads them from.
    pub enter: Option<RawFd>,
    /// See `enter`.
    pub atexit: Option<RawFd>,
    /// The record and the two pipes of [`crate::reload_channel`].
    pub control: Option<RawFd>,
    /// See `control`.
    pub request: Option<RawFd>,
    /// See `control`.
    pub answer: Option<RawFd>,
    /// The directory of health records.
    pub health: Option<RawFd>,
}

/// Everything the watchdog knows of its vassal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// The vassal's name, for messages.
    pub vassal: String,
    /// The unit's name, for the journal.
    pub unit: String,
    /// The payload's process id, as the watchdog sees it.
    pub payload: i32,
    /// The first words of the payload's command, for messages.
    pub command: String,
    /// What is probably wrong if uWSGI finds no app; empty when nothing is known.
    pub app_hint: String,
    /// Whether the watchdog is the init of a PID namespace, so that every process it can see is the vassal's.
    pub is_init: bool,
    /// Whether the mounts are the vassal's own, so that they may be unmounted at the end.
    pub owns_mounts: bool,
    /// The device numbers of the FUSE filesystems and overlays that were there before the vassal: never touched.
    pub foreign: Vec<(u32, u32)>,
    /// The mountpoints to watch.
    pub watched: Vec<Watched>,
    /// How the payload says that it serves.
    pub readiness: Readiness,
    /// The signal that stops a payload that is not uWSGI.
    pub stop_signal: i32,
    /// The signal that reloads it; zero for none.
    pub reload_signal: i32,
    /// How long the payload may take to stop before it is killed.
    pub stop_limit: Duration,
    /// How long the atexit hooks may take, all together.
    pub atexit_limit: Duration,
    /// The time between two probes of a mountpoint; zero: what its kind needs.
    pub interval: Duration,
    /// How long a filesystem may leave a request unanswered; zero: what its kind may.
    pub deadline: Duration,
    /// The time between two keep-alives for systemd; zero when the unit has no `WatchdogSec=`.
    pub keep_alive: Duration,
    /// When the vassal's file was read.
    pub loaded: SystemTime,
    /// The descriptors.
    pub fds: Descriptors,
    /// What was said and could not be sent yet.
    pub unsent: Unsent,
}

impl Handoff {
    /// Writes the record into a memfd.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn store(&self) -> Result<OwnedFd, SysError> {
        let mut writer = Writer::default();
        writer.bytes(VERSION);
        writer
            .bytes(self.vassal.as_bytes())
            .number(self.payload)
            .bytes(self.command.as_bytes());
        writer.bytes(self.app_hint.as_bytes()).bytes(self.unit.as_bytes());
        writer
            .number(i32::from(self.is_init))
            .number(i32::from(self.owns_mounts));
        writer.list(&self.foreign, |writer, (major, minor)| {
            writer.number(*major as i32).number(*minor as i32);
        });
        writer.list(&self.watched, write_watched);
        let (kind, address) = match &self.readiness {
            Readiness::Accepting => (0, ""),
            Readiness::Notify => (1, ""),
            Readiness::Connect(address) => (2, address.as_str()),
            Readiness::Started => (3, ""),
            Readiness::Loaded => (4, ""),
        };
        writer.number(kind).bytes(address.as_bytes());
        writer.number(self.stop_signal).number(self.reload_signal);
        for limit in [
            self.stop_limit,
            self.atexit_limit,
            self.interval,
            self.deadline,
            self.keep_alive,
        ] {
            writer.number(limit.as_millis().min(i32::MAX as u128) as i32);
        }
        let loaded = self.loaded.duration_since(UNIX_EPOCH).unwrap_or_default();
        writer.bytes(&loaded.as_nanos().to_le_bytes());
        self.fds.numbers().iter().for_each(|fd| {
            writer.number(fd.unwrap_or(-1));
        });
        self.unsent.write(&mut writer);
        writer.into_memfd()
    }

    /// Reads the record back from descriptor `number` and marks every descriptor it names close-on-exec again.
    ///
    /// # Errors
    /// `EINVAL` when the record is not from this build's `vassal-enter`.
    pub fn load(number: RawFd) -> Result<Self, SysError> {
        let handoff = Self::read(&mut Reader::from_memfd(number)?)
            .ok_or_else(|| SysError::new("read what vassal-enter left", Errno::EINVAL))?;
        fds::cloexec_from(3)?;
        Ok(handoff)
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        (reader.bytes()? == VERSION).then_some(())?;
        Some(Self {
            vassal: reader.text()?,
            payload: reader.number()?,
            command: reader.text()?,
            app_hint: reader.text()?,
            unit: reader.text()?,
            is_init: reader.number()? != 0,
            owns_mounts: reader.number()? != 0,
            foreign: reader.list(|reader| Some((reader.number()? as u32, reader.number()? as u32)))?,
            watched: reader.list(read_watched)?,
            readiness: match (reader.number()?, reader.text()?) {
                (0, _) => Readiness::Accepting,
                (1, _) => Readiness::Notify,
                (2, address) => Readiness::Connect(address),
                (4, _) => Readiness::Loaded,
                _ => Readiness::Started,
            },
            stop_signal: reader.number()?,
            reload_signal: reader.number()?,
            stop_limit: reader.milliseconds()?,
            atexit_limit: reader.milliseconds()?,
            interval: reader.milliseconds()?,
            deadline: reader.milliseconds()?,
            keep_alive: reader.milliseconds()?,
            loaded: UNIX_EPOCH + reader.nanoseconds()?,
            fds: Descriptors::read(reader)?,
            unsent: Unsent::read(reader)?,
        })
    }
}

impl Descriptors {
    fn numbers(&self) -> [Option<RawFd>; 18] {
        let Self {
            notify,
            journal,
            fusectl,
            restart_record,
            log,
            emperor,
            config,
            pushed,
            payload_notify,
            proc,
            host_mounts,
            host_proc,
            enter,
            atexit,
            control,
            request,
            answer,
            health,
        } = self;
        [
            *notify,
            *journal,
            *fusectl,
            *restart_record,
            *log,
            *emperor,
            *config,
            *pushed,
            *payload_notify,
            *proc,
            *host_mounts,
            *host_proc,
            *enter,
            *atexit,
            *control,
            *request,
            *answer,
            *health,
        ]
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        let mut next = || reader.number().map(|fd| (fd >= 0).then_some(fd));
        Some(Self {
            notify: next()?,
            journal: next()?,
            fusectl: next()?,
            restart_record: next()?,
            log: next()?,
            emperor: next()?,
            config: next()?,
            pushed: next()?,
            payload_notify: next()?,
            proc: next()?,
            host_mounts: next()?,
            host_proc: next()?,
            enter: next()?,
            atexit: next()?,
            control: next()?,
            request: next()?,
            answer: next()?,
            health: next()?,
        })
    }
}

fn write_watched(writer: &mut Writer, watched: &Watched) {
    let Mount {
        id,
        parent,
        major,
        minor,
        mountpoint,
        fstype,
        owner,
        writable,
        is_slave,
    } = &watched.mount;
    let (writable, is_slave) = (u32::from(*writable), u32::from(*is_slave));
    for word in [*id, *parent, *major, *minor, owner.0, owner.1, writable, is_slave] {
        writer.number(word as i32);
    }
    writer
        .bytes(mountpoint)
        .bytes(fstype)
        .bytes(watched.origin.as_bytes());
}

fn read_watched(reader: &mut Reader) -> Option<Watched> {
    let mut word = || reader.number().map(|word| word as u32);
    let (id, parent, major, minor) = (word()?, word()?, word()?, word()?);
    let (uid, gid, writable, is_slave) = (word()?, word()?, word()?, word()?);
    let (mountpoint, fstype) = (reader.bytes()?, reader.bytes()?);
    let mount = Mount {
        id,
        parent,
        major,
        minor,
        mountpoint,
        fstype,
        owner: (uid, gid),
        writable: writable != 0,
        is_slave: is_slave != 0,
    };
    Some(Watched {
        mount,
        origin: reader.text()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mount = Mount {
            id: 40,
            parent: 21,
            major: 0,
            minor: 51,
            mountpoint: b"/app".to_vec(),
            fstype: b"fuse.fuse-zip".to_vec(),
            owner: (20001, 20002),
            writable: true,
            is_slave: true,
        };
        let handoff = Handoff {
            vassal: "user001".into(),
            unit: "vassal@user001.service".into(),
            payload: 7,
            command: "uwsgi".into(),
            app_hint: "u.ini:2: no plugin".into(),
            is_init: true,
            owns_mounts: true,
            foreign: vec![(0, 4), (0, 5)],
            watched: vec![Watched {
                mount,
                origin: "user001.ini:10".into(),
            }],
            readiness: Readiness::Connect("127.0.0.1:80".into()),
            stop_signal: 15,
            reload_signal: 1,
            stop_limit: Duration::from_secs(30),
            atexit_limit: Duration::from_secs(10),
            interval: Duration::from_millis(1000),
            deadline: Duration::from_millis(3000),
            keep_alive: Duration::ZERO,
            loaded: UNIX_EPOCH + Duration::from_micros(4711),
            fds: Descriptors {
                emperor: Some(9),
                ..Descriptors::default()
            },
            unsent: Unsent {
                before: Some(10),
                datagrams: vec![
                    (b"FDSTORE=1".to_vec(), vec![11]),
                    (b"READY=1".to_vec(), Vec::new()),
                ],
                events: vec![b"MESSAGE=x".to_vec()],
                lines: b"<4>y".to_vec(),
            },
        };
        let number = handoff.store().unwrap().into_raw_fd();
        let read = Handoff::read(&mut Reader::from_memfd(number).unwrap());
        assert_eq!(read, Some(handoff));
    }

    #[test]
    fn a_record_that_ends_too_early_is_no_record() {
        let mut writer = Writer::default();
        writer.bytes(VERSION).bytes(b"user001");
        let number = writer.into_memfd().unwrap().into_raw_fd();
        assert_eq!(Handoff::read(&mut Reader::from_memfd(number).unwrap()), None);
    }
}
