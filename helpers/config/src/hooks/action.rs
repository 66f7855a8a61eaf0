//! What one hook does, as data: `hook-PHASE = ACTION:ARGUMENT` and its relatives, parsed (ACT-1 to ACT-10).

use crate::hooks::mountflags::{MountFlags, UmountFlags};
use crate::hooks::namespaces::Namespaces;
use std::time::Duration;
use vassal_escape::printable;

/// What happens when a command fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The start fails.
    Fatal,
    /// It is logged (`safeexec`).
    Logged,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Emptied first.
    Truncate,
    /// Continued at its end.
    Append,
    /// A FIFO: not waited for, and no reader is no failure.
    Fifo,
    /// A FIFO that is waited for, up to a limit: until it is there and has a reader.
    AwaitedFifo,
}

/// What has to be there before the start goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// A path, whatever is there: uWSGI's words for files and directories ask for no more (measured).
    Path,
    /// A directory on which something is mounted.
    Mountpoint,
    /// A network interface, whether it is up or down.
    Interface,
    /// A socket that accepts a connection.
    Socket,
}

/// One step of a plan. Paths and texts are bytes as the file had them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Runs `/bin/sh -c COMMAND` and waits for it (EXE-1).
    Exec {
        /// The shell text.
        command: Vec<u8>,
        /// What its failure means.
        failure: OnFailure,
    },
    /// chdir(2); the payload starts in this directory.
    ChangeDirectory(Vec<u8>),
    /// mkdir(2) with mode 0777 less the umask; a directory that exists is a failure.
    MakeDirectory(Vec<u8>),
    /// Sets an environment variable for later commands and the payload.
    SetEnvironment(Vec<u8>, Vec<u8>),
    /// Removes one.
    UnsetEnvironment(Vec<u8>),
    /// Sets one for each file of a directory, to the file's content.
    ReadEnvdir(Vec<u8>),
    /// umask(2).
    SetUmask(u32),
    /// chmod(2).
    SetMode(Vec<u8>, u32),
    /// Adds the sticky bit.
    SetSticky(Vec<u8>),
    /// chown(2), user and group by name.
    SetOwner(Vec<u8>, Vec<u8>, Vec<u8>),
    /// chown(2), user and group by number.
    SetOwnerIds(Vec<u8>, u32, u32),
    /// Writes a text into a file, which is created.
    Write(Vec<u8>, Vec<u8>, WriteMode),
    /// unlink(2).
    Unlink(Vec<u8>),
    /// mount(2).
    Mount {
        /// The filesystem type, or a dummy.
        fstype: Vec<u8>,
        /// The source, or a dummy.
        source: Vec<u8>,
        /// The mountpoint.
        target: Vec<u8>,
        /// The flags.
        flags: MountFlags,
        /// The filesystem's own options.
        data: Option<Vec<u8>>,
    },
    /// umount2(2).
    Umount(Vec<u8>, UmountFlags),
    /// sethostname(2), for a vassal with a UTS namespace of its own.
    SetHostname(Vec<u8>),
    /// A line in the log.
    Print(Vec<u8>),
    /// Ends the start with this code.
    Exit(u8),
    /// Waits, up to the limit given or that of hooks, for something to appear.
    WaitFor(Awaited, Vec<u8>, Option<Duration>),
    /// Waits this long.
    Sleep(Duration),
    /// unshare(2): new namespaces from here on.
    Unshare(Namespaces),
    /// Opens the file that gets the app's output.
    OpenLog(Vec<u8>),
    /// Opens the file that gets the number of the app's process.
    OpenPidfile(Vec<u8>),
    /// chroot(2), then chdir to its root.
    Chroot(Vec<u8>),
    /// pivot_root(2): the new root, and where the old one goes.
    PivotRoot(Vec<u8>, Vec<u8>),
    /// From here on as the vassal's user.
    BecomeUser,
}

/// Why a text is no action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to write instead, where there is something.
    pub hint: Option<String>,
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        message: message.into(),
        hint: None,
    })
}

fn text(bytes: &[u8]) -> String {
    printable(bytes)
}

