//! Every vassal as it is now: the emperor's files, the health records, systemd's states and the cgroups, put together.

use super::cgroup::{Cgroup, Detail, Hierarchy, Limits, Usage};
use super::files::{self, File, Files};
use super::hits::Hits;
use super::processes::{self, Process};
use super::record::{self, Record, Records};
use super::threads;
use super::units::{self, Asked, Units};
use crate::arguments::Place;
use crate::reading::targets;
use crate::state::{Health, Mark, State};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};
use vassal_escape::printable;
use vassal_escape::unit_name::unescape;
use vassal_state::restart_record;

/// Where the watchdog is installed.
const WATCHDOG: &str = "usr/lib/vassal/vassal-watchdog";
/// What all vassals are in, unless their files say otherwise.
const SLICE: &str = "/vassal.slice";

/// A vassal as it is now.
#[derive(Clone, Debug)]
pub struct Vassal {
    /// Its name, printable.
    pub name: String,
    /// Its unit's instance.
    pub instance: String,
    /// How far it is.
    pub state: State,
    /// Whether it is well.
    pub health: Health,
    /// What there is to know besides.
    pub marks: Vec<Mark>,
    /// Where systemd listens for the connection that starts it, if one does.
    pub on_demand: Option<String>,
    /// Its file.
    pub file: Option<File>,
    /// Its record; an empty one where there is none.
    pub record: Record,
    /// What it uses.
    pub usage: Usage,
    /// What it may use.
    pub limits: Limits,
    /// How often it has met a limit.
    pub hits: Hits,
}

impl Vassal {
    /// Its unit.
    pub fn unit(&self) -> String {
        format!("vassal@{}.service", self.instance)
    }

    /// The unit of the socket whose first connection starts it.
    pub fn socket(&self) -> String {
        units::socket(&self.instance)
    }
}

/// Every vassal, and what could not be found out.
#[derive(Debug)]
pub struct Fleet {
    root: PathBuf,
    hierarchy: Hierarchy,
    /// By name.
    pub vassals: Vec<Vassal>,
    /// The places of the emperor's file.
    pub places: Vec<String>,
    /// Whether nothing is missing: all files are known, and systemd has answered.
    pub is_whole: bool,
    /// Problems, one a line.
    pub problems: Vec<String>,
}

/// The machine, as far as all vassals have it in common.
struct Machine {
    detail: Detail,
    now: u64,
    /// Whether a vassal without a file has none.
    knows_files: bool,
    units: Units,
    records: Records,
    hierarchy: Hierarchy,
    watchdog: Option<(u64, u64)>,
    /// Where the restart records are.
    ended: PathBuf,
    /// The instances that are marked for maintenance, and since when.
    maintained: BTreeMap<String, Option<u64>>,
    /// The cgroups of the units in vassal.slice, looked for only for one that runs without a record.
    slice: OnceLock<BTreeMap<String, String>>,
}

impl Fleet {
    /// Puts everything together.
    ///
    /// # Errors
    /// When there is no such machine, or its emperor's file is wrong.
    pub fn gather(place: &Place, detail: Detail) -> Result<Self, String> {
        let root = targets::root(place)?;
        let asked = Asked::ask(&root);
        // Before there is another thread, as it forks.
        let Files {
            files,
            places,
            are_all,
            mut problems,
        } = files::find(place, &root);
        let units = Units::told(&root, asked);
        files::reap();
        problems.extend(units.problem.clone());
        let is_whole = are_all && units.problem.is_none();
        let files = files.into_iter().map(|(instance, file)| (instance, Some(file)));
        let mut wanted: BTreeMap<String, Option<File>> = files.collect();
        for instance in record::instances(&root) {
            wanted.entry(instance).or_default();
        }
        for instance in units.instances() {
            wanted.entry(instance.to_owned()).or_default();
        }
        let watchdog = root.join(WATCHDOG).metadata().ok();
        let machine = Machine {
            detail,
            now: now_usec(),
            knows_files: are_all,
            units,
            records: Records::of(&root),
            hierarchy: Hierarchy::of(&root),
            watchdog: watchdog.map(|file| (file.dev(), file.ino())),
            ended: root.join(restart_record::DIRECTORY.trim_start_matches('/')),
            maintained: maintained(&root.join(units::MAINTENANCE)),
            slice: OnceLock::new(),
        };
        let wanted: Vec<_> = wanted.into_iter().collect();
        let (vassals, odd) = machine.all(&wanted);
        problems.extend(odd);
        let hierarchy = machine.hierarchy;
        Ok(Self {
            root,
            hierarchy,
            vassals,
            places,
            is_whole,
            problems,
        })
    }

