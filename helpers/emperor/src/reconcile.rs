//! What is to be done: a pure function of the vassals' files, of what systemd has, and of what was put into effect before.
//!
//! It is asked again whenever something has changed, and its answer depends on nothing else, so it does not matter how often
//! it is asked, in which order changes are seen, or at which moment the emperor was killed.

use std::collections::{BTreeMap, BTreeSet};
use vassal_config::emperor::name::VassalName;
use vassal_generator::drop_in::Text;

/// Which content a file has, and since when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// When it was modified, in nanoseconds since 1970.
    pub modified: i64,
    /// A hash of its content.
    pub content: u64,
}

impl Stamp {
    /// Whether a file with this stamp is to be put into effect after `before`: another content, or the same one touched.
    /// The same content with an older date is neither.
    fn differs_from(self, before: Stamp) -> bool {
        self.content != before.content || self.modified > before.modified
    }
}

/// A vassal's file as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its content and date.
    pub stamp: Stamp,
    /// When anything about it changed last, in nanoseconds since 1970; nobody can set it back.
    pub changed: i64,
    /// Its drop-ins, where they are not what the generator's directory has.
    pub drop_in: Option<Text>,
    /// A hash of the socket's, where its first connection starts it.
    pub socket: Option<u64>,
}

/// What is known of the file of a vassal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// It is there.
    File(File),
    /// It cannot be read, is being written, or has just disappeared: everything stays as it is.
    Unknown,
}

/// The state of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Off,
    /// It does not run, and has failed.
    Failed,
    /// It is being started, or waits for its next attempt.
    Starting,
    /// It runs.
    On,
    /// It is being stopped.
    Stopping,
}

/// The socket whose first connection starts a vassal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Socket {
    /// systemd has not loaded one.
    #[default]
    None,
    /// It is loaded, and nobody listens.
    Closed,
    /// systemd listens.
    Open,
}

/// A unit that systemd has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// What it does.
    pub state: State,
    /// Whether it waits to be started.
    pub is_queued: bool,
    /// Whether an administrator has masked it.
    pub is_masked: bool,
    /// Its socket.
    pub socket: Socket,
    /// When its state has last left or entered "does not run", in nanoseconds since 1970. It is asked of systemd only where
    /// nothing is remembered; zero otherwise.
    pub since: i64,
}

/// What was put into effect, or tried and found wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The file's stamp then.
    pub stamp: Stamp,
    /// What was wrong with it.
    pub trouble: Option<String>,
    /// The file's [`File::socket`] then.
    pub socket: Option<u64>,
}

/// Everything that a decision depends on. A vassal that is not in `wishes` has no file.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    /// The files.
    pub wishes: BTreeMap<VassalName, Wish>,
    /// The units.
    pub units: BTreeMap<VassalName, Unit>,
    /// What was put into effect.
    pub memory: BTreeMap<VassalName, Remembered>,
    /// The vassals of which the generator's directory has something.
    pub generated: BTreeSet<VassalName>,
    /// The vassals with which something is being done already.
    pub busy: BTreeSet<VassalName>,
    /// Whether vassals.target is being started, which starts all vassals: those, too, that were stopped by hand before.
    pub target_starts: bool,
}

/// What is done with a vassal's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Does {
    /// Nothing; its file is remembered as the one that is in effect.
    Adopt,
    /// It waits for its first connection, and reads its file then; that it has failed before is forgotten.
    Renew,
    /// It is started, or its socket is opened.
    Start,
    /// It is reloaded, or restarted where that does not do.
    Reload,
    /// It is restarted.
    Restart,
    /// It is stopped with its socket, as where that listens has changed, and started.
    Swap,
    /// It is stopped, and everything of it removed.
    Stop,
    /// What is left of it is removed.
    Erase,
}

/// One vassal's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub name: VassalName,
    /// The drop-ins that are written: before a start, but after a reload has found that the file can be used.
    pub drop_in: Option<Text>,
    /// Whether systemd has older ones in its memory, and so has to read all units again.
    pub is_loaded: bool,
    /// What is done with the unit.
    pub does: Does,
    /// What is remembered then; nothing for a vassal without a file.
    pub stamp: Option<Stamp>,
    /// The file's [`File::socket`].
    pub socket: Option<u64>,
    /// Whether systemd has a socket of it in its memory.
    pub has_socket: bool,
}

/// What is to be done, sorted by name; nothing when everything is as the files say.
pub fn reconcile(situation: &Situation) -> Vec<Step> {
    let Situation {
        wishes,
        units,
        memory,
        generated,
        busy,
        target_starts: _,
    } = situation;
    let known = wishes
        .keys()
        .chain(units.keys())
        .chain(memory.keys())
        .chain(generated);
    let names: BTreeSet<&VassalName> = known.filter(|name| !busy.contains(name)).collect();
    names
        .into_iter()
        .filter_map(|name| step(situation, name))
        .collect()
}

