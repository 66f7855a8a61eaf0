//! What was found out, as text.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vassal_tests::{Failure, Suite};

use crate::client::{Kind, Tally};
use crate::compile::place;
use crate::measures::deploy::Deploys;
use crate::measures::generation::Generation;
use crate::measures::incident::Incident;
use crate::measures::kills::Kills;
use crate::measures::ladder;
use crate::measures::ladder::Ladder;
use crate::measures::live::Live;
use crate::measures::many::Costs;
use crate::measures::memory::VASSALS;
use crate::measures::request::{INTERVAL, PATIENCE};
use crate::measures::thousand;
use crate::measures::thousand::Mass;
use crate::plot;
use crate::rounds::{Findings, HANG_LIMIT};
use crate::series;
use crate::series::Series;
use crate::table::{self, Comparison, Measured, Unit};

/// What was found out so far.
pub struct Report {
    text: String,
    all: Vec<Series>,
}

impl Report {
    /// Begins with the method.
    pub fn begin() -> Report {
        let text = format!(
            "# vassal and uWSGI's Emperor, measured in turns\n\n{}\n",
            method()
        );
        print!("{text}");
        Report {
            text,
            all: Vec::new(),
        }
    }

    /// Adds the table of the launchers, and prints it.
    pub fn add_entry(&mut self, ladders: &[Ladder]) {
        self.all.extend(series::of_ladders("launchers", ladders));
        let section = entry(ladders);
        print!("{section}");
        self.text += &section;
    }

    /// Adds the table of the generators, and prints it.
    pub fn add_generation(&mut self, found: &[Generation]) {
        let ladders: Vec<_> = found.iter().map(|size| size.ladder.clone()).collect();
        self.all.extend(series::of_ladders("generators", &ladders));
        let section = generation(found);
        print!("{section}");
        self.text += &section;
    }

    /// Adds a suite's table, and prints it.
    pub fn add(&mut self, suite: Suite, findings: &Findings) {
        let name = format!("Debian {suite}");
        self.all
            .extend(series::of_comparisons(&name, &comparisons(findings)));
        self.all.extend(series::of_ladders(&name, &findings.remounts));
        self.all.extend(series::of_ladders(
            &format!("{name} a thousand at once"),
            &findings.mass.ladders,
        ));
        self.all.extend(watching(&name, &findings.costs));
        let lines: String = comparisons(findings).iter().map(table::lines).collect();
        let costs: String = findings.costs.iter().map(costs).collect();
        let ladders: String = findings.remounts.iter().map(ladder::lines).collect();
        let section = format!(
            "\n## Debian {suite}, systemd {}\n\n{}{lines}\n{}{ladders}\n{costs}{}All failed requests after kill -9: vassal: {}. Emperor: {}.\n\
             Load average at the end: {}.\n",
            suite.systemd(),
            table::HEADER,
            ladder::HEADER,
            mass(&findings.mass),
            findings.vassal.failures(),
            findings.emperor.failures(),
            told("/proc/loadavg")
        );
        print!("{section}");
        self.text += &section;
    }

    /// Adds what clients noticed of a suite's deploys, and prints it.
    pub fn add_deploys(&mut self, found: &Deploys) {
        let section = format!("\n{}", deploys(found));
        print!("{section}");
        self.text += &section;
    }

    /// Adds what clients noticed of a suite's kills, and prints it.
    pub fn add_kills(&mut self, found: &[Kills]) {
        let section = format!("\n{}", kills(found));
        print!("{section}");
        self.text += &section;
    }

