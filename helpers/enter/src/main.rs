//! vassal-enter: what `vassal@NAME.service` executes. It reads the vassal's file as uWSGI would read it now, enters
//! new namespaces, runs the hooks, starts the app as the vassal's user, and becomes vassal-watchdog.
#![deny(unsafe_code)]

mod app;
mod files;
mod handed_over;
mod hooks;
mod inside;
mod invocation;
mod sockets;
mod start;

mod failure;
mod reload;
mod stop;
mod user;

use failure::Failure;
use handed_over::keys::Copy;
use inside::enter::{Prepared, Programs};
use invocation::Start;
use nix::fcntl::{OFlag, open, readlink};
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use sd_notify::NotifyState;
use start::backoff::Turn;
use start::queue::{Place, Waited};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use stop::Stop;
use user::Lookup;
use vassal_config::emperor::settings::Emperor;
use vassal_config::hooks::namespaces::Namespaces;
use vassal_config::vassal::plan::Plan;
use vassal_sys::allocator::Bump;
use vassal_sys::clone::{Side, clone3};
use vassal_sys::creds::Credentials;
use vassal_sys::error::Step;
use vassal_sys::{fds, signals};
use vassal_systemd::journal::{Priority, line};
use vassal_systemd::notify::DELIVERY_LIMIT;
use vassal_systemd::{exit, lines};

#[global_allocator]
static ALLOCATOR: Bump = Bump::new();

/// How long the end waits for journald to read why.
const LAST_LINE_LIMIT: Duration = Duration::from_secs(5);

/// The search path of hooks and of uWSGI where the unit sets none (systemd.exec(5)).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn main() -> ExitCode {
    if let Err(error) = fds::open_standard() {
        line(Priority::Error, &error.to_string());
        return ExitCode::from(exit::OS);
    }
    let code = command_line();
    // What journald had no room for is kept by this process, which ends now.
    if let Err(error) = lines::deliver(LAST_LINE_LIMIT) {
        line(Priority::Warning, &error.to_string());
    }
    code
}

fn command_line() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [instance] => start_vassal(instance.as_bytes()),
        [option, number] if option == "--atexit" => {
            ended(hooks::atexit::run(descriptor(number)), Priority::Warning)
        }
        [option, instance] if option == "--reload" => {
            ended(reload::run(instance.as_bytes()), Priority::Error)
        }
        [option, instance] if option == "--retry" => {
            ended(start::retry::run(instance.as_bytes()), Priority::Error)
        }
        _ => {
            eprintln!(
                "usage: vassal-enter INSTANCE (started by vassal@INSTANCE.service, see vassal-enter(8))"
            );
            ExitCode::from(exit::USAGE)
        }
    }
}

fn start_vassal(instance: &[u8]) -> ExitCode {
    let mut start = match Start::from_systemd(instance) {
        Ok(start) => start,
        Err(failure) => {
            line(Priority::Error, &failure.message);
            return ExitCode::from(failure.code);
        }
    };
    let code = run(&mut start).unwrap_or_else(|failure| {
        start.tell(&failure);
        failure.code
    });
    start.take_leave();
    ExitCode::from(code)
}

fn descriptor(number: &OsString) -> RawFd {
    let number = number.to_str().and_then(|number| number.parse().ok());
    number.unwrap_or(-1)
}

