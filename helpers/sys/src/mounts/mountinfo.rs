//! Reads /proc/self/mountinfo (proc_pid_mountinfo(5)) as a stream. Reading it asks no filesystem. Every user who may
//! mount, be it by fusermount, can make it arbitrarily long; so it is always read to its end, and through a buffer of
//! fixed size.

use std::io::{Error, ErrorKind, Read, Result, Seek};

/// How much is read at once: the whole mountinfo of an ordinary machine.
const CHUNK: usize = 8 << 10;
/// The longest path that a system call takes (PATH_MAX), with each byte escaped.
const PATH_LIMIT: usize = 4 * 4096;
/// How many bytes of the options are kept. The ones that are looked for come first.
const OPTIONS_LIMIT: usize = 4096;
/// How many bytes of a filesystem's type are kept; a FUSE daemon chooses how it ends.
const TYPE_LIMIT: usize = 1024;
/// More than the length of a number, or of an optional field's name.
const WORD_LIMIT: usize = 32;

/// One mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// Its id, unique among the mounts that exist; reused after it is gone.
    pub id: u32,
    /// The id of its parent mount.
    pub parent: u32,
    /// The device number of its files (st_dev), major part; see [`Mount::connection`].
    pub major: u32,
    /// The minor part.
    pub minor: u32,
    /// Its mountpoint, below the reader's root; empty where it is longer than any path can be.
    pub mountpoint: Vec<u8>,
    /// The filesystem type, such as `fuse.fuse-zip`.
    pub fstype: Vec<u8>,
    /// The user and group whose processes the FUSE daemon answers (`user_id=` and `group_id=`). Root, if others may
    /// access it (`allow_other`), and for all other filesystems.
    pub owner: (u32, u32),
    /// Whether files on it can be written.
    pub writable: bool,
    /// Whether it is a slave mount (`master:`): it came from another mount namespace, or is a copy of one that did.
    pub is_slave: bool,
}

impl Mount {
    /// The device number of its filesystem, the same for all mounts of it in all namespaces.
    pub fn device(&self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// The number of its connection in fusectl: the device number as the kernel encodes it, which for all but `fuseblk`
    /// is the minor number.
    pub fn connection(&self) -> u32 {
        self.major << 20 | self.minor
    }

    /// Whether a FUSE daemon serves it (`fuse`, `fuse.NAME`, `fuseblk`).
    pub fn is_fuse(&self) -> bool {
        self.fstype == b"fuse" || self.fstype.starts_with(b"fuse.") || self.fstype.starts_with(b"fuseblk")
    }

    /// Whether it is an overlay, which may have a FUSE filesystem below it.
    pub fn is_overlay(&self) -> bool {
        self.fstype == b"overlay"
    }

    /// Whether written data may be in the memory of a daemon only, which stores it when the filesystem is unmounted, as
    /// fuse-zip does.
    pub fn may_hold_unsaved(&self) -> bool {
        self.writable && self.is_fuse()
    }
}

/// Calls `each` for every mount of an open mountinfo, from the beginning. The kernel shows a mount that stays in place
/// exactly once, even if others come and go meanwhile. A malformed line is skipped.
///
/// # Errors
/// As read(2); `UnexpectedEof` when the text ends within a line: a partial table is never taken for the whole.
pub fn visit(mut file: impl Read + Seek, mut each: impl FnMut(&Mount)) -> Result<()> {
    file.rewind()?;
    let mut line = Line::default();
    let mut chunk = [0; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) if line.is_empty() => return Ok(()),
            Ok(0) => return Err(Error::from(ErrorKind::UnexpectedEof)),
            Ok(length) => line.take(&chunk[..length], &mut each),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns the mounts for which `wanted` is true, in their order.
///
/// # Errors
/// As [`visit`].
pub fn select(file: impl Read + Seek, mut wanted: impl FnMut(&Mount) -> bool) -> Result<Vec<Mount>> {
    let mut found = Vec::new();
    visit(file, |mount| {
        if wanted(mount) {
            found.push(mount.clone());
        }
    })?;
    Ok(found)
}

/// The mount that a lookup of the path `mountpoint` ends on: the top one, if several are stacked there.
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

/// The fields of a line, in their order. `Optional` stands for any number of optional fields, up to a dash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd)]
enum Field {
    #[default]
    Id,
    Parent,
    Device,
    Root,
    Mountpoint,
    Options,
    Optional,
    Type,
    Source,
    FilesystemOptions,
    Rest,
}

impl Field {
    /// How many bytes of it are kept.
    fn limit(self) -> usize {
        match self {
            Field::Id | Field::Parent | Field::Device | Field::Optional => WORD_LIMIT,
            Field::Root | Field::Source | Field::Rest => 0,
            Field::Mountpoint => PATH_LIMIT,
            Field::Options | Field::FilesystemOptions => OPTIONS_LIMIT,
            Field::Type => TYPE_LIMIT,
        }
    }
}

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    field: Field,
    /// The kept bytes of the present field.
    text: Vec<u8>,
    /// Whether the field is longer than its limit.
    is_cut: bool,
    /// Whether a field was malformed.
    is_wrong: bool,
    mount: Mount,
}

impl Line {
    fn is_empty(&self) -> bool {
        self.field == Field::Id && self.text.is_empty()
    }

