//! Parses hook lines: `hook-PHASE = ACTION:ARGUMENT` and similar ones (ACT-1 to ACT-10). One table contains all
//! actions.

use crate::bytes::split::split_once;
use crate::hooks::action::{Action, Awaited, OnFailure, WriteMode};
use crate::hooks::mountflags::{MountFlags, UmountFlags};
use std::time::Duration;
use vassal_escape::printable;

/// Why a text is not an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to write instead, if that is known.
    pub hint: Option<String>,
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        message: message.into(),
        hint: None,
    })
}

/// An action of hooks: a row of [`ACTIONS`].
pub struct ActionRow {
    /// The action's name, before the colon.
    pub name: &'static str,
    /// Parses the text after the colon.
    parse: fn(&[u8]) -> Result<Action, Refusal>,
    /// Its effect in one line, for vassal.ini(5).
    pub doc: &'static str,
}

const fn action(
    name: &'static str,
    parse: fn(&[u8]) -> Result<Action, Refusal>,
    doc: &'static str,
) -> ActionRow {
    ActionRow { name, parse, doc }
}

/// All actions.
#[rustfmt::skip] // one action, one line
pub const ACTIONS: &[ActionRow] = &[
    action("exec", |command| Ok(exec(command)), "runs a shell command"),
    action("safeexec", safe_exec, "runs a shell command, whose failure is only logged"),
    action("call", parse_call, "does what a C function does"),
    action("callret", parse_call, "does what a C function does"),
    action("callint", parse_call, "does what a C function does"),
    action("callintret", parse_call, "does what a C function does"),
    action("cd", |path| Ok(Action::ChangeDirectory(path.to_vec())), "changes the working directory"),
    action("chdir", |path| Ok(Action::ChangeDirectory(path.to_vec())), "changes the working directory"),
    action("mkdir", |path| Ok(Action::MakeDirectory(path.to_vec())), "makes a directory"),
    action("putenv", put_environment, "sets a variable of the environment"),
    action("chmod", |words| two(words, "chmod:FILE MODE").and_then(|(file, mode)| set_mode(file, mode)), "changes a file's mode"),
    action("sticky", |path| Ok(Action::SetSticky(path.to_vec())), "sets the sticky bit"),
    action("chown", set_owner, "changes a file's owner, by names"),
    action("chown2", set_owner_ids, "changes a file's owner, by numbers"),
    action("create", create, "makes an empty file"),
    action("creat", create, "makes an empty file"),
    action("write", |words| write(words, WriteMode::Truncate, b""), "writes a text into a file"),
    action("writen", |words| write(words, WriteMode::Truncate, b"\n"), "writes a line into a file"),
    action("append", |words| write(words, WriteMode::Append, b""), "adds a text to a file"),
    action("appendn", |words| write(words, WriteMode::Append, b"\n"), "adds a line to a file"),
    action("writefifo", |words| write(words, WriteMode::Fifo, b""), "writes a text into a FIFO, if it has a reader"),
    action("spinningfifo", |words| write(words, WriteMode::AwaitedFifo, b""), "writes a text into a FIFO, and waits for its reader"),
    action("unlink", |path| Ok(Action::Unlink(path.to_vec())), "removes a file"),
    action("mount", parse_mount, "mounts a filesystem"),
    action("umount", parse_umount, "unmounts one"),
    action("hostname", |name| Ok(Action::SetHostname(name.to_vec())), "sets the host name"),
    action("print", |line| Ok(Action::Print(line.to_vec())), "logs a line"),
    action("log", |line| Ok(Action::Print(line.to_vec())), "logs a line"),
    action("exit", |code| Ok(Action::Exit(exit_code(code))), "ends the start"),
    action("wait_for_fs", |path| Ok(Action::WaitFor(Awaited::Path, path.to_vec(), None)), "waits for a path"),
    action("wait_for_file", |path| Ok(Action::WaitFor(Awaited::Path, path.to_vec(), None)), "waits for a path"),
    action("wait_for_dir", |path| Ok(Action::WaitFor(Awaited::Path, path.to_vec(), None)), "waits for a path"),
    action("wait_for_socket", |path| Ok(Action::WaitFor(Awaited::Socket, path.to_vec(), None)), "waits for a socket that accepts"),
];

/// Actions that only a running uWSGI can carry out.
pub const INSIDE_UWSGI: [&str; 4] = ["alarm", "rpc", "retryrpc", "unix_signal"];

/// Parses a hook line `[!]ACTION:ARGUMENT`, split at the first colon (ACT-1, T1).
///
/// # Errors
/// An unknown action; one that is possible only inside uWSGI; a wrong argument.
pub fn parse_hook(value: &[u8]) -> Result<Action, Refusal> {
    let value = value.strip_prefix(b"!").unwrap_or(value);
    let Some((name, argument)) = split_once(value, b':') else {
        return refuse(format!(
            "hook '{}' has no colon; a hook is ACTION:ARGUMENT",
            printable(value)
        ));
    };
    match ACTIONS.iter().find(|row| row.name.as_bytes() == name) {
        Some(row) => (row.parse)(argument),
        None => Err(unknown_action(name)),
    }
}

