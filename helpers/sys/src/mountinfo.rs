//! /proc/self/mountinfo (proc_pid_mountinfo(5)): text in, mounts out. Reading the file asks no filesystem anything.

use std::io::{Read, Seek};

/// The most of mountinfo that is read: 16 MiB, a hundred thousand mounts (fs.mount-max) of ordinary length.
const LIMIT: u64 = 16 << 20;
/// What mountinfo of an ordinary machine fits into.
const ORDINARY: usize = 8 << 10;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Unique among the mounts that exist at one time; reused afterwards.
    pub id: u32,
    /// The mount it is on.
    pub parent: u32,
    /// st_dev of its files; for FUSE, `minor` is the connection's number in fusectl.
    pub major: u32,
    /// See `major`.
    pub minor: u32,
    /// Where it is, below the reader's root.
    pub mountpoint: Vec<u8>,
    /// The filesystem type, as `fuse.fuse-zip`.
    pub fstype: Vec<u8>,
    /// Who has to ask it, for its daemon to answer: the owner, `user_id=` and `group_id=` of FUSE's options; root where others
    /// may (`allow_other`), and everywhere else.
    pub owner: (u32, u32),
    /// Whether files can be written there.
    pub writable: bool,
}

impl Mount {
    /// The number of its filesystem, which every mount of it has, in every namespace.
    pub fn device(&self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// Whether a FUSE daemon answers for it (`fuse`, `fuse.NAME`, `fuseblk`).
    pub fn is_fuse(&self) -> bool {
        self.fstype == b"fuse" || self.fstype.starts_with(b"fuse.") || self.fstype.starts_with(b"fuseblk")
    }

    /// Whether what was written there may be in the memory of a daemon only, which saves it when it is unmounted, as
    /// fuse-zip does.
    pub fn may_hold_unsaved(&self) -> bool {
        self.writable && self.is_fuse()
    }
}

/// Every mount in `text`; a line that is not as the man page says is passed over.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

/// Rereads an open mountinfo from its beginning. Reading it also takes note of a pending `POLLPRI`.
///
/// # Errors
/// As read(2).
pub fn read(mut file: impl Read + Seek) -> std::io::Result<Vec<Mount>> {
    file.rewind()?;
    let mut text = Vec::with_capacity(ORDINARY);
    file.take(LIMIT).read_to_end(&mut text)?;
    Ok(parse(&text))
}

/// The mount a path lookup of `mountpoint` ends on: the top one, where several are stacked on it.
pub fn top<'a>(mounts: &'a [Mount], mountpoint: &[u8]) -> Option<&'a Mount> {
    let here: Vec<&Mount> = mounts
        .iter()
        .filter(|mount| mount.mountpoint == mountpoint)
        .collect();
    let is_covered = |mount: &Mount| {
        here.iter()
            .any(|other| other.parent == mount.id && other.id != mount.id)
    };
    here.iter().copied().find(|mount| !is_covered(mount))
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let mut device = fields.next()?.split(|byte| *byte == b':');
    let (major, minor) = (number(device.next()?)?, number(device.next()?)?);
    let _root = fields.next()?;
    let mountpoint = unescape(fields.next()?);
    let own_options = fields.next()?;
    let mut rest = fields.skip_while(|field| *field != b"-");
    rest.next()?;
    let fstype = unescape(rest.next()?);
    let _source = rest.next()?;
    let options = rest.next().unwrap_or_default();
    let owner = match has_flag(options, b"allow_other") {
        true => (0, 0),
        false => (
            option(options, b"user_id=").unwrap_or(0),
            option(options, b"group_id=").unwrap_or(0),
        ),
    };
    Some(Mount {
        id,
        parent,
        major,
        minor,
        mountpoint,
        fstype,
        owner,
        writable: !is_read_only(own_options) && !is_read_only(options),
    })
}

/// Each mount may be read-only, and its filesystem.
fn is_read_only(options: &[u8]) -> bool {
    has_flag(options, b"ro")
}

fn has_flag(options: &[u8], name: &[u8]) -> bool {
    options.split(|byte| *byte == b',').any(|option| option == name)
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn option(options: &[u8], name: &[u8]) -> Option<u32> {
    options
        .split(|byte| *byte == b',')
        .find_map(|option| option.strip_prefix(name))
        .and_then(number)
}

/// Undoes the octal escapes (`\040` for a blank) of mountinfo.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if *first == b'\\' => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"21 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        40 21 0:51 / /app rw,nosuid,nodev,relatime master:7 propagate_from:2 - fuse.fuse-zip fuse-zip ro,user_id=20001,group_id=20002\n\
        41 21 0:52 / /my\\040app rw - tmpfs t rw\n\
        junk\n\
        42 40 0:53 / /app rw - tmpfs t rw\n\
        43 21 0:54 / /all rw - fuse.x x rw,user_id=20001,group_id=20002,allow_other\n";

    #[test]
    fn every_field_that_is_used_is_read() {
        let mounts = parse(TEXT);
        assert_eq!(mounts.len(), 5);
        assert_eq!(mounts[1].owner, (20001, 20002));
        assert_eq!(mounts[4].owner, (0, 0));
        assert_eq!((mounts[1].major, mounts[1].minor), (0, 51));
        assert!(mounts[1].is_fuse() && !mounts[0].is_fuse());
        assert_eq!(mounts[2].mountpoint, b"/my app");
        let writable: Vec<_> = mounts.iter().map(|mount| mount.writable).collect();
        assert_eq!(writable, [true, false, true, true, true]);
    }

    #[test]
    fn the_top_of_a_stack_is_the_one_nothing_is_mounted_on() {
        let mounts = parse(TEXT);
        assert_eq!(top(&mounts, b"/app").map(|mount| mount.id), Some(42));
        assert_eq!(top(&mounts, b"/").map(|mount| mount.id), Some(21));
        assert_eq!(top(&mounts, b"/none"), None);
        // A moved mount keeps its place in the list (mount --move).
        let moved = b"42 41 0:50 / /app rw - fuse b rw\n41 21 0:49 / /app rw - fuse a rw\n43 42 0:51 / /app rw - fuse c rw\n";
        assert_eq!(top(&parse(moved), b"/app").map(|mount| mount.id), Some(43));
    }
}