    /// The processes of one of them.
    pub fn processes(&self, vassal: &Vassal) -> Vec<Process> {
        let record = &vassal.record;
        let unit = record
            .cgroup
            .as_deref()
            .map(|path| self.hierarchy.processes(path));
        let pids = unit.unwrap_or_default();
        let known = &record.processes;
        processes::of(&self.root, &pids, record.pid, known.app, &known.daemons)
    }
}

impl Machine {
    /// All `wanted` vassals.
    fn all(&self, wanted: &[(String, Option<File>)]) -> (Vec<Vassal>, Vec<String>) {
        let mut vassals = Vec::with_capacity(wanted.len());
        let mut problems = Vec::new();
        for (vassal, problem) in threads::each(wanted, |each| self.vassal(each)) {
            vassals.extend(vassal);
            problems.extend(problem);
        }
        vassals.sort_by(|one: &Vassal, other| one.name.cmp(&other.name));
        (vassals, problems)
    }

    /// One vassal, if it is one: of what has neither a file nor runs nor has failed only a record may be left.
    fn vassal(&self, (instance, file): &(String, Option<File>)) -> (Option<Vassal>, Option<String>) {
        let (record, problem) = match self.records.read(instance) {
            Ok(record) => (record, None),
            Err(problem) => (None, Some(problem)),
        };
        let path = record.as_ref().and_then(|record| record.cgroup.as_deref());
        let main = record.as_ref().and_then(|record| record.pid);
        let cgroup = match (path, self.units.state(instance)) {
            (Some(path), _) => self.hierarchy.cgroup(path, main),
            (None, None) => self
                .in_slice(instance)
                .and_then(|path| self.hierarchy.cgroup(path, main)),
            (None, Some(_)) => None,
        };
        let state = self.state(instance, record.as_ref(), cgroup.is_some());
        if file.is_none() && state.is_off() {
            return (None, problem);
        }
        let is_kept = |record: &Record| match state.runs() {
            true => record.pid.is_none() || cgroup.as_ref().is_some_and(|unit| unit.has_main),
            false => !state.is_off(),
        };
        let has_record = record.as_ref().is_some_and(is_kept);
        let mut record = record.filter(|_| has_record).unwrap_or_default();
        record.since_usec = match state {
            State::Maintenance => self.maintained.get(instance).copied().flatten(),
            State::Masked => self.units.masked_since(instance),
            // The end of its last run, if it had one since the machine was booted.
            State::Stopped | State::OnDemand => units::made(&restart_record::file(&self.ended, instance)),
            _ => record.since_usec,
        };
        let marks = self.marks(instance, state, file.as_ref(), &record, has_record);
        let cgroup = cgroup.filter(|_| state.runs());
        let (usage, hits) = cgroup
            .as_ref()
            .map(|unit| unit.counts(self.detail))
            .unwrap_or_default();
        let limits = cgroup.as_ref().filter(|_| self.detail == Detail::Full);
        let vassal = Vassal {
            name: printable(&unescape(instance.as_bytes())),
            instance: instance.clone(),
            state,
            health: Health::of(state, has_record),
            marks,
            on_demand: self.units.on_demand(instance),
            file: file.clone(),
            usage,
            limits: limits.map(Cgroup::limits).unwrap_or_default(),
            hits: hits.of_all_runs(record.limits.as_deref(), self.now),
            record,
        };
        (Some(vassal), problem)
    }

