//! The health record of a vassal, `/run/vassal/health/INSTANCE.json`: what vassal-enter and vassal-watchdog know about
//! it, as JSON that everybody on the machine may read (vassal-health(7), THE HEALTH RECORD). It contains nothing that
//! `systemctl status` and /proc do not show as well, and no value of a configuration.
//!
//! Each update replaces the file (rename(2)), so a reader never sees a partial record. It is never synced: it is on a
//! tmpfs, and so are gone at boot both the record and what it describes.

mod json;
mod place;

pub use place::{DIRECTORY, Place, forget};

use crate::limit_hits::{Limit, LimitHits, Met};
use json::Object;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The `schema` of the record. It is raised when a field is removed or changes its meaning, not when one is added.
const SCHEMA: u64 = 1;

/// The state of a vassal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Starting: hooks run, or the app does not serve yet.
    Starting,
    /// The app serves, and each mountpoint has answered.
    Serving,
    /// Serving, and a reload is under way.
    Reloading,
    /// Being stopped.
    Stopping,
    /// A mountpoint or the app is lost; systemd is about to kill and restart the vassal.
    Lost,
    /// The vassal has failed and pauses before its next attempt.
    Waiting,
    /// A start has failed, or the app has ended.
    Failed,
}

impl State {
    /// All states.
    pub const ALL: [State; 7] = [
        State::Starting,
        State::Serving,
        State::Reloading,
        State::Stopping,
        State::Lost,
        State::Waiting,
        State::Failed,
    ];

    /// The state's word in the record.
    pub fn word(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Serving => "serving",
            State::Reloading => "reloading",
            State::Stopping => "stopping",
            State::Lost => "lost",
            State::Waiting => "waiting",
            State::Failed => "failed",
        }
    }

    /// The state as monitoring systems ask for it: whether the vassal is well.
    fn health(self) -> &'static str {
        match self {
            State::Serving | State::Reloading => "healthy",
            State::Starting | State::Stopping => "unknown",
            State::Lost | State::Waiting | State::Failed => "unhealthy",
        }
    }
}

/// A watched mountpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its path, printable.
    pub path: String,
    /// The filesystem's type, printable.
    pub fstype: String,
    /// `healthy`, `unprobed`, or the word of a verdict.
    pub verdict: &'static str,
    /// The time of its last answer to a probe, and how long that took.
    pub answered: Option<(SystemTime, Duration)>,
    /// How long it may leave a request unanswered.
    pub deadline: Duration,
}

/// An app that is asked for its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// `healthy`, `unasked`, `failing`, or the word of a verdict.
    pub verdict: &'static str,
    /// How many questions in a row had no good answer.
    pub failures: u32,
    /// The time of the last good answer, and how long that took.
    pub answered: Option<(SystemTime, Duration)>,
    /// How long an answer may take.
    pub deadline: Duration,
}

/// The program of the watchdog: its version, and its file's device and inode, which change at an upgrade even if the
/// version does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The version.
    pub version: &'static str,
    /// `st_dev` of its file.
    pub device: u64,
    /// `st_ino` of its file.
    pub inode: u64,
}

/// The processes whose roles are known, by their numbers in the vassal's PID namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processes {
    /// The name of the app's program.
    pub command: String,
    /// The app's first process.
    pub app: Option<i32>,
    /// The FUSE daemons.
    pub daemons: Vec<i32>,
}

/// The whole record. All texts are printable, and free of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The vassal's name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The vassal's state.
    pub state: State,
    /// When that state began.
    pub since: SystemTime,
    /// How often it has restarted since it was started.
    pub restarts: u32,
    /// How many attempts there were since the last one that settled, the present one included.
    pub attempts: u32,
    /// Why its last run ended; empty when there was none.
    pub cause: String,
    /// For a waiting vassal, when the next attempt begins.
    pub next_attempt: Option<SystemTime>,
    /// When its file was last read.
    pub loaded: Option<SystemTime>,
    /// The number of the unit's main process on the host.
    pub pid: Option<i32>,
    /// The unit's cgroup, relative to the mountpoint of the hierarchy.
    pub cgroup: Option<String>,
    /// The program of its main process.
    pub program: Option<Program>,
    /// The processes whose roles are known.
    pub processes: Processes,
    /// The addresses of the app's listening sockets.
    pub sockets: Vec<String>,
    /// The health of the app, where it is asked.
    pub check: Option<Check>,
    /// The watched mountpoints.
    pub mounts: Vec<Mount>,
    /// How often limits were met since the vassal was started.
    pub limits: LimitHits,
}

impl Health {
    /// A record with a name and a state that begins now, and nothing else yet.
    pub fn new(name: String, unit: String, state: State) -> Self {
        Self {
            name,
            unit,
            state,
            since: SystemTime::now(),
            restarts: 0,
            attempts: 0,
            cause: String::new(),
            next_attempt: None,
            loaded: None,
            pid: None,
            cgroup: None,
            program: None,
            processes: Processes::default(),
            sockets: Vec::new(),
            check: None,
            mounts: Vec::new(),
            limits: LimitHits::default(),
        }
    }

