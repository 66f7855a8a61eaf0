//! mountinfo: any bytes are survived, lines do not influence each other, and what the kernel writes is read back. The first
//! byte chooses: bytes as they are, or mounts written as the kernel writes them (proc_pid_mountinfo(5)).
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use std::io::Cursor;
use vassal_sys::mountinfo::{Mount, select, top};

#[derive(Arbitrary, Debug)]
struct Written {
    id: u8,
    parent: u8,
    device: (u32, u32),
    is_on_app: bool,
    root: Vec<u8>,
    mountpoint: Vec<u8>,
    tags: Vec<Tag>,
    fstype: Vec<u8>,
    source: Vec<u8>,
    owner: Option<(u32, u32)>,
}

#[derive(Arbitrary, Debug)]
enum Tag {
    Shared(u32),
    Master(u32),
    PropagateFrom(u32),
    Unbindable,
}

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((b'#', rest)) => {
            let mounts = Vec::<Written>::arbitrary(&mut Unstructured::new(rest));
            written(&mounts.unwrap_or_default());
        }
        _ => any(input),
    }
});

/// The mounts of a text, whose last line is complete.
fn parse(text: &[u8]) -> Vec<Mount> {
    select(Cursor::new([text, b"\n"].concat()), |_| true).expect("memory can be read")
}

fn any(text: &[u8]) {
    let mounts = parse(text);
    let one_by_one: Vec<Mount> = text.split(|byte| *byte == b'\n').flat_map(parse).collect();
    assert_eq!(mounts, one_by_one);
    for mount in &mounts {
        assert!(mount.mountpoint.len() + mount.fstype.len() <= text.len());
        tops(&mounts, &mount.mountpoint);
    }
    tops(&mounts, b"/app");
}

/// The top of a stack has nothing on it; there is none only where there is no mount, or where they are on each other.
fn tops(mounts: &[Mount], mountpoint: &[u8]) {
    let here = || mounts.iter().filter(|mount| mount.mountpoint == mountpoint);
    let is_covered = |mount: &Mount| here().any(|other| other.parent == mount.id && other.id != mount.id);
    match top(mounts, mountpoint) {
        Some(top) => assert!(
            top.mountpoint == mountpoint && !is_covered(top),
            "{top:?} is covered in {mounts:?}"
        ),
        None => assert!(here().all(is_covered), "{mounts:?}"),
    }
}

fn written(mounts: &[Written]) {
    let text: Vec<u8> = mounts.iter().flat_map(line).collect();
    let wanted: Vec<Mount> = mounts
        .iter()
        .map(|mount| Mount {
            id: mount.id.into(),
            parent: mount.parent.into(),
            major: mount.device.0,
            minor: mount.device.1,
            mountpoint: mountpoint(mount),
            fstype: mount.fstype.clone(),
            owner: mount.owner.unwrap_or((0, 0)),
            writable: true,
            is_slave: mount.tags.iter().any(|tag| matches!(tag, Tag::Master(_))),
        })
        .collect();
    assert_eq!(parse(&text), wanted);
    for mount in &wanted {
        tops(&wanted, &mount.mountpoint);
    }
}

/// Many at one place, so that there are stacks.
fn mountpoint(mount: &Written) -> Vec<u8> {
    if mount.is_on_app {
        b"/app".to_vec()
    } else {
        [b"/", mount.mountpoint.as_slice()].concat()
    }
}

fn line(mount: &Written) -> Vec<u8> {
    let (major, minor) = mount.device;
    let mut line = format!("{} {} {major}:{minor} /", mount.id, mount.parent).into_bytes();
    line.extend(escaped(&mount.root));
    line.push(b' ');
    line.extend(escaped(&mountpoint(mount)));
    line.extend_from_slice(b" rw,nosuid");
    for tag in &mount.tags {
        let tag = match tag {
            Tag::Shared(group) => format!(" shared:{group}"),
            Tag::Master(group) => format!(" master:{group}"),
            Tag::PropagateFrom(group) => format!(" propagate_from:{group}"),
            Tag::Unbindable => " unbindable".to_owned(),
        };
        line.extend(tag.into_bytes());
    }
    line.extend_from_slice(b" - ");
    line.extend(escaped(&mount.fstype));
    line.push(b' ');
    line.extend(escaped(&mount.source));
    line.extend_from_slice(b" rw");
    if let Some((user, group)) = mount.owner {
        line.extend(format!(",user_id={user},group_id={group},default_permissions").into_bytes());
    }
    line.push(b'\n');
    line
}

/// The kernel writes these four, and `#`, as `\ooo`.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => out.extend(format!("\\{byte:03o}").into_bytes()),
            _ => out.push(*byte),
        }
    }
    out
}
