//! Collects the situation on which [`crate::reconcile`] decides, from the files, systemd's units, and the record.

use crate::drop_ins::{Kind, vassal_of};
use crate::reconcile::{File, FileState, Socket, State, Unit};
use crate::source::answer::{Answer, Content, Found};
use crate::systemd1::{Error, ListedUnit, Systemd};
use nix::time::{ClockId, clock_gettime};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vassal_config::emperor::name::VassalName;

/// The target that wants every vassal.
pub const TARGET: &str = "vassals.target";
/// The units that are listed: the vassals' services and sockets, and the target.
const PATTERNS: [&str; 3] = ["vassal@*.service", "vassal@*.socket", TARGET];

/// How long a file has to be missing to count as removed. Editors and git remove the old file before they write the new
/// one; on a busy host two commands of a script were more than 100 ms apart. A needless stop costs more than a later
/// one.
const REMOVAL_DELAY: Duration = Duration::from_millis(200);
/// The same for a whole directory, which is replaced by hand or mounted again.
const DIRECTORY_REMOVAL_DELAY: Duration = Duration::from_secs(2);
/// How long a file may be open for writing after its last write; after that its present content is put into effect.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// Events of changes that were made up to this long before a pass may not have arrived when it begins: the delay of a
/// listener on a busy host, and the resolution of files' dates.
const EVENT_DELAY: Duration = Duration::from_millis(50);

/// The state of files between passes.
#[derive(Debug, Default)]
pub struct Files {
    /// The place in the emperor's file that has a vassal's file, as last seen.
    places: BTreeMap<VassalName, Vec<u8>>,
    /// Since when a file has been missing.
    missing: BTreeMap<VassalName, Instant>,
    /// Files that are open for writing, by name, with the time of the last write.
    written: BTreeMap<Vec<u8>, Instant>,
    /// Files of which a close was reported since the last pass.
    closed: BTreeSet<Vec<u8>>,
    /// When the present pass began, in nanoseconds since 1970. All events that had arrived before are taken in. `None`
    /// without a listener.
    begun: Option<i64>,
}

impl Files {
    /// A write to a file was reported.
    pub fn on_write(&mut self, file: Vec<u8>) {
        self.closed.remove(&file);
        self.written.insert(file, Instant::now());
    }

    /// A close of a file was reported.
    pub fn on_close(&mut self, file: Vec<u8>) {
        self.written.remove(&file);
        self.closed.insert(file);
    }

    /// Marks the beginning of a pass: events that arrive from now on are taken in after it.
    pub fn pass_begins(&mut self, now: SystemTime) {
        self.begun = Some(nanoseconds(now));
    }

    /// Whether a file may be half written without a report of it: it has changed during this pass, or so shortly before
    /// that the event may not have arrived yet.
    fn may_be_incomplete(&self, name: &[u8], content: &Content) -> bool {
        let Some(begun) = self.begun.filter(|_| !content.is_known && !content.is_whole) else {
            return false;
        };
        let delay = i64::try_from(EVENT_DELAY.as_nanos()).unwrap_or(i64::MAX);
        // A date in the future comes from another machine, or from before the clock was set.
        let is_before = |end| content.changed < end;
        let is_now = content.changed >= begun && is_before(nanoseconds(SystemTime::now()));
        let is_short_before = content.changed >= begun.saturating_sub(delay) && is_before(begun);
        is_now || (is_short_before && !self.closed.contains(name))
    }

    /// The state of each vassal's file, and when to check again even if nothing changes. `known` are the vassals of which
    /// there is a unit, a drop-in or a record.
    pub fn states(
        &mut self,
        answer: &Answer,
        known: BTreeSet<VassalName>,
        now: Instant,
    ) -> (BTreeMap<VassalName, FileState>, Option<Instant>) {
        let (mut states, mut checks) = (BTreeMap::new(), Vec::new());
        self.written.retain(|_, since| now < *since + WRITE_LIMIT);
        for (name, listed) in &answer.files {
            self.places.insert(name.clone(), listed.place.clone());
            self.missing.remove(name);
            let (state, check) = self.found_state(&name.file(), &listed.found, now);
            checks.extend(check);
            states.insert(name.clone(), state);
        }
        // A vassal without any of these has been removed, so its file is no longer missing.
        self.missing.retain(|name, _| known.contains(name));
        for name in known {
            if states.contains_key(&name) {
                continue;
            }
            if let Some((state, check)) = self.missing_state(&name, answer, now) {
                checks.extend(check);
                states.insert(name, state);
            }
        }
        let missing = &self.missing;
        self.places
            .retain(|name, _| states.contains_key(name) || missing.contains_key(name));
        self.closed.clear();
        (states, checks.into_iter().min())
    }

