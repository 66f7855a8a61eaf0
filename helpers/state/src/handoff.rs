//! What `vassal-enter` hands over to `vassal-watchdog` across the exec: a record in a memfd, whose number is the
//! watchdog's only argument. The first field is the version of the build; the watchdog refuses the record of another
//! build.

use crate::app::App;
use crate::codec::{Reader, Writer};
use crate::descriptors::Descriptors;
use crate::unsent::Unsent;
use nix::errno::Errno;
use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vassal_sys::error::SysError;
use vassal_sys::fds;
use vassal_sys::mountinfo::Mount;

const VERSION: &[u8] = env!("CARGO_PKG_VERSION").as_bytes();

/// A mountpoint to watch, and the mount that was there when the app was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The mount. Its `mountpoint` is the path with all links resolved.
    pub mount: Mount,
    /// The `mountpoint-check` line, as `user001.ini:10`.
    pub origin: String,
}

/// Everything that the watchdog has to know about its vassal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// The vassal's name, for messages.
    pub vassal: String,
    /// The unit's name, for the journal.
    pub unit: String,
    /// The app.
    pub app: App,
    /// The listening sockets that were bound for the app; the next app gets them, too.
    pub sockets: Vec<RawFd>,
    /// Whether the watchdog is the init of a PID namespace, so that all processes it can see are the vassal's.
    pub is_init: bool,
    /// Whether the vassal has its own mount namespace, so that its mounts may be unmounted at the end.
    pub owns_mounts: bool,
    /// The device numbers of the FUSE filesystems and overlays that existed before the vassal. The watchdog never
    /// touches them.
    pub foreign: Vec<(u32, u32)>,
    /// The mountpoints to watch.
    pub watched: Vec<Watched>,
    /// How long all atexit hooks together may take.
    pub atexit_limit: Duration,
    /// The time between two probes of a mountpoint; zero for the default of its filesystem type.
    pub interval: Duration,
    /// How long a filesystem may leave a request unanswered; zero for the default of its type.
    pub deadline: Duration,
    /// Whether the vassal is on demand: an app that ends in order has not failed, as the next connection starts it
    /// again.
    pub is_on_demand: bool,
    /// The time between two keep-alives to systemd; zero when the unit has no `WatchdogSec=`.
    pub keep_alive: Duration,
    /// When the vassal's file was read.
    pub loaded: SystemTime,
    /// The descriptors.
    pub fds: Descriptors,
    /// Messages that could not be sent yet.
    pub unsent: Unsent,
}

impl Handoff {
    /// Puts the record into a memfd.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`.
    pub fn store(&self) -> Result<OwnedFd, SysError> {
        let mut writer = Writer::default();
        writer.bytes(VERSION);
        writer.bytes(self.vassal.as_bytes()).bytes(self.unit.as_bytes());
        self.app.write(&mut writer);
        writer.list(&self.sockets, |writer, number| {
            writer.number(*number);
        });
        writer.flag(self.is_init).flag(self.owns_mounts);
        writer.list(&self.foreign, |writer, (major, minor)| {
            writer.number(*major as i32).number(*minor as i32);
        });
        writer.list(&self.watched, write_watched);
        let limits = [self.atexit_limit, self.interval, self.deadline, self.keep_alive];
        for limit in limits {
            writer.milliseconds(limit);
        }
        writer.number(i32::from(self.is_on_demand));
        let loaded = self.loaded.duration_since(UNIX_EPOCH).unwrap_or_default();
        writer.bytes(&loaded.as_nanos().to_le_bytes());
        self.fds.write(&mut writer);
        self.unsent.write(&mut writer);
        writer.into_memfd()
    }

    /// Reads the record from descriptor `number`, and marks every descriptor in it close-on-exec again.
    ///
    /// # Errors
    /// `EINVAL` when the record was not made by this build's `vassal-enter`.
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
            unit: reader.text()?,
            app: App::read(reader)?,
            sockets: reader.list(Reader::number)?,
            is_init: reader.flag()?,
            owns_mounts: reader.flag()?,
            foreign: reader.list(|reader| Some((reader.number()? as u32, reader.number()? as u32)))?,
            watched: reader.list(read_watched)?,
            atexit_limit: reader.milliseconds()?,
            interval: reader.milliseconds()?,
            deadline: reader.milliseconds()?,
            keep_alive: reader.milliseconds()?,
            is_on_demand: reader.number()? != 0,
            loaded: UNIX_EPOCH + reader.nanoseconds()?,
            fds: Descriptors::read(reader)?,
            unsent: Unsent::read(reader)?,
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
    use crate::app::{HealthCheck, Heartbeat, Readiness, Url};
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
            app: App {
                pid: 7,
                command: "uwsgi".into(),
                hint: "u.ini:2: no plugin".into(),
                readiness: Readiness::Http(Url {
                    address: "127.0.0.1:80".into(),
                    path: "/health".into(),
                    is_kept: true,
                }),
                stop_signal: 15,
                reload_signal: 1,
                stop_limit: Duration::from_secs(30),
                health: Some(HealthCheck {
                    url: Url {
                        address: "/run/a".into(),
                        path: "/up".into(),
                        is_kept: false,
                    },
                    interval: Duration::from_secs(10),
                    deadline: Duration::from_secs(5),
                    failures: 3,
                    origin: "u.ini:9".into(),
                }),
                heartbeat: Some(Heartbeat {
                    limit: Duration::from_secs(20),
                    origin: Some("u.ini:10".into()),
                }),
                sender: Some(20001),
            },
            sockets: vec![12, 13],
            is_init: true,
            owns_mounts: true,
            foreign: vec![(0, 4), (0, 5)],
            watched: vec![Watched {
                mount,
                origin: "user001.ini:10".into(),
            }],
            atexit_limit: Duration::from_secs(10),
            interval: Duration::from_millis(1000),
            deadline: Duration::from_millis(3000),
            keep_alive: Duration::ZERO,
            is_on_demand: true,
            loaded: UNIX_EPOCH + Duration::from_micros(4711),
            fds: Descriptors::default(),
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
