//! Decides which steps to take: a pure function of the vassals' files, of systemd's units, and of the record of what
//! was put into effect before.
//!
//! It is called again after every change, and its result depends on nothing else. So it does not matter how often it is
//! called, in which order changes are noticed, or at which moment the emperor was killed.

use std::collections::{BTreeMap, BTreeSet};
use vassal_config::emperor::name::VassalName;
use vassal_generator::drop_in::Text;

/// The content of a file, and its date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// When it was modified, in nanoseconds since 1970.
    pub modified: i64,
    /// A hash of its content.
    pub content: u64,
}

impl Stamp {
    /// Whether a file with this stamp has to be put into effect when `before` is in effect: its content is different,
    /// or the same with a later date. The same content with an older date is no change.
    fn differs_from(self, before: Stamp) -> bool {
        self.content != before.content || self.modified > before.modified
    }
}

/// A vassal's file as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its content and date.
    pub stamp: Stamp,
    /// The last change of any kind, in nanoseconds since 1970 (ctime, which no user can set back).
    pub changed: i64,
    /// Its drop-ins, if they differ from those in the generator's directory.
    pub drop_in: Option<Text>,
    /// For a vassal on demand, a hash of the drop-in of its socket.
    pub socket: Option<u64>,
}

/// The state of a vassal's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// It exists.
    File(File),
    /// It cannot be read, is being written, or has just disappeared: the vassal stays as it is.
    Unknown,
}

/// The state of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Off,
    /// It does not run, and has failed.
    Failed,
    /// It is being started, or pauses before its next attempt.
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
    /// It is loaded, and systemd does not listen.
    Closed,
    /// systemd listens.
    Open,
}

/// A unit that systemd has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Its state.
    pub state: State,
    /// Whether a job to start it is queued.
    pub is_queued: bool,
    /// Whether an administrator has masked it.
    pub is_masked: bool,
    /// Its socket.
    pub socket: Socket,
    /// When it last entered or left the state "does not run", in nanoseconds since 1970. This is read from systemd only
    /// if the record has nothing of the vassal; otherwise zero.
    pub since: i64,
}

/// What the record has of a vassal: the file that was put into effect, or was tried and found wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The file's stamp at that time.
    pub stamp: Stamp,
    /// The error in it.
    pub error: Option<String>,
    /// The file's [`File::socket`] at that time.
    pub socket: Option<u64>,
}

/// Everything that the decision depends on. A vassal that is not in `files` has no file.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    /// The files.
    pub files: BTreeMap<VassalName, FileState>,
    /// The units.
    pub units: BTreeMap<VassalName, Unit>,
    /// The record of what was put into effect.
    pub memory: BTreeMap<VassalName, Remembered>,
    /// The vassals that have files in the generator's directory.
    pub generated: BTreeSet<VassalName>,
    /// The vassals for which an order is under way.
    pub busy: BTreeSet<VassalName>,
    /// Whether vassals.target is being started. This starts all vassals, including those that were stopped by hand
    /// before.
    pub target_starts: bool,
}

/// The action on a vassal's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// None; the file is recorded as the one in effect.
    Adopt,
    /// For a vassal that waits for its first connection and reads its file then: its failed attempts are forgotten.
    Renew,
    /// Start it, or open its socket.
    Start,
    /// Reload it, or restart it if a reload is not enough.
    Reload,
    /// Restart it.
    Restart,
    /// Stop it and its socket, and start it again, because the address where it listens has changed.
    Swap,
    /// Stop it, and remove everything of it.
    Stop,
    /// Remove its remains.
    Erase,
}

/// The step for one vassal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The vassal.
    pub name: VassalName,
    /// The drop-ins to write: before a start, but at a reload only after the file was found usable.
    pub drop_in: Option<Text>,
    /// Whether systemd has loaded older drop-ins, so that a daemon-reload is necessary.
    pub is_loaded: bool,
    /// The action on its unit.
    pub action: Action,
    /// The stamp to record; `None` for a vassal without a file.
    pub stamp: Option<Stamp>,
    /// The file's [`File::socket`].
    pub socket: Option<u64>,
    /// Whether systemd has loaded its socket.
    pub has_socket: bool,
}

