//! Encodes actions in a record: a number for the kind, then its fields. The same program file writes and reads them
//! (the watchdog keeps it open until the vassal ends), so the numbers may change from version to version.
//!
//! [`write`] and [`read`] are long because they are tables with a row for each action.

use std::time::Duration;
use vassal_config::hooks::action::{Action, Awaited, OnFailure, WriteMode};
use vassal_config::hooks::mountflags::{MountFlags, UmountFlags};
use vassal_config::hooks::namespaces::{Namespace, Namespaces};
use vassal_state::codec::{Reader, Writer};

const FAILURES: [OnFailure; 2] = [OnFailure::Fatal, OnFailure::Logged];
const MODES: [WriteMode; 4] = [
    WriteMode::Truncate,
    WriteMode::Append,
    WriteMode::Fifo,
    WriteMode::AwaitedFifo,
];
const AWAITED: [Awaited; 4] = [
    Awaited::Path,
    Awaited::Mountpoint,
    Awaited::Interface,
    Awaited::Socket,
];

/// Appends `action` to a record.
pub fn write(writer: &mut Writer, action: &Action) {
    match action {
        Action::Exec { command, failure } => {
            writer.number(0).bytes(command);
            index(writer, &FAILURES, failure);
        }
        Action::ChangeDirectory(path) => fields(writer, 1, &[path]),
        Action::MakeDirectory(path) => fields(writer, 2, &[path]),
        Action::SetEnvironment(name, value) => fields(writer, 3, &[name, value]),
        Action::UnsetEnvironment(name) => fields(writer, 4, &[name]),
        Action::ReadEnvdir(path) => fields(writer, 5, &[path]),
        Action::SetUmask(mask) => numbers(writer.number(6), &[*mask]),
        Action::SetMode(path, mode) => numbers(writer.number(7).bytes(path), &[*mode]),
        Action::SetSticky(path) => fields(writer, 8, &[path]),
        Action::SetOwner(path, user, group) => fields(writer, 9, &[path, user, group]),
        Action::SetOwnerIds(path, uid, gid) => numbers(writer.number(10).bytes(path), &[*uid, *gid]),
        Action::Write(path, text, mode) => {
            writer.number(11).bytes(path).bytes(text);
            index(writer, &MODES, mode);
        }
        Action::Unlink(path) => fields(writer, 12, &[path]),
        Action::Mount {
            fstype,
            source,
            target,
            flags,
            data,
        } => {
            writer.number(13).bytes(fstype).bytes(source).bytes(target);
            writer.bytes(&flags.stored().to_le_bytes());
            optional(writer, data.as_deref());
        }
        Action::Umount(target, flags) => {
            let UmountFlags {
                recursive,
                detach,
                force,
            } = *flags;
            booleans(writer.number(14).bytes(target), &[recursive, detach, force]);
        }
        Action::SetHostname(name) => fields(writer, 15, &[name]),
        Action::Print(text) => fields(writer, 16, &[text]),
        Action::Exit(code) => numbers(writer.number(17), &[u32::from(*code)]),
        Action::WaitFor(awaited, what, limit) => {
            index(writer.number(18).bytes(what), &AWAITED, awaited);
            optional(writer, limit.map(nanoseconds).as_ref().map(<[u8; 16]>::as_slice));
        }
        Action::Sleep(time) => fields(writer, 19, &[&nanoseconds(*time)]),
        Action::Unshare(namespaces) => {
            booleans(
                writer.number(20),
                &Namespace::ALL.map(|kind| namespaces.has(kind)),
            );
        }
        Action::OpenLog(path) => fields(writer, 21, &[path]),
        Action::OpenPidfile(path) => fields(writer, 22, &[path]),
        Action::Chroot(path) => fields(writer, 23, &[path]),
        Action::PivotRoot(new, old) => fields(writer, 24, &[new, old]),
        Action::BecomeUser => fields(writer, 25, &[]),
    }
}

/// Reads the next action of a record; `None` if there is none.
pub fn read(reader: &mut Reader) -> Option<Action> {
    Some(match reader.number()? {
        0 => Action::Exec {
            command: reader.bytes()?,
            failure: at(reader, &FAILURES)?,
        },
        1 => Action::ChangeDirectory(reader.bytes()?),
        2 => Action::MakeDirectory(reader.bytes()?),
        3 => Action::SetEnvironment(reader.bytes()?, reader.bytes()?),
        4 => Action::UnsetEnvironment(reader.bytes()?),
        5 => Action::ReadEnvdir(reader.bytes()?),
        6 => Action::SetUmask(number(reader)?),
        7 => Action::SetMode(reader.bytes()?, number(reader)?),
        8 => Action::SetSticky(reader.bytes()?),
        9 => Action::SetOwner(reader.bytes()?, reader.bytes()?, reader.bytes()?),
        10 => Action::SetOwnerIds(reader.bytes()?, number(reader)?, number(reader)?),
        11 => Action::Write(reader.bytes()?, reader.bytes()?, at(reader, &MODES)?),
        12 => Action::Unlink(reader.bytes()?),
        13 => Action::Mount {
            fstype: reader.bytes()?,
            source: reader.bytes()?,
            target: reader.bytes()?,
            flags: MountFlags::restored(u64::from_le_bytes(reader.bytes()?.try_into().ok()?)),
            data: read_optional(reader)?,
        },
        14 => Action::Umount(
            reader.bytes()?,
            UmountFlags {
                recursive: boolean(reader)?,
                detach: boolean(reader)?,
                force: boolean(reader)?,
            },
        ),
        15 => Action::SetHostname(reader.bytes()?),
        16 => Action::Print(reader.bytes()?),
        17 => Action::Exit(u8::try_from(number(reader)?).ok()?),
        18 => {
            let what = reader.bytes()?;
            let awaited = at(reader, &AWAITED)?;
            let limit = match read_optional(reader)? {
                Some(bytes) => Some(duration(bytes)?),
                None => None,
            };
            Action::WaitFor(awaited, what, limit)
        }
        19 => Action::Sleep(duration(reader.bytes()?)?),
        20 => Action::Unshare(read_namespaces(reader)?),
        21 => Action::OpenLog(reader.bytes()?),
        22 => Action::OpenPidfile(reader.bytes()?),
        23 => Action::Chroot(reader.bytes()?),
        24 => Action::PivotRoot(reader.bytes()?, reader.bytes()?),
        25 => Action::BecomeUser,
        _ => return None,
    })
}