fn step(situation: &Situation, name: &VassalName) -> Option<Step> {
    let unit = situation.units.get(name).copied();
    let file = match situation.wishes.get(name) {
        Some(Wish::Unknown) => return None,
        Some(Wish::File(file)) => file,
        None => {
            let is_known = situation.memory.contains_key(name) || situation.generated.contains(name);
            return Some(Step {
                name: name.clone(),
                drop_in: None,
                is_loaded: unit.is_some(),
                does: unwanted(unit, is_known)?,
                stamp: None,
                socket: None,
                has_socket: has_socket(unit),
            });
        }
    };
    // Whoever unmasks it has not asked for a start, but what has changed meanwhile is still to come.
    if unit.is_some_and(|unit| unit.is_masked) {
        return None;
    }
    let remembered = situation.memory.get(name);
    let before = remembered.map(|remembered| remembered.stamp);
    let does = match is_swap(file, unit, remembered) {
        true => Some(Does::Swap),
        false if file.socket.is_some() => waiting(file, unit, before, situation.target_starts),
        false => wanted(file, unit, before, situation.target_starts),
    };
    // One that runs on with a file that cannot be used keeps the limits that it has.
    let is_in_trouble = remembered.is_some_and(|remembered| remembered.trouble.is_some());
    let drop_in = file.drop_in.clone().filter(|_| does.is_some() || !is_in_trouble);
    (does.is_some() || drop_in.is_some()).then(|| Step {
        name: name.clone(),
        drop_in,
        is_loaded: unit.is_some(),
        does: does.unwrap_or(Does::Adopt),
        stamp: Some(does.map_or_else(|| before.unwrap_or(file.stamp), |_| file.stamp)),
        socket: file.socket,
        has_socket: has_socket(unit),
    })
}

fn has_socket(unit: Option<Unit>) -> bool {
    unit.is_some_and(|unit| unit.socket != Socket::None)
}

/// Whether something runs or listens that is not where it is to be now: a socket cannot be moved, nor opened for a vassal that runs.
fn is_swap(file: &File, unit: Option<Unit>, remembered: Option<&Remembered>) -> bool {
    let Some(unit) = unit else { return false };
    let runs = unit.socket == Socket::Open || matches!(unit.state, State::On | State::Starting);
    let has_moved = match remembered {
        Some(remembered) => remembered.socket != file.socket,
        None => file.socket.is_some() != (unit.socket == Socket::Open),
    };
    runs && has_moved
}

/// What is done with a vassal that its first connection starts: as far as systemd listens, only what runs is told.
fn waiting(file: &File, unit: Option<Unit>, before: Option<Stamp>, target_starts: bool) -> Option<Does> {
    let Some(unit) = unit.filter(|unit| unit.socket == Socket::Open) else {
        return match wanted(file, unit, before, target_starts)? {
            Does::Adopt => Some(Does::Adopt),
            // It may run without its socket only by hand.
            _ if unit.is_some_and(|unit| matches!(unit.state, State::On | State::Starting)) => {
                Some(Does::Swap)
            }
            _ => Some(Does::Start),
        };
    };
    match wanted(file, Some(unit), before, false)? {
        Does::Start if unit.state == State::Stopping => Some(Does::Adopt),
        Does::Start => Some(Does::Renew),
        does => Some(does),
    }
}

fn wanted(file: &File, unit: Option<Unit>, before: Option<Stamp>, target_starts: bool) -> Option<Does> {
    let Some(unit) = unit else {
        let is_due = target_starts || before.is_none_or(|before| file.stamp.differs_from(before));
        return is_due.then_some(Does::Start);
    };
    // Nothing is remembered of a vassal that systemd itself has started, and after a boot: the unit's own clock tells which
    // of the two is newer.
    let is_due = match before {
        Some(before) => file.stamp.differs_from(before),
        None => file.changed > unit.since,
    };
    let adopted = before.is_none().then_some(Does::Adopt);
    match (unit.state, is_due) {
        // It reads the file when its turn comes.
        (State::Off | State::Failed, _) if unit.is_queued => adopted,
        (State::Off | State::Failed, _) if target_starts => Some(Does::Start),
        (State::Off | State::Failed | State::Stopping, true) => Some(Does::Start),
        (State::Starting, true) => Some(Does::Restart),
        (State::On, true) => Some(Does::Reload),
        (_, false) => adopted,
    }
}

fn unwanted(unit: Option<Unit>, is_known: bool) -> Option<Does> {
    if unit.is_some_and(|unit| unit.socket == Socket::Open) {
        return Some(Does::Stop);
    }
    match unit.map(|unit| (unit.state, unit.is_queued)) {
        Some((State::On | State::Starting | State::Stopping, _) | (_, true)) => Some(Does::Stop),
        // One that never had a file has failed before somebody's eyes, who may still want to see why.
        Some((State::Failed, false)) => is_known.then_some(Does::Stop),
        Some((State::Off, false)) | None => is_known.then_some(Does::Erase),
    }
}

#[cfg(test)]
mod tests;
