//! Booting a machine: from a stage to a systemd that has finished starting up.

use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tempfile::TempDir;

use crate::container::cgroup;
use crate::container::cgroup::Cgroup;
use crate::container::keeper::{Keeper, Orders};
use crate::container::machine::Machine;
use crate::container::stage;
use crate::container::stage::{Stage, Staged};
use crate::container::sweep;
use crate::failure::Failure;
use crate::inside::files::Root;
use crate::suite::Suite;

/// Half a second is usual; a busy host may take ten times that.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// How often, while waiting for the notification, to look whether nspawn has given up.
const GLANCE: Duration = Duration::from_millis(100);

/// What distinguishes the machines of one process.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A machine's systemd, and the ways into its namespaces.
pub(crate) struct Leader {
    pub pid: Pid,
    pub root: Root,
    pub netns: File,
}

/// Boots what `stage` lays out in the directory it is given, and waits until it is up.
///
/// # Errors
///
/// When a step fails; nothing is left then.
pub(crate) fn start(
    suite: Suite,
    stage: impl FnOnce(PathBuf) -> Result<Stage, Failure>,
) -> Result<Machine, Failure> {
    let begun = Instant::now();
    let name = format!("{}{}", sweep::prefix(), NEXT.fetch_add(1, Ordering::Relaxed));
    let place = tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .tempdir()
        .map_err(Failure::file("create", std::env::temp_dir()))?;
    let mount_point = place.path().join("stage");
    stage::make(&mount_point)?;
    let stage = stage(mount_point)?;
    let cgroup = Cgroup::create(&name)?;
    match bring_up(&name, stage, &place, &cgroup) {
        Ok((keeper, staged, leader)) => Ok(Machine {
            name,
            suite,
            booted_in: begun.elapsed(),
            leader,
            cgroup,
            staged,
            keeper: Some(keeper),
            place: Some(place),
        }),
        Err(failure) => {
            abandon(&cgroup)?;
            Err(failure)
        }
    }
}

fn bring_up(
    name: &str,
    stage: Stage,
    place: &TempDir,
    cgroup: &Cgroup,
) -> Result<(Keeper, Staged, Leader), Failure> {
    let notify = place.path().join("notify");
    let socket = UnixDatagram::bind(&notify).map_err(Failure::file("bind", &notify))?;
    let console = place.path().join("console");
    let orders = Orders {
        name: name.to_owned(),
        stage,
        cgroup_procs: cgroup.procs_below(Path::new(stage::HIERARCHY)),
        notify,
        console: console.clone(),
    };
    let (keeper, staged) = Keeper::start(orders)?;
    match wait_until_up(&socket, cgroup, &keeper, &console).and_then(|pid| meet(pid, cgroup)) {
        Ok(leader) => Ok((keeper, staged, leader)),
        Err(failure) => {
            keeper.stop();
            Err(failure)
        }
    }
}

/// Opens the ways into the machine, and makes the cgroup for the commands that tests run in it.
fn meet(pid: Pid, cgroup: &Cgroup) -> Result<Leader, Failure> {
    cgroup.create_for_commands()?;
    let netns = format!("/proc/{pid}/ns/net");
    Ok(Leader {
        pid,
        root: Root::open(Path::new(&format!("/proc/{pid}/root")))?,
        netns: File::open(&netns).map_err(Failure::file("open", netns))?,
    })
}

/// Waits for the READY=1 that systemd sends when its start-up has finished, and gives its pid on the host.
fn wait_until_up(
    socket: &UnixDatagram,
    cgroup: &Cgroup,
    keeper: &Keeper,
    console: &Path,
) -> Result<Pid, Failure> {
    let begun = Instant::now();
    socket
        .set_read_timeout(Some(GLANCE))
        .map_err(Failure::file("wait on", "notify"))?;
    let mut message = [0; 4096];
    loop {
        let length = socket.recv(&mut message).unwrap_or(0);
        let text = String::from_utf8_lossy(&message[..length]);
        if text.lines().any(|line| line == "READY=1") {
            if let Some(leader) = leader(cgroup) {
                return Ok(leader);
            }
        }
        if begun.elapsed() > BOOT_LIMIT || keeper.has_failed() {
            let console = std::fs::read_to_string(console).unwrap_or_default();
            return Err(Failure::Boot {
                waited: begun.elapsed(),
                console,
            });
        }
    }
}

/// The machine's systemd: the process of its init.scope that is PID 1 in its innermost namespace.
fn leader(cgroup: &Cgroup) -> Option<Pid> {
    let inner_one = |pid: &Pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let pids = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))
            .unwrap_or_default();
        pids.split_whitespace().next_back() == Some("1")
    };
    cgroup::processes_below(&cgroup.payload().join("init.scope"))
        .into_iter()
        .find(inner_one)
}

/// Ends what has failed to come up.
fn abandon(cgroup: &Cgroup) -> Result<(), Failure> {
    cgroup.kill()?;
    cgroup.wait_empty(BOOT_LIMIT);
    cgroup.remove()
}
