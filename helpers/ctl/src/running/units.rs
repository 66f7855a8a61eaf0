//! Asks systemd for the states of the vassals' units. One call lists only those that are not simply active, which costs
//! PID 1 almost nothing however many vassals there are (measured with a thousand serving vassals: 8 ms, and 24 ms to
//! list all of them).

use super::limited;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// How long systemd may take to answer: more than a daemon-reload of thousands of vassals keeps it busy.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is said when it takes longer.
const SILENT: &str = "systemd does not answer: what is shown is from the health records";

/// The states that are asked for: all except `active`.
const STATES: &str = "--state=failed,inactive,activating,deactivating,reloading,maintenance";

/// The directories in which a link to /dev/null masks a unit.
const MASKS: [&str; 2] = ["etc/systemd/system", "run/systemd/system"];
/// The directory in which a file named by a unit's instance keeps that vassal from being started
/// (units/vassal@.service).
pub const MAINTENANCE: &str = "etc/vassal/maintenance";
/// The directory in which a link to /dev/null keeps `vassals.target` from starting a vassal (systemd.unit(5)).
pub const DISABLED: &str = "etc/systemd/system/vassals.target.wants";
/// The directory with the wants-links that the generator has made.
const WANTS: &str = "run/systemd/generator/vassals.target.wants";

/// The vassals' units according to systemd.
#[derive(Debug, Default)]
pub struct Units {
    /// The states of units that are loaded and not active.
    states: States,
    /// The masked units, and since when they are.
    masked: BTreeMap<String, Option<u64>>,
    /// The units that are not started at boot.
    disabled: BTreeSet<String>,
    /// The units for which the generator has made wants-links.
    wanted: BTreeSet<String>,
    /// For the sockets among those, the address on which systemd listens.
    addresses: HashMap<String, String>,
    /// The sockets of vassals on demand on which systemd is listening now.
    listening: BTreeSet<String>,
    /// Why systemd could not be asked; `None` if it could.
    pub problem: Option<String>,
}

/// Units and their states.
type States = HashMap<String, String>;

#[derive(Deserialize)]
struct Listed {
    unit: String,
    active: String,
}

/// A call of systemctl(1) that is still running. Most of its time is its start, in which this process does other work.
#[derive(Debug)]
pub struct Query {
    /// The units for which the generator has made wants-links.
    wanted: BTreeSet<String>,
    answers: Result<Answers, String>,
}

impl Query {
    /// Starts asking systemd, if the machine at `root` is the one that this program runs on.
    pub fn ask(root: &Path) -> Self {
        let wanted: BTreeSet<String> = names(&root.join(WANTS)).collect();
        let ask = || {
            let states = list(&[STATES, "vassal@*.service"])?;
            // A second call, only if there are sockets.
            let has_sockets = wanted.iter().any(|unit| unit.ends_with(SOCKET));
            let sockets = has_sockets.then(|| list(&["--state=active", "vassal@*.socket"]));
            Ok(Answers {
                states: Some(states),
                sockets: sockets.transpose()?,
            })
        };
        let answers = match root == Path::new("/") {
            true => ask(),
            false => Ok(Answers::default()),
        };
        Self { wanted, answers }
    }
}

/// The two calls: for units that are not active, and for sockets that are.
#[derive(Debug, Default)]
struct Answers {
    states: Option<Child>,
    sockets: Option<Child>,
}

impl Answers {
    fn read(self) -> Result<(States, States), String> {
        let deadline = Instant::now() + PATIENCE;
        let read =
            |call: Option<Child>| call.map_or_else(|| Ok(States::new()), |call| listed(call, deadline));
        // Both are read, or killed, whatever comes of the other.
        let (states, sockets) = (read(self.states), read(self.sockets));
        Ok((states?, sockets?))
    }
}

impl Units {
    /// The units of the machine at `root`, with the answer to what was `asked`.
    pub fn from_answers(root: &Path, asked: Query) -> Self {
        let Query { wanted, answers } = asked;
        let (answers, problem) = match answers.and_then(Answers::read) {
            Ok(answers) => (answers, None),
            Err(problem) => (Default::default(), Some(problem)),
        };
        let (states, sockets) = answers;
        Self {
            states,
            masked: MASKS.iter().flat_map(|place| masks(&root.join(place))).collect(),
            disabled: masks(&root.join(DISABLED))
                .into_iter()
                .map(|(unit, _)| unit)
                .collect(),
            addresses: wanted
                .iter()
                .filter(|unit| unit.ends_with(SOCKET))
                .map(|unit| (unit.clone(), address(root, unit)))
                .collect(),
            wanted,
            listening: sockets.into_keys().collect(),
            problem,
        }
    }

