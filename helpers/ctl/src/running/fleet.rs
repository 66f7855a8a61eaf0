//! All vassals in their present state, combined from the emperor's files, the health records, systemd's units and the
//! cgroups.

use super::cgroup::{Cgroup, Detail, Hierarchy, Limits, Usage};
use super::files::{self, File, Files};
use super::hits::Hits;
use super::processes::{self, Process};
use super::record::{self, Record, Records};
use super::threads;
use super::units::{self, Query, Units};
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

/// The path of the watchdog's program.
const WATCHDOG: &str = "usr/lib/vassal/vassal-watchdog";
/// The slice of all vassals whose files do not say otherwise.
const SLICE: &str = "/vassal.slice";

/// A vassal in its present state.
#[derive(Clone, Debug)]
pub struct Vassal {
    /// Its name, in printable form.
    pub name: String,
    /// The instance of its unit.
    pub instance: String,
    /// Its state.
    pub state: State,
    /// Whether it is well.
    pub health: Health,
    /// Further facts that an administrator should know.
    pub marks: Vec<Mark>,
    /// For a vassal on demand, the address on which systemd listens.
    pub on_demand: Option<String>,
    /// Its file.
    pub file: Option<File>,
    /// Its health record; an empty one if there is none.
    pub record: Record,
    /// The resources that it uses.
    pub usage: Usage,
    /// Its limits.
    pub limits: Limits,
    /// How often it has reached them.
    pub hits: Hits,
}

impl Vassal {
    /// The name of its unit.
    pub fn unit(&self) -> String {
        format!("vassal@{}.service", self.instance)
    }

    /// The name of its socket's unit, for a vassal on demand.
    pub fn socket(&self) -> String {
        units::socket(&self.instance)
    }
}

/// All vassals, and the problems in finding them out.
#[derive(Debug)]
pub struct Fleet {
    root: PathBuf,
    hierarchy: Hierarchy,
    /// The vassals, sorted by name.
    pub vassals: Vec<Vassal>,
    /// The places in emperor.ini.
    pub places: Vec<String>,
    /// Whether nothing is missing: all files are known, and systemd has answered.
    pub is_whole: bool,
    /// The problems, one line each.
    pub problems: Vec<String>,
}

/// What is read once for all vassals.
struct Machine {
    detail: Detail,
    now: u64,
    /// Whether a vassal without a file has none.
    knows_files: bool,
    units: Units,
    records: Records,
    hierarchy: Hierarchy,
    watchdog: Option<(u64, u64)>,
    /// The directory of the restart records.
    ended: PathBuf,
    /// The instances in maintenance, and since when.
    maintained: BTreeMap<String, Option<u64>>,
    /// The cgroups of the units in vassal.slice. They are listed only if a vassal runs without a record.
    slice: OnceLock<BTreeMap<String, String>>,
}

impl Fleet {
    /// Collects everything.
    ///
    /// # Errors
    /// When the root directory does not exist or emperor.ini is wrong.
    pub fn gather(place: &Place, detail: Detail) -> Result<Self, String> {
        let root = targets::root(place)?;
        let asked = Query::ask(&root);
        // Done before any thread is started, because it forks.
        let Files {
            files,
            places,
            are_all,
            mut problems,
        } = files::find(place, &root);
        let units = Units::from_answers(&root, asked);
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

    /// The processes of a vassal.
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
    /// The vassals of all `wanted` instances.
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

    /// The vassal of an instance. `None` if it has no file, does not run and has not failed: only its record is left.
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
            // When its last run ended, if there was one since boot.
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

    /// The state of a vassal: systemd decides whether it runs, its record tells how far it is.
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
            // The unit is active, or not loaded.
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

/// The present time in microseconds since the epoch.
pub fn now_usec() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Whether `name` is the vassal's name, its unit or its file.
pub fn is_named(vassal: &Vassal, name: &str) -> bool {
    let instance = units::instance(name).unwrap_or(name);
    let instance = instance.strip_suffix(".ini").unwrap_or(instance);
    [vassal.name.as_str(), &vassal.instance].contains(&instance)
}