    /// Writes it to RESULTS.md, RESULTS.json and the plots below plots/ in target/bench; gives that directory.
    ///
    /// # Errors
    ///
    /// When one of them cannot be drawn or written.
    pub fn write(&self) -> Result<PathBuf, Failure> {
        let place = place();
        let plots = plot::plots(&self.all).map_err(|output| Failure::Build {
            what: "a plot".into(),
            output,
        })?;
        write(&place.join("RESULTS.md"), &self.text)?;
        write(
            &place.join("RESULTS.json"),
            &format!("{:#}\n", series::json(&machine(), &self.all)),
        )?;
        for (name, text) in plots {
            write(&place.join(format!("plots/{name}.svg")), &text)?;
        }
        Ok(place)
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let directory = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(directory).and_then(|()| fs::write(path, text));
    written.map_err(|reason| Failure::File {
        doing: "write",
        path: path.to_owned(),
        reason,
    })
}

/// What it was measured on, and how busy that was at the end.
fn machine() -> Value {
    let line = |path: &str, name: &str| {
        let text = told(path);
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.trim() == name);
        found.map(|(_, value)| value.trim().to_owned())
    };
    json!({
        "processor": line("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": line("/proc/meminfo", "MemTotal"),
        "kernel": told("/proc/sys/kernel/osrelease"),
        "load_at_the_end": told("/proc/loadavg"),
    })
}

/// Shares of a core for watching.
fn watching(section: &str, costs: &[Costs]) -> Vec<Series> {
    let share = |costs: &Costs, of: &str, share: f64| Series {
        section: section.to_owned(),
        what: format!(
            "{} vassals with {} healthy mounts each",
            costs.crowd.vassals, costs.crowd.mounts
        ),
        of: of.to_owned(),
        unit: Unit::Cores,
        values: vec![share],
    };
    let all = costs.iter().map(|costs| {
        [
            share(costs, "vassal: watchdogs and probes", costs.watchdogs),
            share(costs, "FUSE daemons", costs.daemons),
            share(costs, "systemd", costs.systemd),
        ]
    });
    all.flatten().collect()
}

fn comparisons(findings: &Findings) -> Vec<Comparison> {
    let (vassal, emperor) = (&findings.vassal, &findings.emperor);
    let times = |times: &[Duration]| Measured::Values(times.iter().map(Duration::as_secs_f64).collect());
    let sizes = |sizes: &[u64]| Measured::Values(sizes.iter().map(|size| *size as f64).collect());
    let compare = |what: &str, unit, vassal, emperor| Comparison {
        what: what.to_owned(),
        unit,
        vassal,
        emperor,
    };
    let start = "start → first 200";
    let kill = "kill -9 of fuse-zip → 200 through the mount";
    let failed = format!(
        "… and requests that failed until then, asked every {} ms",
        INTERVAL.as_millis()
    );
    let hang = "SIGSTOP of fuse-zip → 200 through the mount";
    let quiet = "a FUSE daemon hangs without a signal to its parent → 200";
    let stopped = "SIGSTOP of fuse-zip → its app is killed, less mountpoint-deadline";
    let silent = "a FUSE daemon hangs without a signal → its app is killed, less mountpoint-deadline";
    let memory = format!("memory (PSS) of a vassal's supervisor, at {VASSALS} vassals");
    let (our_memory, their_memory) = (&findings.memory.watchdogs, &findings.memory.masters);
    vec![
        compare(
            start,
            Unit::Time,
            times(&vassal.starts),
            Some(times(&emperor.starts)),
        ),
        compare(
            kill,
            Unit::Time,
            recoveries(&vassal.kills),
            Some(recoveries(&emperor.kills)),
        ),
        compare(
            &failed,
            Unit::Requests,
            failures(&vassal.kills),
            Some(failures(&emperor.kills)),
        ),
        compare(
            hang,
            Unit::Time,
            recoveries(&vassal.hangs),
            Some(recoveries(&emperor.hangs)),
        ),
        compare(quiet, Unit::Time, recoveries(&findings.quiet_hangs), None),
        compare(stopped, Unit::Time, findings.lateness.stopped.clone(), None),
        compare(silent, Unit::Time, findings.lateness.quiet.clone(), None),
        compare(
            &memory,
            Unit::Memory,
            sizes(our_memory),
            Some(sizes(their_memory)),
        ),
    ]
}

/// Many at once, and what that loses.
pub fn mass(mass: &Mass) -> String {
    format!(
        "{}{}\n{} vassals at once: not running then, or restarted: {}; killed while systemd stood still for {} s: {}; systemd needs \
         {:.2} % of a core when all run. A daemon-reload with {} loaded, of which none runs: {:.2} s.\n\n",
        ladder::HEADER,
        mass.ladders.iter().map(ladder::lines).collect::<String>(),
        thousand::COUNT,
        mass.lost,
        thousand::STANDSTILL.as_secs(),
        mass.killed,
        mass.idle * 100.0,
        thousand::LOADED,
        mass.loaded.iter().min().map_or(f64::NAN, Duration::as_secs_f64),
    )
}

/// How long launchers take.
pub fn entry(ladders: &[Ladder]) -> String {
    format!(
        "\n## vassal-enter and other launchers, without systemd\n\n{}{}\nLoad average at the end: {}.\n",
        ladder::HEADER,
        ladders.iter().map(ladder::lines).collect::<String>(),
        told("/proc/loadavg")
    )
}

/// The generator.
pub fn generation(found: &[Generation]) -> String {
    let peaks = found.iter().map(|size| format!("{} KiB", size.peak));
    format!(
        "\n## vassal-generator\n\n{}{}\nThe most memory that vassal-generator had: {}.\n",
        ladder::HEADER,
        found
            .iter()
            .map(|size| ladder::lines(&size.ladder))
            .collect::<String>(),
        peaks.collect::<Vec<_>>().join(", "),
    )
}

/// What becomes of files that appear, change and go.
pub fn live(live: &Live) -> String {
    let seconds = |times: &[Duration]| {
        let mut times: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            times
                .get((times.len() as f64 * share) as usize)
                .copied()
                .unwrap_or(0.0)
        };
        format!(
            "{:.3} s ({:.3} to {:.3})",
            at(0.5),
            at(0.0),
            times.last().copied().unwrap_or(0.0)
        )
    };
    let [drop, emperors_drop] = live.drops.each_ref().map(|times| seconds(times));
    let [removal, emperors_removal] = live.removals.each_ref().map(|times| seconds(times));
    let (changed, count) = live.changed;
    format!(
        "a file is dropped, until it answers: {drop}, the Emperor {emperors_drop}; it is removed, until nothing is left: {removal}, the \
         Emperor {emperors_removal}; it is changed, until the new version answers: {}; 20 at once are active after {:.2} s, 1000 after \
         {:.2} s; 100 of them are changed: {count} are restarted, after {:.2} s; 1000 dropped, of which 100 are changed while systemd \
         stands still for {} s: all run {:.2} s after it goes on, {} not or killed; the emperor's memory: {} KiB; of {} connections to a vassal on \
         demand that ends after 10 ms of nobody {} were answered, by {} starts.\n\n",
        seconds(&live.changes),
        live.twenty.as_secs_f64(),
        live.crowd.as_secs_f64(),
        changed.as_secs_f64(),
        thousand::STANDSTILL.as_secs(),
        live.standstill.0.as_secs_f64(),
        live.standstill.1,
        live.memory,
        live.demand[0],
        live.demand[1],
        live.demand[2],
    )
}