    /// The instances of vassals whose units are loaded and not active.
    pub fn instances(&self) -> impl Iterator<Item = &str> {
        self.states.keys().filter_map(|unit| instance(unit))
    }

    /// The state of the unit of `instance`; `None` if it is active or not loaded.
    pub fn state(&self, instance: &str) -> Option<&str> {
        let state = self.states.get(&format!("vassal@{instance}.service"));
        state.map(String::as_str)
    }

    /// Whether systemd listens on the socket of `instance`.
    pub fn is_listening(&self, instance: &str) -> bool {
        self.listening.contains(&socket(instance))
    }

    /// Whether `instance` is a vassal on demand.
    fn is_on_demand(&self, instance: &str) -> bool {
        self.addresses.contains_key(&socket(instance))
    }

    /// For a vassal on demand, the address on which systemd listens.
    pub fn on_demand(&self, instance: &str) -> Option<String> {
        self.addresses.get(&socket(instance)).cloned()
    }

    /// Whether the unit of `instance` is masked.
    pub fn is_masked(&self, instance: &str) -> bool {
        self.masked.contains_key(&format!("vassal@{instance}.service"))
    }

    /// Since when the unit of `instance` has been masked, in microseconds since the epoch.
    pub fn masked_since(&self, instance: &str) -> Option<u64> {
        *self.masked.get(&format!("vassal@{instance}.service"))?
    }

    /// Whether the unit of `instance` is not started at boot.
    pub fn is_disabled(&self, instance: &str) -> bool {
        let is_disabled = |unit: String| self.disabled.contains(&unit);
        is_disabled(format!("vassal@{instance}.service")) || is_disabled(socket(instance))
    }

    /// Whether the generator has made a wants-link for `instance`.
    pub fn is_wanted(&self, instance: &str) -> bool {
        self.wanted.contains(&format!("vassal@{instance}.service")) || self.is_on_demand(instance)
    }
}

/// The address in the drop-in of a socket's unit.
fn address(root: &Path, unit: &str) -> String {
    let drop_in = root.join(format!("run/systemd/generator/{unit}.d/50-vassal.conf"));
    let text = std::fs::read_to_string(drop_in).unwrap_or_default();
    let mut lines = text.lines();
    let address = lines.find_map(|line| line.strip_prefix("ListenStream="));
    address.unwrap_or_default().replace("%%", "%")
}

/// The suffix of a socket unit's name.
const SOCKET: &str = ".socket";

/// The name of the socket's unit of `instance`.
pub fn socket(instance: &str) -> String {
    format!("vassal@{instance}{SOCKET}")
}

/// The instance in the name of a vassal's unit.
pub fn instance(unit: &str) -> Option<&str> {
    unit.strip_prefix("vassal@")?.strip_suffix(".service")
}

/// Starts systemctl to list the units that `which` selects, with their states.
fn list(which: &[&str]) -> Result<Child, String> {
    let mut command = Command::new("systemctl");
    command
        .args(["list-units", "--all", "--full", "--no-pager", "--output=json"])
        .args(which)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
        .spawn()
        .map_err(|error| format!("cannot run 'systemctl': {error}"))
}

/// Reads the output of systemctl, until `deadline`.
fn listed(call: Child, deadline: Instant) -> Result<States, String> {
    let output = limited::output(call, deadline).map_err(|error| format!("systemctl: {error}"))?;
    let output = output.ok_or(SILENT)?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("systemctl: {}", why.trim()));
    }
    let listed: Vec<Listed> = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("systemctl says what is not understood: {error}"))?;
    Ok(listed
        .into_iter()
        .map(|Listed { unit, active }| (unit, active))
        .collect())
}

/// The units that are masked by links to /dev/null in `place`, and since when.
fn masks(place: &Path) -> Vec<(String, Option<u64>)> {
    let is_mask = |name: &String| {
        let target = place.join(name).read_link();
        let is_its = instance(name).is_some() || name.ends_with(SOCKET);
        is_its && target.is_ok_and(|target| target == Path::new("/dev/null"))
    };
    let masks = names(place).filter(is_mask);
    masks
        .map(|name| {
            let since = made(&place.join(&name));
            (name, since)
        })
        .collect()
}

/// When the link or file at `path` itself was created or last changed, in microseconds since the epoch.
pub fn made(path: &Path) -> Option<u64> {
    let time = path.symlink_metadata().ok()?.modified().ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok()
}

/// The names in a directory.
pub fn names(place: &Path) -> impl Iterator<Item = String> {
    let entries = place.read_dir().into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}