/// The steps to take, sorted by name; empty if everything matches the files.
pub fn reconcile(situation: &Situation) -> Vec<Step> {
    let Situation {
        files,
        units,
        memory,
        generated,
        busy,
        target_starts: _,
    } = situation;
    let known = files
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
    let file = match situation.files.get(name) {
        Some(FileState::Unknown) => return None,
        Some(FileState::File(file)) => file,
        None => {
            let is_known = situation.memory.contains_key(name) || situation.generated.contains(name);
            return Some(Step {
                name: name.clone(),
                drop_in: None,
                is_loaded: unit.is_some(),
                action: action_without_file(unit, is_known)?,
                stamp: None,
                socket: None,
                has_socket: has_socket(unit),
            });
        }
    };
    // The end of a mask is no order to start, but changes made meanwhile are applied after it.
    if unit.is_some_and(|unit| unit.is_masked) {
        return None;
    }
    let remembered = situation.memory.get(name);
    let before = remembered.map(|remembered| remembered.stamp);
    let action = match is_swap(file, unit, remembered) {
        true => Some(Action::Swap),
        false if file.socket.is_some() => action_on_demand(file, unit, before, situation.target_starts),
        false => action_with_file(file, unit, before, situation.target_starts),
    };
    // A vassal that keeps running because its new file cannot be used also keeps its resource limits.
    let has_error = remembered.is_some_and(|remembered| remembered.error.is_some());
    let drop_in = file.drop_in.clone().filter(|_| action.is_some() || !has_error);
    (action.is_some() || drop_in.is_some()).then(|| Step {
        name: name.clone(),
        drop_in,
        is_loaded: unit.is_some(),
        action: action.unwrap_or(Action::Adopt),
        stamp: Some(action.map_or_else(|| before.unwrap_or(file.stamp), |_| file.stamp)),
        socket: file.socket,
        has_socket: has_socket(unit),
    })
}

fn has_socket(unit: Option<Unit>) -> bool {
    unit.is_some_and(|unit| unit.socket != Socket::None)
}

/// Whether the vassal runs or listens at another place than its file says now. A socket cannot be moved, nor opened
/// while its service runs.
fn is_swap(file: &File, unit: Option<Unit>, remembered: Option<&Remembered>) -> bool {
    let Some(unit) = unit else { return false };
    let runs = unit.socket == Socket::Open || matches!(unit.state, State::On | State::Starting);
    let has_moved = match remembered {
        Some(remembered) => remembered.socket != file.socket,
        None => file.socket.is_some() != (unit.socket == Socket::Open),
    };
    runs && has_moved
}

/// The action for a vassal on demand. While systemd listens, only a running vassal is reloaded.
fn action_on_demand(
    file: &File,
    unit: Option<Unit>,
    before: Option<Stamp>,
    target_starts: bool,
) -> Option<Action> {
    let Some(unit) = unit.filter(|unit| unit.socket == Socket::Open) else {
        return match action_with_file(file, unit, before, target_starts)? {
            Action::Adopt => Some(Action::Adopt),
            // It runs without its socket only if it was started by hand.
            _ if unit.is_some_and(|unit| matches!(unit.state, State::On | State::Starting)) => {
                Some(Action::Swap)
            }
            _ => Some(Action::Start),
        };
    };
    match action_with_file(file, Some(unit), before, false)? {
        Action::Start if unit.state == State::Stopping => Some(Action::Adopt),
        Action::Start => Some(Action::Renew),
        action => Some(action),
    }
}

fn action_with_file(
    file: &File,
    unit: Option<Unit>,
    before: Option<Stamp>,
    target_starts: bool,
) -> Option<Action> {
    let Some(unit) = unit else {
        let is_due = target_starts || before.is_none_or(|before| file.stamp.differs_from(before));
        return is_due.then_some(Action::Start);
    };
    // The record has nothing of a vassal that systemd itself has started, or after a boot. Then the unit's own time of
    // change shows whether the file is newer.
    let is_due = match before {
        Some(before) => file.stamp.differs_from(before),
        None => file.changed > unit.since,
    };
    let adopted = before.is_none().then_some(Action::Adopt);
    match (unit.state, is_due) {
        // It reads the file when its job is run.
        (State::Off | State::Failed, _) if unit.is_queued => adopted,
        (State::Off | State::Failed, _) if target_starts => Some(Action::Start),
        (State::Off | State::Failed | State::Stopping, true) => Some(Action::Start),
        (State::Starting, true) => Some(Action::Restart),
        (State::On, true) => Some(Action::Reload),
        (_, false) => adopted,
    }
}

fn action_without_file(unit: Option<Unit>, is_known: bool) -> Option<Action> {
    if unit.is_some_and(|unit| unit.socket == Socket::Open) {
        return Some(Action::Stop);
    }
    match unit.map(|unit| (unit.state, unit.is_queued)) {
        Some((State::On | State::Starting | State::Stopping, _) | (_, true)) => Some(Action::Stop),
        // A unit that never had a file was started by hand, and its failed state may still be of interest.
        Some((State::Failed, false)) => is_known.then_some(Action::Stop),
        Some((State::Off, false)) | None => is_known.then_some(Action::Erase),
    }
}

#[cfg(test)]
mod tests;
