//! What each action of a hook does (ACT-5).

use crate::command::Ended;
use crate::failure::Failure;
use crate::start::Environment;
use nix::mount::{MntFlags, MsFlags};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, chown, chroot, mkdir, sethostname, unlink};
use std::ffi::OsStr;
use std::fs::{OpenOptions, Permissions, metadata, set_permissions};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};
use vassal_config::action::{Action, Awaited, OnFailure, WriteMode};
use vassal_config::mountflags::{MountFlags, UmountFlags};
use vassal_sys::error::Step;
use vassal_sys::exit;
use vassal_sys::journal::{Priority, line};
use vassal_sys::mountinfo;
use vassal_sys::mounts;
use vassal_sys::passwd::Accounts;
use vassal_sys::text::printable;

/// The time between two looks at a path that is waited for: nothing tells when it appears on any filesystem.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Runs shell commands for the actions.
pub trait Shell {
    /// Runs `command` to its end.
    ///
    /// # Errors
    /// When it cannot be started or waited for.
    fn run(&mut self, command: &[u8], environment: &Environment) -> Result<Ended, Failure>;
}

/// What the actions of one process share.
#[derive(Debug)]
pub struct Session<'a> {
    /// The environment of commands, which `putenv` changes.
    pub environment: Environment,
    /// A private proc of this PID namespace.
    pub proc: &'a OwnedFd,
    /// How long one action may wait.
    pub limit: Duration,
}

/// Does `action`.
///
/// # Errors
/// What failed, without the place: the caller knows the line.
pub fn perform(action: &Action, session: &mut Session<'_>, shell: &mut impl Shell) -> Result<(), Failure> {
    match action {
        Action::Exec { command, failure } => {
            let ended = shell.run(command, &session.environment)?;
            judge(ended, *failure, session.limit)
        }
        Action::ChangeDirectory(path) => chdir(at(path))
            .step(|| format!("change to directory '{}'", printable(path)))
            .map_err(refused),
        Action::MakeDirectory(path) => mkdir(at(path), Mode::from_bits_truncate(0o777))
            .step(|| describe("make directory", path))
            .map_err(refused),
        Action::SetEnvironment(name, value) => {
            session.environment.retain(|(known, _)| known != name);
            session.environment.push((name.clone(), value.clone()));
            Ok(())
        }
        Action::SetUmask(mask) => {
            umask(Mode::from_bits_truncate(*mask));
            Ok(())
        }
        Action::SetMode(path, mode) => change_mode(path, |_| *mode),
        Action::SetSticky(path) => change_mode(path, |mode| mode | 0o1000),
        Action::SetOwner(path, user, group) => own_by_name(path, user, group),
        Action::SetOwnerIds(path, uid, gid) => own(path, *uid, *gid),
        Action::Write(path, text, mode) => write(path, text, *mode),
        Action::Unlink(path) => unlink(at(path))
            .step(|| describe("unlink", path))
            .map_err(refused),
        Action::Mount {
            fstype,
            source,
            target,
            flags,
            data,
        } => mount(fstype, source, at(target), *flags, data.as_deref()),
        Action::Umount(target, flags) => umount(session.proc, target, *flags),
        Action::SetHostname(name) => sethostname(OsStr::from_bytes(name))
            .step(|| describe("set the host name", name))
            .map_err(refused),
        Action::Print(text) => {
            line(Priority::Info, &printable(text));
            Ok(())
        }
        Action::Exit(code) => Err(Failure {
            code: *code,
            message: format!("exits with {code}, as the hook says"),
        }),
        Action::WaitFor(awaited, path) => wait_for(*awaited, path, session.limit),
        Action::Chroot(path) => chroot(at(path))
            .and_then(|()| chdir("/"))
            .step(|| describe("chroot to", path))
            .map_err(|error| Failure::config(error.to_string())),
        Action::PivotRoot(new, old) => {
            mounts::pivot(at(new), at(old)).map_err(|error| Failure::config(error.to_string()))
        }
        // The split between two processes, not a step of either.
        Action::BecomeUser => Ok(()),
    }
}