    /// The state of a file that the scan has found, and when to check it again.
    fn found_state(&self, name: &[u8], found: &Found, now: Instant) -> (FileState, Option<Instant>) {
        let content = match found {
            Found::File(content) => content,
            Found::NoFile | Found::Unreadable(_) => return (FileState::Unknown, None),
        };
        match self.written.get(name) {
            Some(since) if !content.is_whole => (FileState::Unknown, Some(*since + WRITE_LIMIT)),
            None if self.may_be_incomplete(name, content) => (FileState::Unknown, Some(now + EVENT_DELAY)),
            _ => (FileState::File(file(content)), None),
        }
    }

    /// The state of a file that the scan has not found, and when to check it again; `None` if it is removed.
    fn missing_state(
        &mut self,
        name: &VassalName,
        answer: &Answer,
        now: Instant,
    ) -> Option<(FileState, Option<Instant>)> {
        let place = self.places.get(name);
        let is_in = |places: &Vec<Vec<u8>>| match place {
            Some(place) => places.contains(place),
            None => !places.is_empty(),
        };
        if is_in(&answer.unreadable) {
            return Some((FileState::Unknown, None));
        }
        let delay = match is_in(&answer.absent) {
            true => DIRECTORY_REMOVAL_DELAY,
            false => REMOVAL_DELAY,
        };
        let end = *self.missing.entry(name.clone()).or_insert(now) + delay;
        (now < end).then_some((FileState::Unknown, Some(end)))
    }
}

fn file(content: &Content) -> File {
    File {
        stamp: content.stamp,
        changed: content.changed,
        drop_in: content.drop_in.clone(),
        socket: content.socket,
    }
}

/// The units that systemd has loaded.
#[derive(Debug, Default)]
pub struct Units {
    /// The vassals' units.
    pub vassals: BTreeMap<VassalName, Unit>,
    /// Where more of their properties can be read.
    paths: BTreeMap<VassalName, ListedUnit>,
    /// Whether the target is being started.
    pub target_starts: bool,
}

impl Units {
    /// Lists the units.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn list(systemd: &Systemd) -> Result<Self, Error> {
        let (mut units, mut sockets) = (Self::default(), BTreeMap::new());
        for listed in systemd.units(&PATTERNS)? {
            if listed.unit == TARGET {
                units.target_starts = listed.job == "start";
            }
            match vassal_of(&listed.unit) {
                Some((name, Kind::Service)) => {
                    units.vassals.insert(name.clone(), unit(&listed));
                    units.paths.insert(name, listed);
                }
                Some((name, Kind::Socket)) => drop(sockets.insert(name, socket(&listed))),
                None => {}
            }
        }
        for (name, socket) in sockets {
            // systemd loads the service together with its socket.
            if let Some(unit) = units.vassals.get_mut(&name) {
                unit.socket = socket;
            }
        }
        Ok(units)
    }

    /// Reads since when the units of `files`, of which there is no record, have been in their state.
    pub fn read_dates<'a>(
        &mut self,
        systemd: &Systemd,
        files: impl Iterator<Item = (&'a VassalName, &'a File)>,
    ) {
        let boot = boot();
        for (name, file) in files {
            let (Some(unit), Some(listed)) = (self.vassals.get_mut(name), self.paths.get(name)) else {
                continue;
            };
            // The file was not changed since the boot, so no unit is older.
            if file.changed < boot {
                unit.since = i64::MAX;
                continue;
            }
            let property = match unit.state {
                State::Off | State::Failed => "InactiveEnterTimestamp",
                State::Starting | State::On | State::Stopping => "InactiveExitTimestamp",
            };
            // A unit that was unloaded meanwhile has none.
            let date: u64 = systemd.property(&listed.path, property).unwrap_or_default();
            unit.since = i64::try_from(date).unwrap_or(i64::MAX).saturating_mul(1000);
        }
    }
}

fn unit(listed: &ListedUnit) -> Unit {
    let state = match listed.active.as_str() {
        "active" | "reloading" | "refreshing" => State::On,
        "activating" => State::Starting,
        "deactivating" => State::Stopping,
        "failed" => State::Failed,
        _ => State::Off,
    };
    Unit {
        state,
        is_queued: matches!(listed.job.as_str(), "start" | "restart"),
        is_masked: listed.load == "masked",
        socket: Socket::None,
        since: 0,
    }
}

fn socket(listed: &ListedUnit) -> Socket {
    match listed.active.as_str() {
        "active" | "activating" | "reloading" => Socket::Open,
        _ => Socket::Closed,
    }
}

/// When the machine was booted, in nanoseconds since 1970.
fn boot() -> i64 {
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .unwrap_or_default();
    nanoseconds(SystemTime::now().checked_sub(up).unwrap_or(UNIX_EPOCH))
}