    /// The record as JSON, one line.
    pub fn json(&self, now: SystemTime) -> String {
        let Self {
            name,
            unit,
            state,
            since,
            restarts,
            attempts,
            cause,
            next_attempt,
            loaded,
            pid,
            cgroup,
            program,
            processes,
            sockets,
            check,
            mounts,
            limits,
        } = self;
        let mut record = Object::default();
        record
            .number("schema", Some(SCHEMA))
            .text("name", Some(name))
            .text("unit", Some(unit))
            .text("state", Some(state.word()))
            .text("health", Some(state.health()))
            .number("since_usec", Some(usec(*since)))
            .number("written_usec", Some(usec(now)))
            .number("restarts", Some((*restarts).into()))
            .number("attempts", Some((*attempts).into()))
            .text("cause", Some(cause.as_str()).filter(|cause| !cause.is_empty()))
            .number("next_attempt_usec", next_attempt.map(usec))
            .number("loaded_usec", loaded.map(usec))
            .number("pid", pid.map(number))
            .text("cgroup", cgroup.as_deref())
            .object("program", program.as_ref().map(Program::object))
            .object("processes", Some(processes.object()))
            .texts("sockets", sockets)
            .object("check", check.as_ref().map(Check::object))
            .objects("mounts", mounts.iter().map(Mount::object))
            .objects("limits", limits.met().map(|(limit, met)| hits(limit, met)));
        record.finish() + "\n"
    }
}

impl Program {
    fn object(&self) -> Object {
        let mut object = Object::default();
        object
            .text("version", Some(self.version))
            .number("device", Some(self.device))
            .number("inode", Some(self.inode));
        object
    }
}

impl Processes {
    fn object(&self) -> Object {
        let mut object = Object::default();
        object
            .text("command", Some(&self.command))
            .number("app", self.app.map(number))
            .numbers("daemons", self.daemons.iter().copied().map(number));
        object
    }
}

impl Check {
    fn object(&self) -> Object {
        let mut object = Object::default();
        object
            .text("verdict", Some(self.verdict))
            .number("failures", Some(self.failures.into()))
            .number("answered_usec", self.answered.map(|(when, _)| usec(when)))
            .number("took_usec", self.answered.map(|(_, took)| micros(took)))
            .number("deadline_usec", Some(micros(self.deadline)));
        object
    }
}

impl Mount {
    fn object(&self) -> Object {
        let mut object = Object::default();
        object
            .text("path", Some(&self.path))
            .text("type", Some(&self.fstype))
            .text("verdict", Some(self.verdict))
            .number("answered_usec", self.answered.map(|(when, _)| usec(when)))
            .number("took_usec", self.answered.map(|(_, took)| micros(took)))
            .number("deadline_usec", Some(micros(self.deadline)));
        object
    }
}

fn hits(limit: Limit, met: &Met) -> Object {
    let mut object = Object::default();
    object
        .text("limit", Some(limit.word()))
        .number("hits", Some(met.hits.into()))
        .number("counter", Some(met.counter.into()))
        .number("last_usec", met.last().map(usec));
    object
}

fn number(pid: i32) -> u64 {
    u64::try_from(pid).unwrap_or(0)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds since the epoch; 0 for a time before it.
fn usec(time: SystemTime) -> u64 {
    micros(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(usec: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(usec)
    }

    #[test]
    fn a_record_is_one_line_of_json_with_every_field() {
        let mut limits = LimitHits::default();
        limits.count(1, [None, None, Some(2), Some(0), None], at(3_000_000));
        let health = Health {
            since: at(5),
            restarts: 2,
            attempts: 1,
            cause: "/app dead (ENOTCONN)".into(),
            loaded: Some(at(4)),
            pid: Some(81),
            cgroup: Some("/vassal.slice/vassal@a.service".into()),
            program: Some(Program {
                version: "1.0",
                device: 9,
                inode: 8,
            }),
            processes: Processes {
                command: "uwsgi".into(),
                app: Some(2),
                daemons: vec![3, 4],
            },
            sockets: vec!["127.0.0.1:80".into()],
            check: Some(Check {
                verdict: "failing",
                failures: 2,
                answered: None,
                deadline: Duration::from_secs(5),
            }),
            mounts: vec![Mount {
                path: "/app".into(),
                fstype: "fuse.x".into(),
                verdict: "healthy",
                answered: Some((at(6), Duration::from_micros(70))),
                deadline: Duration::from_secs(3),
            }],
            limits,
            ..Health::new("a".into(), "vassal@a.service".into(), State::Serving)
        };
        let expected = concat!(
            r#"{"schema":1,"name":"a","unit":"vassal@a.service","state":"serving","health":"healthy","since_usec":5,"#,
            r#""written_usec":7,"restarts":2,"attempts":1,"cause":"/app dead (ENOTCONN)","next_attempt_usec":null,"#,
            r#""loaded_usec":4,"pid":81,"cgroup":"/vassal.slice/vassal@a.service","#,
            r#""program":{"version":"1.0","device":9,"inode":8},"#,
            r#""processes":{"command":"uwsgi","app":2,"daemons":[3,4]},"sockets":["127.0.0.1:80"],"#,
            r#""check":{"verdict":"failing","failures":2,"answered_usec":null,"took_usec":null,"deadline_usec":5000000},"#,
            r#""mounts":[{"path":"/app","type":"fuse.x","verdict":"healthy","answered_usec":6,"took_usec":70,"#,
            r#""deadline_usec":3000000}],"#,
            r#""limits":[{"limit":"oom_kill","hits":2,"counter":2,"last_usec":3000000}]}"#,
            "\n"
        );
        assert_eq!(health.json(at(7)), expected);
    }
}