/// What clients notice of deploys.
pub fn deploys(deploys: &Deploys) -> String {
    let milliseconds = |time: &Duration| time.as_secs_f64() * 1000.0;
    let noticed = |tally: &Tally| {
        let (failed, all) = (tally.failed.len(), tally.failed.len() + tally.answered);
        format!(
            "{failed} of {all} failed, the slowest {:.0} ms",
            milliseconds(&tally.slowest)
        )
    };
    let all = |times: &[Duration]| {
        let mut times: Vec<f64> = times.iter().map(milliseconds).collect();
        times.sort_by(f64::total_cmp);
        let middle = times.get(times.len() / 2).copied().unwrap_or(0.0);
        let ends = [times.first(), times.last()].map(|time| time.copied().unwrap_or(0.0));
        format!("{middle:.0} ms ({:.0} to {:.0})", ends[0], ends[1])
    };
    let [slow, emperors_slow] = deploys.slow.each_ref().map(noticed);
    let [broken, emperors_broken] = deploys.broken.each_ref().map(noticed);
    let [restarts, emperors_restarts] = deploys.restarts.each_ref().map(|times| all(times));
    let [reloads, many_restarts] = deploys.many.each_ref().map(noticed);
    let [before, after] = deploys.memory;
    format!(
        "a reload of an app that loads 3 s: {slow}; the Emperor: {emperors_slow}. A version that does not load: {broken}; the Emperor: \
         {emperors_broken}. A reload in place: {}. A stop of an idle uwsgi: {}. The slowest request of a restart: {restarts}; of a reload by \
         the Emperor: {emperors_restarts}. 100 reloads under load: {reloads}; 100 restarts: {many_restarts}. The watchdog's memory before and \
         after those reloads: {before} and {after} KiB. Load average at the end: {}.\n\n",
        all(&deploys.in_place),
        all(&deploys.stops),
        told("/proc/loadavg")
    )
}