/// A hook line: `[!]ACTION:ARGUMENT`, split at the first colon (ACT-1, T1).
///
/// # Errors
/// An unknown action, one that cannot be done outside uWSGI, or an argument it does not take.
pub fn parse_hook(value: &[u8]) -> Result<Action, Refusal> {
    let value = value.strip_prefix(b"!").unwrap_or(value);
    let Some(colon) = value.iter().position(|byte| *byte == b':') else {
        return refuse(format!(
            "hook '{}' has no colon; a hook is ACTION:ARGUMENT",
            text(value)
        ));
    };
    let (name, argument) = (&value[..colon], &value[colon + 1..]);
    let path = || argument.to_vec();
    match name {
        b"exec" => Ok(exec(argument)),
        b"safeexec" => Ok(Action::Exec {
            command: path(),
            failure: OnFailure::Logged,
        }),
        b"call" | b"callret" | b"callint" | b"callintret" => parse_call(argument),
        b"cd" | b"chdir" => Ok(Action::ChangeDirectory(path())),
        b"mkdir" => Ok(Action::MakeDirectory(path())),
        b"putenv" => put_environment(argument),
        b"chmod" => two(argument, "chmod:FILE MODE").and_then(|(file, mode)| set_mode(file, mode)),
        b"sticky" => Ok(Action::SetSticky(path())),
        b"chown" => {
            let [file, user, group] = three(argument, "chown:FILE USER GROUP")?;
            Ok(Action::SetOwner(file.to_vec(), user.to_vec(), group.to_vec()))
        }
        b"chown2" => {
            let [file, uid, gid] = three(argument, "chown2:FILE UID GID")?;
            Ok(Action::SetOwnerIds(file.to_vec(), number(uid)?, number(gid)?))
        }
        b"create" | b"creat" => Ok(Action::Write(path(), Vec::new(), WriteMode::Truncate)),
        b"write" => write(argument, WriteMode::Truncate, b""),
        b"writen" => write(argument, WriteMode::Truncate, b"\n"),
        b"append" => write(argument, WriteMode::Append, b""),
        b"appendn" => write(argument, WriteMode::Append, b"\n"),
        b"writefifo" => write(argument, WriteMode::Fifo, b""),
        b"spinningfifo" => write(argument, WriteMode::AwaitedFifo, b""),
        b"unlink" => Ok(Action::Unlink(path())),
        b"mount" => parse_mount(argument),
        b"umount" => parse_umount(argument),
        b"hostname" => Ok(Action::SetHostname(path())),
        b"print" | b"log" => Ok(Action::Print(path())),
        b"exit" => Ok(Action::Exit(exit_code(argument))),
        b"wait_for_fs" | b"wait_for_file" | b"wait_for_dir" => {
            Ok(Action::WaitFor(Awaited::Path, path(), None))
        }
        b"wait_for_socket" => Ok(Action::WaitFor(Awaited::Socket, path(), None)),
        b"alarm" | b"rpc" | b"retryrpc" | b"unix_signal" => Err(Refusal {
            message: format!("hook action '{}' works only inside uWSGI", text(name)),
            hint: Some("use it in a phase that uWSGI runs, such as hook-post-app".into()),
        }),
        _ => Err(Refusal {
            message: format!("unknown hook action '{}'", text(name)),
            hint: Some(match nearest(name) {
                Some(known) => format!("did you mean '{known}'?"),
                None => "the actions are listed in vassal.ini(5)".into(),
            }),
        }),
    }
}

/// The shell command of an `exec-PHASE` line.
pub fn exec(command: &[u8]) -> Action {
    Action::Exec {
        command: command.to_vec(),
        failure: OnFailure::Fatal,
    }
}

/// The symbol of a `call-PHASE` line, which has no argument.
///
/// # Errors
/// As [`parse_call`]; a blank in it, with which uWSGI finds no such function.
pub fn parse_symbol(value: &[u8]) -> Result<Action, Refusal> {
    if value.contains(&b' ') {
        return Err(Refusal {
            message: format!("there is no C function '{}'", text(value)),
            hint: Some("a call- option takes no argument: write hook-PHASE = call:FUNCTION ARGUMENT".into()),
        });
    }
    parse_call(value)
}

/// `SYMBOL [ARGUMENT]` of call hooks: there is no uWSGI to find a symbol in, so the calls people make are mapped to
/// what they do, and every other one is refused.
///
/// # Errors
/// A symbol that is not mapped.
pub fn parse_call(argument: &[u8]) -> Result<Action, Refusal> {
    let (symbol, rest) = split(argument);
    let rest = rest.unwrap_or_default();
    match symbol {
        b"chdir" => Ok(Action::ChangeDirectory(rest.to_vec())),
        b"putenv" => put_environment(rest),
        b"umask" => number(rest).map(Action::SetUmask),
        b"unlink" => Ok(Action::Unlink(rest.to_vec())),
        b"sethostname" => Ok(Action::SetHostname(rest.to_vec())),
        b"sleep" => number(rest).map(|seconds| Action::Sleep(Duration::from_secs(seconds.into()))),
        b"uwsgi_log" => Ok(Action::Print(rest.to_vec())),
        _ => Err(Refusal {
            message: format!("cannot call the C function '{}' outside uWSGI", text(symbol)),
            hint: Some("use a hook action (chdir, mkdir, putenv, mount, exec, ...) instead".into()),
        }),
    }
}