fn fields(writer: &mut Writer, kind: i32, fields: &[&[u8]]) {
    writer.number(kind);
    for field in fields {
        writer.bytes(field);
    }
}

fn numbers(writer: &mut Writer, numbers: &[u32]) {
    for number in numbers {
        writer.number(*number as i32);
    }
}

fn booleans(writer: &mut Writer, values: &[bool]) {
    for value in values {
        writer.number(i32::from(*value));
    }
}

fn number(reader: &mut Reader) -> Option<u32> {
    reader.number().map(|number| number as u32)
}

fn boolean(reader: &mut Reader) -> Option<bool> {
    reader.number().map(|number| number != 0)
}

fn read_namespaces(reader: &mut Reader) -> Option<Namespaces> {
    let kinds = Namespace::ALL.map(|kind| boolean(reader).map(|is_in| is_in.then_some(kind)));
    let kinds: Option<Vec<_>> = kinds.into_iter().collect();
    Some(kinds?.into_iter().flatten().collect())
}

fn index<T: PartialEq>(writer: &mut Writer, all: &[T], value: &T) {
    let at = all.iter().position(|known| known == value);
    writer.number(at.map_or(-1, |at| at as i32));
}

fn at<T: Copy>(reader: &mut Reader, all: &[T]) -> Option<T> {
    all.get(usize::try_from(reader.number()?).ok()?).copied()
}

fn optional(writer: &mut Writer, value: Option<&[u8]>) {
    writer.number(i32::from(value.is_some()));
    if let Some(value) = value {
        writer.bytes(value);
    }
}

/// Reads an optional value; the outer `None` stands for a record that ends too early.
fn read_optional(reader: &mut Reader) -> Option<Option<Vec<u8>>> {
    match boolean(reader)? {
        true => reader.bytes().map(Some),
        false => Some(None),
    }
}

fn nanoseconds(time: Duration) -> [u8; 16] {
    time.as_nanos().to_le_bytes()
}

fn duration(bytes: Vec<u8>) -> Option<Duration> {
    let nanoseconds = u128::from_le_bytes(bytes.try_into().ok()?);
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (nanoseconds % 1_000_000_000) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use vassal_config::hooks::parse::parse_hook;

    fn restored(action: &Action) -> Option<Action> {
        let mut writer = Writer::default();
        write(&mut writer, action);
        let record = File::from(writer.into_memfd().unwrap());
        read(&mut Reader::from_file(record).unwrap())
    }

    #[test]
    fn every_action_is_read_as_it_was_written() {
        const HOOKS: &[&str] = &[
            "exec:fusermount -u /app",
            "safeexec:true",
            "chdir:/a",
            "mkdir:/a",
            "putenv:A=b=c",
            "callint:umask 18",
            "chmod:/a 640",
            "sticky:/a",
            "chown:/a u g",
            "chown2:/a 4294967295 0",
            "create:/a",
            "write:/a b c",
            "appendn:/a b",
            "writefifo:/a b",
            "spinningfifo:/a b",
            "unlink:/a",
            "mount:tmpfs none /a suid,ro size=1m",
            "mount:none /a /b bind",
            "umount:/a rec,detach,force",
            "hostname:h",
            "print:a\u{e9}",
            "exit:255",
            "wait_for_file:/a",
            "wait_for_socket:/a",
            "callint:sleep 4294967295",
        ];
        let others = [
            Action::UnsetEnvironment(b"A".to_vec()),
            Action::ReadEnvdir(b"/a".to_vec()),
            Action::WaitFor(Awaited::Mountpoint, b"/a".to_vec(), Some(Duration::MAX)),
            Action::WaitFor(
                Awaited::Interface,
                b"e".to_vec(),
                Some(Duration::from_nanos(1_500_000_001)),
            ),
            Action::Unshare(Namespaces {
                mount: true,
                pid: false,
                ipc: true,
                uts: false,
                net: true,
            }),
            Action::OpenLog(b"/a".to_vec()),
            Action::OpenPidfile(b"/a".to_vec()),
            Action::Chroot(b"/a".to_vec()),
            Action::PivotRoot(b"/a".to_vec(), b"/b".to_vec()),
            Action::BecomeUser,
        ];
        let parsed = HOOKS.iter().map(|text| parse_hook(text.as_bytes()).unwrap());
        for action in parsed.chain(others) {
            assert_eq!(restored(&action).as_ref(), Some(&action));
        }
    }

    #[test]
    fn a_record_that_ends_too_early_holds_no_action() {
        let mut writer = Writer::default();
        writer.number(3).bytes(b"NAME");
        let record = File::from(writer.into_memfd().unwrap());
        assert_eq!(read(&mut Reader::from_file(record).unwrap()), None);
    }
}