/// What clients notice of kills, a row for each way to connect.
pub fn kills(found: &[Kills]) -> String {
    let row = |each: &Kills| {
        let Kills {
            way,
            is_busy,
            kills,
            tally,
        } = each;
        let count = |kind| tally.count(kind);
        format!(
            "| {}{} | {kills} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} ms |\n",
            way.name,
            if *is_busy { ", beside three busy loops" } else { "" },
            tally.answered,
            count(Kind::Refused),
            count(Kind::Reset),
            count(Kind::Closed),
            count(Kind::Wrong),
            count(Kind::TimedOut) + count(Kind::Other),
            tally.most_in_a_round(),
            tally.rounds().into_values().filter(|count| *count > 1).count(),
            tally.slowest.as_secs_f64() * 1000.0,
        )
    };
    let rows: String = found.iter().map(row).collect();
    format!(
        "| kill -9 of fuse-zip, asked 100 times a second | kills | answered | refused | reset | closed without an answer | other than 200 | \
         other | failed at most in one kill | kills with more than one | slowest |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n\
         {rows}\nLoad average at the end: {}.\n",
        told("/proc/loadavg")
    )
}

/// What it costs to watch many mounts.
fn costs(costs: &Costs) -> String {
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    format!(
        "{} healthy mounts ({} vassals with {} each): {} of one core for all watchdogs and the \
         processes they send out ({} for the watchdogs alone, which wake up {:.0} times a second all together); beside \
         that {} for the FUSE daemons' answers, {} for systemd, keep-alives included.\n\n",
        costs.crowd.all_mounts(),
        costs.crowd.vassals,
        costs.crowd.mounts,
        percent(costs.watchdogs),
        percent(costs.own),
        costs.wakeups,
        percent(costs.daemons),
        percent(costs.systemd),
    )
}

fn recoveries(incidents: &[Incident]) -> Measured {
    let times: Vec<Option<Duration>> = incidents.iter().map(|incident| incident.recovered).collect();
    Measured::times(&times, HANG_LIMIT)
}

fn failures(incidents: &[Incident]) -> Measured {
    let counts = incidents.iter().map(|incident| incident.failures.total() as f64);
    Measured::Values(counts.collect())
}

fn method() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = told("/proc/sys/kernel/osrelease");
    let (interval, patience) = (INTERVAL.as_millis(), PATIENCE.as_millis());
    format!(
        "One booted machine (a container with a systemd of its own; host: {cores} cores, Linux {kernel}) runs both: the vassal \
         package, and Debian's uWSGI Emperor as a service with `MountFlags=slave`, default scan, \
         `emperor-use-clone = fs,pid`. Each has the tutorial's monitored zip vassal, uWSGI with one worker, the same app; the \
         peer's on another port, archive and mountpoint. Both are measured in turns in the same run. A start counts from the \
         execution of `systemctl start`, or of the `mv` of the file into the Emperor's directory, at moments spread evenly over \
         its scan; kills of the Emperor's fuse-zip are spread evenly over its check interval. Polled is a route of the app that \
         reads a file through the mount: one request after the other, each on a fresh connection, a new one every {interval} ms or \
         as soon as the last has ended, given up after {patience} ms. A recovery is the first right answer to a request that was \
         sent after the old FUSE daemon's death. vassal's mountpoint-deadline is the default, 3 s. The hang without a signal is \
         that of a FUSE daemon that stops answering by itself, at moments spread evenly between two looks; the original, whose \
         check does not depend on signals, was not measured with it. The supervisor of a vassal is vassal-watchdog, or uWSGI's \
         master under the Emperor (an app that is uWSGI has its own master under vassal, too, with `mountpoint-check` or \
         `master`).\n\n\
         The floors are programs in C that do the least (tests/bench/floor). *Without systemd*: a static program is run as \
         another user in a root with next to nothing in it, with mounts and processes of its own, by each launcher in turns; \
         the payload says itself when it runs, and its end is the end of a FIFO that it alone holds. vassal-enter reads two \
         INI files and leaves a watchdog, the others a parent or nothing; the end of all processes includes the watchdog's \
         orderly end. *Kills beside the floor*: two services under the same systemd, one vassal's, one a C program that \
         mounts the same archive in new namespaces and fails when fuse-zip dies; the app is the same, says when it runs \
         and that a FUSE filesystem is mounted, and is killed when the death is seen; before each kill the machine \
         rests for a second, after which the first process that is put into a cgroup waits for an RCU grace period, with the \
         floor, too. The first act \
         of who sees it is told by a tracer of the app (ptrace), in kills of their own: vassal stops the app and asks the \
         mountpoint before it kills it, the floor kills it at once. Ratios are medians of the ratios within each round.\n"
    )
}

fn told(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