fn unknown_action(name: &[u8]) -> Refusal {
    let shown = printable(name);
    if INSIDE_UWSGI.iter().any(|known| known.as_bytes() == name) {
        return Refusal {
            message: format!("hook action '{shown}' works only inside uWSGI"),
            hint: Some("use it in a phase that uWSGI runs, such as hook-post-app".into()),
        };
    }
    Refusal {
        message: format!("unknown hook action '{shown}'"),
        hint: Some(match nearest(name) {
            Some(known) => format!("did you mean '{known}'?"),
            None => "the actions are listed in vassal.ini(5)".into(),
        }),
    }
}

fn safe_exec(command: &[u8]) -> Result<Action, Refusal> {
    Ok(Action::Exec {
        command: command.to_vec(),
        failure: OnFailure::Logged,
    })
}

fn set_owner(argument: &[u8]) -> Result<Action, Refusal> {
    let [file, user, group] = three(argument, "chown:FILE USER GROUP")?;
    Ok(Action::SetOwner(file.to_vec(), user.to_vec(), group.to_vec()))
}

fn set_owner_ids(argument: &[u8]) -> Result<Action, Refusal> {
    let [file, uid, gid] = three(argument, "chown2:FILE UID GID")?;
    Ok(Action::SetOwnerIds(file.to_vec(), number(uid)?, number(gid)?))
}

fn create(path: &[u8]) -> Result<Action, Refusal> {
    Ok(Action::Write(path.to_vec(), Vec::new(), WriteMode::Truncate))
}

/// The action of an `exec-PHASE` line.
pub fn exec(command: &[u8]) -> Action {
    Action::Exec {
        command: command.to_vec(),
        failure: OnFailure::Fatal,
    }
}

/// Parses a `call-PHASE` line, which names a symbol without an argument.
///
/// # Errors
/// As [`parse_call`]; a blank in the symbol, with which uWSGI would find no such function.
pub fn parse_symbol(value: &[u8]) -> Result<Action, Refusal> {
    if value.contains(&b' ') {
        return Err(Refusal {
            message: format!("there is no C function '{}'", printable(value)),
            hint: Some("a call- option takes no argument: write hook-PHASE = call:FUNCTION ARGUMENT".into()),
        });
    }
    parse_call(value)
}

/// The C functions that call hooks may name, with the actions that replace them.
#[rustfmt::skip] // one function, one line
pub const CALLS: &[ActionRow] = &[
    action("chdir", |path| Ok(Action::ChangeDirectory(path.to_vec())), "changes the working directory"),
    action("putenv", put_environment, "sets a variable of the environment"),
    action("umask", |mask| number(mask).map(Action::SetUmask), "sets the umask, in decimal"),
    action("unlink", |path| Ok(Action::Unlink(path.to_vec())), "removes a file"),
    action("sethostname", |name| Ok(Action::SetHostname(name.to_vec())), "sets the host name"),
    action("sleep", |seconds| number(seconds).map(|seconds| Action::Sleep(Duration::from_secs(seconds.into()))), "waits"),
    action("uwsgi_log", |line| Ok(Action::Print(line.to_vec())), "logs a line"),
];

/// Parses `SYMBOL [ARGUMENT]` of call hooks. There is no uWSGI in which to look up a symbol: the functions in [`CALLS`]
/// are replaced by actions, all others are refused.
///
/// # Errors
/// A function that is not in the table.
pub fn parse_call(argument: &[u8]) -> Result<Action, Refusal> {
    let (symbol, rest) = split(argument);
    match CALLS.iter().find(|row| row.name.as_bytes() == symbol) {
        Some(row) => (row.parse)(rest.unwrap_or_default()),
        None => Err(Refusal {
            message: format!("cannot call the C function '{}' outside uWSGI", printable(symbol)),
            hint: Some("use a hook action (chdir, mkdir, putenv, mount, exec, ...) instead".into()),
        }),
    }
}

/// Parses `FSTYPE SOURCE TARGET [FLAGS [DATA]]`, separated by single blanks; the data is the rest of the line (ACT-6).
///
/// # Errors
/// A missing field; an unknown flag, which uWSGI does not know either (ACT-7).
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

/// Parses `TARGET [FLAGS]` (ACT-9).
///
/// # Errors
/// A missing target; an unknown flag.
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
        message: format!("unknown mount flag '{}'", printable(flag)),
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
        _ => refuse(format!("'{}' is not NAME=VALUE", printable(argument))),
    }
}

fn set_mode(file: &[u8], mode: &[u8]) -> Result<Action, Refusal> {
    let octal = (3..=4).contains(&mode.len()) && mode.iter().all(|digit| (b'0'..=b'7').contains(digit));
    if !octal {
        return refuse(format!(
            "mode '{}' is not three or four octal digits",
            printable(mode)
        ));
    }
    let mode = mode
        .iter()
        .fold(0, |mode, digit| mode << 3 | u32::from(digit - b'0'));
    // uWSGI drops the first of four digits (measured), so an existing hook cannot make a program setuid here either.
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
    parsed.map_or_else(|| refuse(format!("'{}' is not a number", printable(digits))), Ok)
}

/// The exit code; `exit:` with an argument of one character means 0, as measured (ACT-5).
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
                printable(hook),
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
