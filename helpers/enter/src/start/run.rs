//! A start, in the order in which it happens: wait for its turn, read the files, open what belongs to the host, clone.
//! The clone goes on inside ([`crate::inside::enter`]); this process runs the emperor's hooks and ends.

use crate::failure::Failure;
use crate::handed_over::keys::{self, Copy};
use crate::health;
use crate::inside::enter::enter;
use crate::inside::prepared::{Prepared, Programs};
use crate::invocation::Invocation;
use crate::namespaces::clone_flags;
use crate::sockets::store;
use crate::start::backoff::{Turn, wait_for_turn};
use crate::start::queue::Waited;
use crate::start::source;
use crate::start::{as_emperor, mainpid, retry, unsaved};
use crate::start_place::Place;
use crate::stop::Stop;
use crate::user::{self, Lookup};
use nix::fcntl::{OFlag, open, readlink};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use sd_notify::NotifyState;
use std::convert::Infallible;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::SystemTime;
use vassal_config::emperor::settings::Emperor;
use vassal_config::emperor::vassals::EMPEROR_FILE;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::read::Vassal;
use vassal_state::start_place;
use vassal_sys::clone::{Side, clone3};
use vassal_sys::creds::Credentials;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::signals;
use vassal_systemd::journal::{Priority, log};
use vassal_systemd::notify::DELIVERY_LIMIT;
use vassal_systemd::{exit, lines};

/// Starts the vassal of the unit instance `instance`; returns the exit code.
pub fn start_vassal(instance: &[u8]) -> u8 {
    let mut invocation = match Invocation::from_systemd(instance) {
        Ok(invocation) => invocation,
        Err(failure) => {
            log(Priority::Error, &failure.to_string());
            return failure.code();
        }
    };
    let code = run(&mut invocation).unwrap_or_else(|failure| {
        invocation.report(&failure);
        failure.code()
    });
    invocation.deliver_pending();
    code
}

/// The start. It returns only when it fails, or when no attempt is to be made now (with the exit code for that).
fn run(invocation: &mut Invocation) -> Result<u8, Failure> {
    if invocation.replaces_retry {
        retry::dismiss(&invocation.vassal);
    }
    unsaved::report(invocation)?;
    // Before any file is read, so that changes made during the pause count.
    match wait_for_turn(invocation)? {
        Turn::Go => {}
        Turn::Later => return Ok(exit::LATER),
        Turn::Stopped => return Ok(0),
    }
    let loaded = SystemTime::now();
    let (emperor, mut place) = read_emperor_in_turn(invocation)?;
    let vassal = read_vassal(invocation, &emperor, &mut place)?;
    let place = place.map_or(Ok(None), |place| keep_place(place, &vassal.plan))?;
    let prepared = prepare(invocation, &emperor, (&vassal, loaded), place)?;
    // Blocked before the clone: the init of a PID namespace receives only signals that it handles.
    let stop = signals::take(&[Signal::SIGTERM, Signal::SIGINT])?;
    // The clone goes on at once, but sends nothing to systemd before this process has ended; only then is it the unit's
    // main process. Only as-emperor hooks make it wait.
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .context(|| "make a socket pair")?;
    let flags = clone_flags(prepared.plan.namespaces);
    match clone3(flags).map_err(Failure::Namespace)? {
        Side::Parent(clone) => {
            drop(theirs);
            hand_over_to(clone, &prepared, &stop, &ours)?;
            std::process::exit(0)
        }
        Side::Child => {
            drop(ours);
            match go_on_inside(prepared, &stop, theirs)? {}
        }
    }
}

/// Reads emperor.ini, and waits while too many other vassals start. If that takes long it is read again.
fn read_emperor_in_turn(invocation: &Invocation) -> Result<(Emperor, Option<Place>), Failure> {
    let read = || source::read_emperor(Path::new(EMPEROR_FILE), &invocation.environment);
    let emperor = read()?;
    let waited = Waited::for_place(invocation, emperor.concurrent_starts);
    match waited.is_long {
        true => Ok((read()?, waited.place)),
        false => Ok((emperor, waited.place)),
    }
}

/// Gives the place back if the vassal waits for others, because one of those may be waiting for a place.
fn keep_place(place: Place, plan: &Plan) -> Result<Option<Place>, Failure> {
    if !plan.waits_for_others() {
        return Ok(Some(place));
    }
    start_place::leave(place.file())?;
    Ok(None)
}