/// A point in time in nanoseconds since 1970, as in files' dates.
fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::answer::ListedFile;

    fn name(text: &str) -> VassalName {
        VassalName::parse(text.as_bytes()).unwrap()
    }

    fn answer(names: &[&str]) -> Answer {
        let listed = |text: &&str| {
            let found = Found::File(Content::default());
            (
                name(text),
                ListedFile {
                    file: text.as_bytes().to_vec(),
                    place: b"/v".to_vec(),
                    found,
                },
            )
        };
        Answer {
            files: names.iter().map(listed).collect(),
            ..Answer::default()
        }
    }

    #[test]
    fn a_file_that_comes_back_at_once_was_never_removed() {
        let (mut files, now) = (Files::default(), Instant::now());
        let known: BTreeSet<_> = [name("a")].into();
        let mut state = |answer: &Answer, after: Duration| {
            let (states, again) = files.states(answer, known.clone(), now + after);
            (states.get(&name("a")).cloned(), again.map(|again| again - now))
        };
        assert!(matches!(
            state(&answer(&["a"]), Duration::ZERO),
            (Some(FileState::File(_)), None)
        ));
        assert_eq!(
            state(&answer(&[]), Duration::ZERO),
            (Some(FileState::Unknown), Some(REMOVAL_DELAY))
        );
        assert!(matches!(
            state(&answer(&["a"]), REMOVAL_DELAY / 2),
            (Some(FileState::File(_)), None)
        ));
        assert_eq!(state(&answer(&[]), REMOVAL_DELAY).0, Some(FileState::Unknown));
        assert_eq!(state(&answer(&[]), REMOVAL_DELAY * 2), (None, None));
        // Its unit has been stopped, and its drop-in is still there.
        assert_eq!(state(&answer(&[]), REMOVAL_DELAY * 2), (None, None));
    }

    #[test]
    fn files_of_an_unreadable_place_stay_and_those_of_a_missing_place_stay_for_a_while() {
        let (mut files, now) = (Files::default(), Instant::now());
        let known: BTreeSet<_> = [name("a")].into();
        files.states(&answer(&["a"]), known.clone(), now);
        let hangs = Answer {
            unreadable: vec![b"/v".to_vec()],
            ..answer(&[])
        };
        let later = now + Duration::from_secs(3600);
        assert_eq!(
            files.states(&hangs, known.clone(), later),
            ([(name("a"), FileState::Unknown)].into(), None)
        );
        let gone = Answer {
            absent: vec![b"/v".to_vec()],
            ..answer(&[])
        };
        let (states, again) = files.states(&gone, known.clone(), now);
        assert_eq!((states.len(), again), (1, Some(now + DIRECTORY_REMOVAL_DELAY)));
        assert!(
            files
                .states(&gone, known, now + DIRECTORY_REMOVAL_DELAY)
                .0
                .is_empty()
        );
    }

    #[test]
    fn a_file_that_is_being_written_waits_until_it_is_closed_or_left_alone() {
        let (mut files, now) = (Files::default(), Instant::now());
        files.on_write(b"a.ini".to_vec());
        let (states, again) = files.states(&answer(&["a"]), BTreeSet::new(), now);
        assert_eq!(states[&name("a")], FileState::Unknown);
        assert!(again.is_some());
        files.on_close(b"a.ini".to_vec());
        assert!(matches!(
            files.states(&answer(&["a"]), BTreeSet::new(), now).0[&name("a")],
            FileState::File(_)
        ));
    }

    #[test]
    fn a_file_that_changed_shortly_before_the_pass_waits_for_its_events() {
        let now = SystemTime::now();
        let ago = |time: Duration| nanoseconds(now - time);
        let is_put_off = |changed: i64, is_closed: bool, is_listening: bool| {
            let mut files = Files::default();
            if is_listening {
                files.pass_begins(now - EVENT_DELAY);
            }
            if is_closed {
                files.on_close(b"a.ini".to_vec());
            }
            let mut answer = answer(&["a"]);
            for listed in answer.files.values_mut() {
                listed.found = Found::File(Content {
                    changed,
                    ..Content::default()
                });
            }
            let (states, again) = files.states(&answer, BTreeSet::new(), Instant::now());
            assert_eq!(again.is_some(), states[&name("a")] == FileState::Unknown);
            again.is_some()
        };
        // During the pass; shortly before it; longer before it; in the future.
        let future = nanoseconds(now + Duration::from_secs(60));
        let cases = [
            (ago(EVENT_DELAY / 2), true, true),
            (ago(EVENT_DELAY * 3 / 2), true, false),
            (ago(EVENT_DELAY * 3), false, false),
            (future, false, false),
        ];
        for (changed, expected, expected_when_closed) in cases {
            assert_eq!(is_put_off(changed, false, true), expected);
            assert_eq!(is_put_off(changed, true, true), expected_when_closed);
            assert!(!is_put_off(changed, false, false));
        }
    }
}