    fn take(&mut self, mut bytes: &[u8], each: &mut impl FnMut(&Mount)) {
        while let Some(at) = bytes.iter().position(|byte| matches!(byte, b' ' | b'\n')) {
            self.keep(&bytes[..at]);
            self.end_field();
            if bytes[at] == b'\n' {
                if !self.is_wrong && self.field > Field::Source {
                    each(&self.mount);
                }
                self.begin();
            }
            bytes = &bytes[at + 1..];
        }
        self.keep(bytes);
    }

    fn begin(&mut self) {
        self.field = Field::Id;
        self.is_wrong = false;
        self.mount.owner = (0, 0);
        self.mount.is_slave = false;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.field.limit().saturating_sub(self.text.len());
        self.is_cut |= bytes.len() > room;
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_field(&mut self) {
        let Self { text, mount, .. } = self;
        let next = match self.field {
            Field::Id => set(&mut mount.id, number(text)).map(|()| Field::Parent),
            Field::Parent => set(&mut mount.parent, number(text)).map(|()| Field::Device),
            Field::Device => device(text).map(|device| {
                (mount.major, mount.minor) = device;
                Field::Root
            }),
            Field::Root => Some(Field::Mountpoint),
            Field::Mountpoint => {
                mount.mountpoint.clear();
                if !self.is_cut {
                    unescape(text, &mut mount.mountpoint);
                }
                Some(Field::Options)
            }
            Field::Options => {
                mount.writable = !is_read_only(text);
                Some(Field::Optional)
            }
            Field::Optional if text == b"-" => Some(Field::Type),
            Field::Optional => {
                mount.is_slave |= text.starts_with(b"master:");
                Some(Field::Optional)
            }
            Field::Type => {
                mount.fstype.clear();
                unescape(text, &mut mount.fstype);
                Some(Field::Source)
            }
            Field::Source => Some(Field::FilesystemOptions),
            Field::FilesystemOptions => {
                mount.writable &= !is_read_only(text);
                let whole = whole_options(text, self.is_cut);
                mount.owner = match has_flag(whole, b"allow_other") {
                    true => (0, 0),
                    false => (
                        option(whole, b"user_id=").unwrap_or(0),
                        option(whole, b"group_id=").unwrap_or(0),
                    ),
                };
                Some(Field::Rest)
            }
            Field::Rest => Some(Field::Rest),
        };
        self.is_wrong |= next.is_none();
        self.field = next.unwrap_or(Field::Rest);
        self.text.clear();
        self.is_cut = false;
    }
}

fn set(field: &mut u32, value: Option<u32>) -> Option<()> {
    *field = value?;
    Some(())
}

fn device(text: &[u8]) -> Option<(u32, u32)> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    Some((number(&text[..colon])?, number(&text[colon + 1..])?))
}

/// The options without the last one, if that may be cut off.
fn whole_options(options: &[u8], is_cut: bool) -> &[u8] {
    let end = options.iter().rposition(|byte| *byte == b',');
    match (is_cut, end) {
        (false, _) => options,
        (true, end) => &options[..end.unwrap_or(0)],
    }
}

/// A mount can be read-only, and so can its filesystem; in both cases `ro` is the first option.
fn is_read_only(options: &[u8]) -> bool {
    options.split(|byte| *byte == b',').next() == Some(b"ro")
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

/// Appends `field` to `out` with mountinfo's octal escapes (`\040` for a blank) undone.
pub fn unescape(field: &[u8], out: &mut Vec<u8>) {
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
}

#[cfg(test)]
mod tests;