/// `FSTYPE SOURCE TARGET [FLAGS [DATA]]`, split at single blanks; the data is the rest of the line (ACT-6).
///
/// # Errors
/// A missing field, or a flag uWSGI does not know either (ACT-7).
pub fn parse_mount(argument: &[u8]) -> Result<Action, Refusal> {
    let mut fields = argument.splitn(5, |byte| *byte == b' ');
    let (Some(fstype), Some(source), Some(target)) = (fields.next(), fields.next(), fields.next()) else {
        return refuse("a mount is FSTYPE SOURCE TARGET [FLAGS [DATA]]");
    };
    let flags = MountFlags::parse(fields.next().unwrap_or_default()).map_err(unknown_flag)?;
    let data = fields.next().map(<[u8]>::to_vec);
    Ok(Action::Mount {
        fstype: fstype.to_vec(),
        source: source.to_vec(),
        target: target.to_vec(),
        flags,
        data,
    })
}

/// `TARGET [FLAGS]` (ACT-9).
///
/// # Errors
/// A missing target, or a flag that means nothing for an unmount.
pub fn parse_umount(argument: &[u8]) -> Result<Action, Refusal> {
    let (target, flags) = split(argument);
    if target.is_empty() {
        return refuse("an unmount is TARGET [FLAGS]");
    }
    let flags = UmountFlags::parse(flags.unwrap_or_default()).map_err(unknown_flag)?;
    Ok(Action::Umount(target.to_vec(), flags))
}

fn unknown_flag(flag: &[u8]) -> Refusal {
    Refusal {
        message: format!("unknown mount flag '{}'", text(flag)),
        hint: Some(match flag {
            b"rw" => "mounts are read-write by default: leave it out".into(),
            _ => format!("the flags are {}", crate::hooks::mountflags::words()),
        }),
    }
}

fn put_environment(argument: &[u8]) -> Result<Action, Refusal> {
    match argument.iter().position(|byte| *byte == b'=') {
        Some(at) if at > 0 => Ok(Action::SetEnvironment(
            argument[..at].to_vec(),
            argument[at + 1..].to_vec(),
        )),
        _ => refuse(format!("'{}' is not NAME=VALUE", text(argument))),
    }
}

fn set_mode(file: &[u8], mode: &[u8]) -> Result<Action, Refusal> {
    let octal = (3..=4).contains(&mode.len()) && mode.iter().all(|digit| (b'0'..=b'7').contains(digit));
    if !octal {
        return refuse(format!("mode '{}' is not three or four octal digits", text(mode)));
    }
    let mode = mode
        .iter()
        .fold(0, |mode, digit| mode << 3 | u32::from(digit - b'0'));
    // uWSGI drops the first of four digits (measured): no hook of an old file makes a program setuid here either.
    Ok(Action::SetMode(file.to_vec(), mode & 0o777))
}

fn write(argument: &[u8], mode: WriteMode, end: &[u8]) -> Result<Action, Refusal> {
    let (file, content) = split(argument);
    Ok(Action::Write(
        file.to_vec(),
        [content.unwrap_or_default(), end].concat(),
        mode,
    ))
}

fn split(argument: &[u8]) -> (&[u8], Option<&[u8]>) {
    match argument.iter().position(|byte| *byte == b' ') {
        Some(at) => (&argument[..at], Some(&argument[at + 1..])),
        None => (argument, None),
    }
}

fn two<'a>(argument: &'a [u8], usage: &str) -> Result<(&'a [u8], &'a [u8]), Refusal> {
    match split(argument) {
        (first, Some(second)) => Ok((first, second)),
        _ => refuse(format!("this action is {usage}")),
    }
}

fn three<'a>(argument: &'a [u8], usage: &str) -> Result<[&'a [u8]; 3], Refusal> {
    let (first, rest) = two(argument, usage)?;
    let (second, third) = two(rest, usage)?;
    Ok([first, second, third])
}

fn number(digits: &[u8]) -> Result<u32, Refusal> {
    let parsed = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    parsed.map_or_else(|| refuse(format!("'{}' is not a number", text(digits))), Ok)
}