/// Reads the vassal's file, and changes to the directory that contains it.
fn read_vassal(
    invocation: &mut Invocation,
    emperor: &Emperor,
    place: &mut Option<Place>,
) -> Result<Vassal, Failure> {
    // Others do not wait for one whose file is missing. If the place cannot be left, they wait for as long as this does.
    let leave = || drop(place.take().map(|place| start_place::leave(place.file())));
    let Some(found) = source::find_file(emperor, &invocation.vassal, leave)? else {
        invocation.forget();
        health::remove(invocation.health.take().as_ref());
        return Err(source::missing(emperor, &invocation.vassal));
    };
    std::env::set_current_dir(&found.directory)
        .context(|| format!("change to '{}'", found.directory.display()))?;
    source::read_vassal(emperor, invocation, &found)
}

/// Opens what belongs to the host (sockets, programs, tables); inside the namespaces its paths may be out of reach.
fn prepare<'a>(
    invocation: &'a mut Invocation,
    emperor: &'a Emperor,
    (vassal, loaded): (&'a Vassal, SystemTime),
    place: Option<Place>,
) -> Result<Prepared<'a>, Failure> {
    let plan = &vassal.plan;
    let (credentials, key_copies) = find_on_host(plan)?;
    let stored = std::mem::take(&mut invocation.stored);
    let sockets = store::open(&plan.listeners, stored, invocation)?;
    let programs = open_programs()?;
    invocation.ask_for_time(plan)?;
    let host_mounts = File::open("/proc/self/mountinfo").context(|| "open mountinfo")?;
    Ok(Prepared {
        invocation,
        plan,
        vassal,
        loaded,
        emperor,
        credentials,
        sockets,
        key_copies,
        programs,
        host_mounts,
        host_proc: Proc::mounted()?,
        place,
    })
}

/// In the first process, after the clone: tells systemd of the new main process, runs the emperor's hooks, and stays
/// until the clone no longer needs it.
fn hand_over_to(
    clone: Pid,
    prepared: &Prepared<'_>,
    stop: &SignalFd,
    socket: &OwnedFd,
) -> Result<(), Failure> {
    let Prepared { invocation, plan, .. } = prepared;
    let notifier = &invocation.notifier;
    notifier.send(&[NotifyState::MainPid(clone.as_raw() as u32)])?;
    // The clone has a copy of the unwritten lines.
    drop(lines::leave());
    // Sent first: hooks may take longer than systemd waits for a start without being asked for more time.
    notifier.deliver(DELIVERY_LIMIT, Some(stop.as_fd()))?;
    as_emperor::run(invocation, plan, clone, &Stop::for_clone(stop, clone));
    mainpid::wait(socket, notifier, stop, clone)
}

/// In the clone: waits for the emperor's hooks, if there are any, and goes on inside.
fn go_on_inside(prepared: Prepared<'_>, stop: &SignalFd, socket: OwnedFd) -> Result<Infallible, Failure> {
    lines::take_over();
    let notifier = &prepared.invocation.notifier;
    notifier.speak_after(socket);
    let has_hooks = !prepared.plan.split_emperors().0.is_empty();
    if has_hooks && !notifier.wait_for_turn_or(stop.as_fd())? {
        Stop::here(stop, prepared.invocation.health.as_ref()).obey();
    }
    enter(prepared, stop)
}

/// Looks up what only the host knows: the numbers of the app's user, unless the root directory changes, and the keys
/// that this user may not read.
fn find_on_host(plan: &Plan) -> Result<(Option<Credentials>, Vec<Copy>), Failure> {
    let proc = Proc::mounted()?;
    let credentials = match plan.changes_root {
        true => None,
        false => Some(user::resolve(&plan.identity, Lookup::Host, &proc)?),
    };
    let copies = keys::collect(&plan.key_files, credentials.as_ref(), &proc)?;
    Ok((credentials, copies))
}

/// Opens the program vassal-watchdog, which is installed beside this program, and this program itself.
fn open_programs() -> Result<Programs, Failure> {
    let own = readlink("/proc/self/exe").context(|| "find this program")?;
    let watchdog = Path::new(&own).with_file_name("vassal-watchdog");
    let open = |path: &Path| {
        open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .context(|| format!("open '{}'", path.display()))
    };
    Ok(Programs {
        watchdog: open(&watchdog)?,
        enter: open(Path::new(&own))?,
    })
}