fn ended(result: Result<(), Failure>, priority: Priority) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            line(priority, &failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// The story: wait for the turn, read, bind, clone; the clone goes on inside, this process runs the emperor's hooks
/// and ends. Or this is not the time to try, and it ends with that code.
fn run(start: &mut Start) -> Result<u8, Failure> {
    start::unsaved::tell(start)?;
    // Before anything is read: what has been mended meanwhile counts.
    match start::backoff::wait_for_turn(start)? {
        Turn::Go => {}
        Turn::Later => return Ok(exit::LATER),
        Turn::Stopped => return Ok(0),
    }
    let (emperor, place) = read_emperor_in_turn(start)?;
    let Some(found) = start::source::find_file(&emperor, &start.vassal)? else {
        start.forget();
        return Err(start::source::missing(&emperor, &start.vassal));
    };
    std::env::set_current_dir(&found.directory)
        .step(|| format!("change to '{}'", found.directory.display()))?;
    let vassal = start::source::read_vassal(&emperor, start, &found)?;
    let plan = &vassal.plan;
    // What it waits for may be a vassal that waits for its place.
    let place = place.filter(|_| !plan.waits_for_others());
    let (credentials, key_copies) = find_on_host(plan)?;
    let sockets = sockets::store::open(&plan.listeners, start)?;
    let programs = open_programs()?;
    start.ask_for_time(plan)?;
    let host_mounts = File::open("/proc/self/mountinfo").step(|| "open mountinfo")?;
    let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let host_proc = open("/proc", directory, Mode::empty()).step(|| "open '/proc'")?;
    // The clone goes on at once, but waits for our end before it speaks: only then is it, and not this process, the
    // unit's main process. Only as-emperor hooks hold it up.
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .step(|| "make a socket pair")?;
    // systemd's wish to stop: the init of a PID namespace hears only what it has asked for, from its first moment on.
    let stop = signals::take(&[Signal::SIGTERM, Signal::SIGINT])?;
    match clone3(flags(plan.namespaces)).map_err(|error| Failure::namespace(&error))? {
        Side::Parent(child) => {
            drop(theirs);
            start
                .notifier
                .send(&[NotifyState::MainPid(child.as_raw() as u32)])?;
            // The clone has its copy of what was not written yet.
            drop(lines::leave());
            // Hooks may take longer than systemd waits for a start, if it is not told.
            start.notifier.deliver(DELIVERY_LIMIT, Some(stop.as_fd()))?;
            start::as_emperor::run(start, plan, child, &Stop::for_clone(&stop, child));
            start::mainpid::wait(&ours, &start.notifier, &stop, child)?;
            std::process::exit(0)
        }
        Side::Child => {
            drop(ours);
            lines::take_over();
            start.notifier.speak_after(theirs);
            let has_hooks = !plan.split_emperors().0.is_empty();
            if has_hooks && !start.notifier.wait_for_turn_or(stop.as_fd())? {
                Stop::here(&stop).obey();
            }
            let prepared = Prepared {
                start,
                plan,
                vassal: &vassal,
                emperor: &emperor,
                credentials,
                sockets,
                key_copies,
                programs,
                host_mounts,
                host_proc,
                stop,
                place,
            };
            match inside::enter::enter(prepared)? {}
        }
    }
}

/// Reads the emperor's file, and waits until there are not too many starts at the same time; what was mended in that time counts.
fn read_emperor_in_turn(start: &Start) -> Result<(Emperor, Option<Place>), Failure> {
    let read = || start::source::read_emperor(Path::new(start::source::EMPEROR_FILE), &start.environment);
    let emperor = read()?;
    let waited = Waited::for_place(start, emperor.concurrent_starts);
    match waited.is_long {
        true => Ok((read()?, waited.place)),
        false => Ok((emperor, waited.place)),
    }
}

/// What is the host's to say: who the app's user is, unless the root directory changes, and what is in the keys that he may not
/// read.
fn find_on_host(plan: &Plan) -> Result<(Option<Credentials>, Vec<Copy>), Failure> {
    let proc: OwnedFd = File::open("/proc").step(|| "open /proc")?.into();
    let credentials = match plan.changes_root {
        true => None,
        false => Some(user::resolve(&plan.identity, Lookup::Host, &proc)?),
    };
    let copies = handed_over::keys::collect(&plan.key_files, credentials.as_ref(), &proc)?;
    Ok((credentials, copies))
}

fn flags(namespaces: Namespaces) -> CloneFlags {
    let Namespaces {
        mount,
        pid,
        ipc,
        uts,
        net,
    } = namespaces;
    [
        (mount, CloneFlags::CLONE_NEWNS),
        (pid, CloneFlags::CLONE_NEWPID),
        (ipc, CloneFlags::CLONE_NEWIPC),
        (uts, CloneFlags::CLONE_NEWUTS),
        (net, CloneFlags::CLONE_NEWNET),
    ]
    .into_iter()
    .filter_map(|(wanted, flag)| wanted.then_some(flag))
    .collect()
}

/// Opens vassal-watchdog, which is installed beside this program, and this program itself.
fn open_programs() -> Result<Programs, Failure> {
    let own = readlink("/proc/self/exe").step(|| "find this program")?;
    let watchdog = Path::new(&own).with_file_name("vassal-watchdog");
    let open = |path: &Path| {
        open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .step(|| format!("open '{}'", path.display()))
    };
    Ok(Programs {
        watchdog: open(&watchdog)?,
        enter: open(Path::new(&own))?,
    })
}