/// `exit:` with a one-character argument exits with 0, as measured (ACT-5).
fn exit_code(argument: &[u8]) -> u8 {
    if argument.len() < 2 {
        return 0;
    }
    std::str::from_utf8(argument)
        .ok()
        .and_then(|code| code.parse::<i32>().ok())
        .unwrap_or(0) as u8
}

fn nearest(name: &[u8]) -> Option<&'static str> {
    const KNOWN: [&str; 12] = [
        "exec", "safeexec", "mount", "umount", "chdir", "mkdir", "chmod", "chown", "unlink", "write",
        "append", "print",
    ];
    let differs_by_one = |known: &&str| {
        let (known, name) = (known.as_bytes(), name);
        let shared = known.iter().zip(name).take_while(|(a, b)| a == b).count();
        let (rest, other) = (&known[shared..], &name[shared..]);
        let tail = |by: &[u8], from: usize| by.get(from..).map(<[u8]>::to_vec);
        tail(rest, 1) == tail(other, 0) || tail(rest, 0) == tail(other, 1) || tail(rest, 1) == tail(other, 1)
    };
    KNOWN.into_iter().find(differs_by_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hooks_of_the_scenario_are_understood() {
        assert_eq!(
            parse_hook(b"callret:chdir /"),
            Ok(Action::ChangeDirectory(b"/".to_vec()))
        );
        assert_eq!(
            parse_hook(b"mount:none /.old_root/dev /dev bind"),
            Ok(Action::Mount {
                fstype: b"none".to_vec(),
                source: b"/.old_root/dev".to_vec(),
                target: b"/dev".to_vec(),
                flags: MountFlags::parse(b"bind").unwrap(),
                data: None
            })
        );
        assert_eq!(
            parse_hook(b"umount:/.old_root rec,detach"),
            Ok(Action::Umount(
                b"/.old_root".to_vec(),
                UmountFlags::parse(b"rec,detach").unwrap()
            ))
        );
        let union = b"unionfs-fuse -ocow,chroot=/ns /precise=RO:/cow/u=RW /ufs";
        assert_eq!(parse_hook(&[b"exec:", &union[..]].concat()), Ok(exec(union)));
    }

    #[test]
    fn mount_data_is_the_rest_of_the_line() {
        let Ok(Action::Mount { data, .. }) = parse_mount(b"overlay o /ufs nodev lowerdir=/a,upperdir=/b c")
        else {
            panic!("not a mount")
        };
        assert_eq!(data.as_deref(), Some(&b"lowerdir=/a,upperdir=/b c"[..]));
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_the_reason() {
        const CASES: &[(&[u8], &str)] = &[
            (b"mout:proc none /proc", "unknown hook action 'mout'"),
            (b"exec", "has no colon"),
            (b"mount:proc none", "a mount is FSTYPE SOURCE TARGET"),
            (b"mount:proc none /proc wibble", "unknown mount flag 'wibble'"),
            (b"umount:/x nosuid", "unknown mount flag 'nosuid'"),
            (b"call:setpriority", "cannot call the C function 'setpriority'"),
            (b"rpc:f", "works only inside uWSGI"),
            (b"unix_signal:15 f", "works only inside uWSGI"),
            (b"chmod:/x 99", "three or four octal digits"),
            (b"putenv:X", "is not NAME=VALUE"),
        ];
        for (hook, message) in CASES {
            let refusal = parse_hook(hook).unwrap_err();
            assert!(
                refusal.message.contains(message),
                "{}: {}",
                text(hook),
                refusal.message
            );
        }
        assert_eq!(
            parse_hook(b"mout:x").unwrap_err().hint.as_deref(),
            Some("did you mean 'mount'?")
        );
    }

    #[test]
    fn a_mode_has_no_setuid_bit() {
        assert_eq!(
            parse_hook(b"chmod:/x 4751"),
            Ok(Action::SetMode(b"/x".to_vec(), 0o751))
        );
    }

    #[test]
    fn a_call_option_takes_no_argument() {
        assert!(parse_symbol(b"putenv A=B").is_err());
        assert_eq!(parse_hook(b"callint:umask 18"), Ok(Action::SetUmask(18)));
    }

    #[test]
    fn a_one_character_exit_code_is_zero() {
        assert_eq!(parse_hook(b"exit:7"), Ok(Action::Exit(0)));
        assert_eq!(parse_hook(b"exit:42"), Ok(Action::Exit(42)));
    }
}