    fn in_slice(&self, instance: &str) -> Option<&str> {
        let units = self.slice.get_or_init(|| self.hierarchy.units(SLICE));
        units
            .get(&format!("vassal@{instance}.service"))
            .map(String::as_str)
    }

    /// What systemd says decides whether a vassal runs; how far it is then, its record says.
    fn state(&self, instance: &str, record: Option<&Record>, has_processes: bool) -> State {
        let says = record.and_then(|record| State::of_word(&record.state));
        let is_off = || {
            let is_maintained = self.maintained.contains_key(instance);
            match (is_maintained, self.units.is_masked(instance)) {
                (true, _) => State::Maintenance,
                (false, true) => State::Masked,
                (false, false) if self.units.is_listening(instance) => State::OnDemand,
                (false, false) => State::Stopped,
            }
        };
        match (self.units.state(instance), says) {
            (Some("failed"), Some(State::Waiting)) => State::Waiting,
            (Some("failed"), _) => State::Failed,
            (Some("activating"), Some(says @ (State::Waiting | State::Failed))) => says,
            (Some("activating"), _) => State::Starting,
            (Some("deactivating"), Some(State::Lost)) => State::Lost,
            (Some("deactivating"), _) => State::Stopping,
            (Some("reloading"), _) => State::Reloading,
            (Some(_), _) => is_off(),
            // systemd has not answered. What has no process was killed, if its record does not say that it does without.
            (None, Some(says)) if self.units.problem.is_some() => match says {
                State::Waiting | State::Failed => says,
                _ if has_processes => says,
                _ => State::Lost,
            },
            // Active, or not loaded.
            (None, Some(says)) if has_processes => says,
            (None, _) if has_processes => State::Serving,
            (None, _) => is_off(),
        }
    }

    fn marks(
        &self,
        instance: &str,
        state: State,
        file: Option<&File>,
        record: &Record,
        has_record: bool,
    ) -> Vec<Mark> {
        let changed = file.and_then(|file| Some(file.dates?.changed_usec));
        let is_changed = changed
            .zip(record.loaded_usec)
            .is_some_and(|(changed, loaded)| changed > loaded);
        let program = record
            .program
            .as_ref()
            .map(|program| (program.device, program.inode));
        let is_old = program.is_some() && self.watchdog.is_some() && program != self.watchdog;
        let is_new = file.is_some() && !state.runs() && !self.units.is_wanted(instance);
        let is_maintained = state == State::Maintenance || self.maintained.contains_key(instance);
        let marks = [
            (Mark::Changed, is_changed && state.runs()),
            (Mark::Orphan, file.is_none() && self.knows_files),
            (Mark::New, is_new),
            (Mark::Maintenance, is_maintained),
            (Mark::Masked, self.units.is_masked(instance)),
            (Mark::Disabled, self.units.is_disabled(instance)),
            (Mark::Stopped, state == State::Stopped && !is_new),
            (Mark::OldBinary, is_old && state.runs()),
            (Mark::Waiting, state == State::Waiting),
            (Mark::NoRecord, state.runs() && !has_record),
        ];
        marks
            .into_iter()
            .filter_map(|(mark, is_set)| is_set.then_some(mark))
            .collect()
    }
}

fn maintained(place: &Path) -> BTreeMap<String, Option<u64>> {
    let since = |instance: String| {
        let since = units::made(&place.join(&instance));
        (instance, since)
    };
    units::names(place).map(since).collect()
}

/// Microseconds since the epoch.
pub fn now_usec() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Whether `name` is a vassal's by name, as its unit or as its file.
pub fn is_named(vassal: &Vassal, name: &str) -> bool {
    let instance = units::instance(name).unwrap_or(name);
    let instance = instance.strip_suffix(".ini").unwrap_or(instance);
    [vassal.name.as_str(), &vassal.instance].contains(&instance)
}