fn at(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

fn describe(verb: &str, path: &[u8]) -> String {
    format!("{verb} '{}'", printable(path))
}

fn refused(error: vassal_sys::SysError) -> Failure {
    Failure {
        code: exit::FAILED,
        message: error.to_string(),
    }
}

fn judge(ended: Ended, failure: OnFailure, limit: Duration) -> Result<(), Failure> {
    let problem = match ended {
        Ended::Exited(0) => return Ok(()),
        Ended::Exited(127) => "exited with 127: its program was not found".to_owned(),
        Ended::Exited(code) => format!("exited with {code}"),
        Ended::Killed(signal) => format!("was killed by {signal}"),
        Ended::TimedOut => format!("did not return within {} s (hook-timeout)", limit.as_secs_f32()),
    };
    match failure {
        OnFailure::Fatal => Err(Failure::passing(problem)),
        OnFailure::Logged => {
            line(Priority::Warning, &format!("a command {problem}, ignoring"));
            Ok(())
        }
    }
}

fn change_mode(path: &[u8], change: impl FnOnce(u32) -> u32) -> Result<(), Failure> {
    let step = || describe("change the mode of", path);
    let mode = metadata(at(path))
        .step(step)
        .map_err(refused)?
        .permissions()
        .mode()
        & 0o7777;
    set_permissions(at(path), Permissions::from_mode(change(mode)))
        .step(step)
        .map_err(refused)
}

fn own_by_name(path: &[u8], user: &[u8], group: &[u8]) -> Result<(), Failure> {
    let accounts = Accounts::read(Path::new("/"));
    let missing =
        |kind: &str, name: &[u8]| Failure::config(format!("there is no {kind} '{}'", printable(name)));
    let uid = accounts.user(user).ok_or_else(|| missing("user", user))?.uid;
    let gid = accounts.group(group).ok_or_else(|| missing("group", group))?;
    own(path, uid, gid)
}

fn own(path: &[u8], uid: u32, gid: u32) -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    chown(at(path), Some(uid), Some(gid))
        .step(|| describe("change the owner of", path))
        .map_err(refused)
}

fn write(path: &[u8], text: &[u8], mode: WriteMode) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    match mode {
        WriteMode::Truncate => options.write(true).create(true).truncate(true),
        WriteMode::Append => options.append(true).create(true),
        WriteMode::Fifo => options.write(true).custom_flags(nix::libc::O_NONBLOCK),
    };
    let step = || describe("write", path);
    let mut file = match options.mode(0o666).open(at(path)) {
        // A FIFO nobody reads is no failure (ACT-5).
        Err(error) if mode == WriteMode::Fifo && error.raw_os_error() == Some(nix::libc::ENXIO) => {
            return Ok(());
        }
        opened => opened.step(step).map_err(refused)?,
    };
    file.write_all(text).step(step).map_err(refused)
}

fn mount(
    fstype: &[u8],
    source: &[u8],
    target: &Path,
    flags: MountFlags,
    data: Option<&[u8]>,
) -> Result<(), Failure> {
    let bits = MsFlags::from_bits_retain(flags.bits());
    mounts::attach(fstype, source, target, bits, data).map_err(refused)?;
    if flags.needs_remount() {
        // A new bind mount takes the flags of its source; only a remount gives it its own (ACT-8, mount(2)).
        let bits = bits.difference(MsFlags::MS_REC) | MsFlags::MS_REMOUNT;
        mounts::attach(b"none", b"none", target, bits, None).map_err(refused)?;
    }
    Ok(())
}

/// Recursive and lazy is one call: the kernel detaches a mount together with everything below. Recursive alone goes
/// from the leaves up, until a look at mountinfo finds nothing more below (ACT-9, without its limits).
fn umount(proc: &OwnedFd, target: &[u8], flags: UmountFlags) -> Result<(), Failure> {
    let mut how = MntFlags::empty();
    how.set(MntFlags::MNT_DETACH, flags.detach);
    how.set(MntFlags::MNT_FORCE, flags.force);
    if flags.recursive && !flags.detach {
        let below = [target, b"/"].concat();
        loop {
            let file = mounts::open_below(proc.as_fd(), "self/mountinfo").map_err(refused)?;
            let all = mountinfo::read(file).step(|| "read mountinfo").map_err(refused)?;
            let inside = all
                .iter()
                .rev()
                .filter(|mount| mount.mountpoint.starts_with(&below));
            let gone = inside
                .filter(|mount| mounts::detach(at(&mount.mountpoint), how).is_ok())
                .count();
            if gone == 0 {
                break;
            }
        }
    }
    mounts::detach(at(target), how).map_err(refused)
}

fn wait_for(awaited: Awaited, path: &[u8], limit: Duration) -> Result<(), Failure> {
    let end = Instant::now() + limit;
    let (what, is_there): (_, fn(&Path) -> bool) = match awaited {
        Awaited::Path => ("path", Path::exists),
        Awaited::File => ("file", Path::is_file),
        Awaited::Directory => ("directory", Path::is_dir),
    };
    while !is_there(at(path)) {
        if Instant::now() >= end {
            let shown = printable(path);
            let limit = limit.as_secs_f32();
            return Err(Failure::passing(format!(
                "{what} '{shown}' did not appear within {limit} s (hook-timeout)"
            )));
        }
        nix::poll::poll(
            &mut [],
            nix::poll::PollTimeout::try_from(LOOK_AGAIN).unwrap_or(nix::poll::PollTimeout::ZERO),
        )
        .step(|| "wait")
        .map_err(refused)?;
    }
    Ok(())
}
