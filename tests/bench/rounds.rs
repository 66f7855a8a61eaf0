//! What is measured on one machine, and in which order: the two take turns, so that whatever else the host does meets both.

use std::time::{Duration, Instant, SystemTime};

use vassal_tests::{Failure, Machine, Signal, Suite};

use crate::contender::{self, Contender, LIMIT};
use crate::measures::hang;
use crate::measures::hang::Lateness;
use crate::measures::incident;
use crate::measures::incident::{Incident, PROVEN};
use crate::measures::ladder::Ladder;
use crate::measures::many;
use crate::measures::many::{Costs, Crowd};
use crate::measures::memory;
use crate::measures::memory::Memory;
use crate::measures::remount;
use crate::measures::request;
use crate::measures::request::{Failures, Fate};
use crate::measures::thousand;
use crate::measures::thousand::Mass;
use crate::quiet;

/// The original looks at its mountpoints once a second, and begins a second after its start (MPC-1, MPC-9).
const CHECK: Duration = Duration::from_secs(1);

/// The original scans its directory every three seconds (EMP-2).
const SCAN: Duration = Duration::from_secs(3);

/// Incidents in which vassal's FUSE daemon hangs.
const HANGS: u32 = 5;

/// How long the original is waited for when its FUSE daemon hangs.
pub const HANG_LIMIT: Duration = Duration::from_secs(30);

/// What one of the two has shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// From the command to the first answer.
    pub starts: Vec<Duration>,
    /// fuse-zip was killed.
    pub kills: Vec<Incident>,
    /// fuse-zip was stopped.
    pub hangs: Vec<Incident>,
}

impl Shown {
    /// All requests that failed after kills.
    pub fn failures(&self) -> Failures {
        let mut all = Failures::default();
        self.kills.iter().for_each(|incident| all.add(&incident.failures));
        all
    }
}

/// All that was found out on one suite.
#[derive(Debug)]
pub struct Findings {
    /// vassal's.
    pub vassal: Shown,
    /// The original's.
    pub emperor: Shown,
    /// Hangs of a daemon that nothing announces; vassal's only.
    pub quiet_hangs: Vec<Incident>,
    /// Kills beside a floor.
    pub remounts: Vec<Ladder>,
    /// How late a hang is seen.
    pub lateness: Lateness,
    /// What stays in memory.
    pub memory: Memory,
    /// What a thousand mounts cost.
    pub costs: Vec<Costs>,
    /// What a thousand vassals at once cost.
    pub mass: Mass,
}

/// Boots a machine of a suite and measures everything on it.
///
/// # Errors
///
/// When the machine does not come up.
///
/// # Panics
///
/// When one of the two does not work at all.
pub fn measure(suite: Suite, rounds: usize) -> Result<Findings, Failure> {
    let machine = contender::boot(suite)?;
    let (mut vassal, mut emperor) = (Shown::default(), Shown::default());
    for round in 0..rounds {
        eprintln!("{suite}: round {} of {rounds}", round + 1);
        // Spread evenly over the original's periods: it is asked to do something at any moment of them, as in real life.
        let part = u32::try_from(round).unwrap_or(0);
        let phase = |period: Duration| period * part / u32::try_from(rounds).unwrap_or(u32::MAX);
        vassal
            .starts
            .push(start(&machine, Contender::Vassal, Duration::ZERO));
        emperor
            .starts
            .push(start(&machine, Contender::Emperor, phase(SCAN)));
        vassal
            .kills
            .push(kill(&machine, Contender::Vassal, Duration::ZERO));
        emperor
            .kills
            .push(kill(&machine, Contender::Emperor, phase(CHECK)));
        vassal
            .kills
            .push(kill(&machine, Contender::Vassal, Duration::ZERO));
        Contender::BOTH
            .iter()
            .for_each(|contender| contender.end(&machine));
    }
    eprintln!("{suite}: hangs");
    (vassal.hangs, emperor.hangs) = hangs(&machine);
    let quiet_hangs = quiet::measure(&machine, HANGS);
    eprintln!("{suite}: beside the floor");
    let remounts = remount::measure(&machine)?;
    eprintln!("{suite}: deadlines");
    let lateness = hang::measure(&machine);
    eprintln!("{suite}: memory");
    let memory = memory::measure(&machine);
    eprintln!("{suite}: many mounts");
    let costs = Crowd::ALL
        .into_iter()
        .map(|crowd| many::measure(&machine, crowd))
        .collect::<Result<_, _>>()?;
    drop(machine);
    eprintln!("{suite}: a thousand vassals");
    let mass = thousand::measure(suite)?;
    Ok(Findings {
        vassal,
        emperor,
        quiet_hangs,
        remounts,
        lateness,
        memory,
        costs,
        mass,
    })
}

/// Starts a vassal; gives the time from the command to the first answer.
fn start(machine: &Machine, contender: Contender, phase: Duration) -> Duration {
    std::thread::sleep(phase);
    std::thread::scope(|scope| {
        let start = scope.spawn(|| contender.begin(machine));
        let begun = Instant::now();
        while request::ask(machine, contender.port(), "/live", contender.live_body()) != Fate::Served {
            assert!(
                begun.elapsed() < LIMIT,
                "{contender:?} does not serve\n{}",
                machine.state()
            );
            std::thread::sleep(request::INTERVAL);
        }
        let answered = SystemTime::now();
        match start.join().map(|begun| answered.duration_since(begun)) {
            Ok(Ok(took)) => took,
            Ok(Err(error)) => panic!("the clock was set back: {error}"),
            Err(_) => panic!("{contender:?} cannot be started"),
        }
    })
}

fn kill(machine: &Machine, contender: Contender, phase: Duration) -> Incident {
    std::thread::sleep(PROVEN + phase);
    let incident = incident::cause(machine, contender.victim(), Signal::SIGKILL, LIMIT);
    assert!(
        incident.recovered.is_some(),
        "{contender:?} does not recover\n{}",
        machine.state()
    );
    incident
}

/// Stops fuse-zip: several times under vassal, once under the original, whose vassal is killed in the end.
fn hangs(machine: &Machine) -> (Vec<Incident>, Vec<Incident>) {
    start(machine, Contender::Vassal, Duration::ZERO);
    start(machine, Contender::Emperor, Duration::ZERO);
    let vassal = (0..HANGS).map(|_| {
        std::thread::sleep(PROVEN);
        incident::cause(machine, Contender::Vassal.victim(), Signal::SIGSTOP, LIMIT)
    });
    let vassal: Vec<Incident> = vassal.collect();
    let emperor = incident::cause(machine, Contender::Emperor.victim(), Signal::SIGSTOP, HANG_LIMIT);
    Contender::Vassal.end(machine);
    machine.must(&["systemctl", "kill", "--signal=KILL", Contender::Emperor.unit()]);
    machine.wait_for_unit(Contender::Emperor.unit(), "SubState", "failed", LIMIT);
    machine.must(&["systemctl", "reset-failed", Contender::Emperor.unit()]);
    (vassal, vec![emperor])
}
