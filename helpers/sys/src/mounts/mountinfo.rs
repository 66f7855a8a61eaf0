//! /proc/self/mountinfo (proc_pid_mountinfo(5)), read as a stream: text in, mounts out. Reading the file asks no filesystem
//! anything. Every user who may mount, by fusermount any, decides how long it is: so it is read to its end, always,
//! and through a buffer of one size.

use std::io::{Error, ErrorKind, Read, Result, Seek};

/// How much is read at once: mountinfo of an ordinary machine.
const CHUNK: usize = 8 << 10;
/// The longest path that a system call takes, each byte of it escaped (PATH_MAX).
const PATH_LIMIT: usize = 4 * 4096;
/// What is kept of options: those that are asked for are the first ones.
const OPTIONS_LIMIT: usize = 4096;
/// What is kept of a filesystem's type, whose end is whatever a FUSE daemon says.
const TYPE_LIMIT: usize = 1024;
/// More than a number or the name of an optional field has.
const WORD_LIMIT: usize = 32;

/// One mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// Unique among the mounts that exist at one time; reused afterwards.
    pub id: u32,
    /// The mount it is on.
    pub parent: u32,
    /// st_dev of its files; see [`Mount::connection`].
    pub major: u32,
    /// See `major`.
    pub minor: u32,
    /// Where it is, below the reader's root; empty where that is longer than any path can be.
    pub mountpoint: Vec<u8>,
    /// The filesystem type, as `fuse.fuse-zip`.
    pub fstype: Vec<u8>,
    /// The user whose process its daemon answers: the owner, `user_id=` and `group_id=` of FUSE's options; root where others
    /// may (`allow_other`), and everywhere else.
    pub owner: (u32, u32),
    /// Whether files can be written there.
    pub writable: bool,
    /// Whether it has come, or is a copy of one that has come, from another mount namespace: it is a slave (`master:`).
    pub is_slave: bool,
}

impl Mount {
    /// The number of its filesystem, which every mount of it has, in every namespace.
    pub fn device(&self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// The number of its connection in fusectl: the kernel's own form of the device number, which is the minor alone for all
    /// but `fuseblk`.
    pub fn connection(&self) -> u32 {
        self.major << 20 | self.minor
    }

    /// Whether a FUSE daemon answers for it (`fuse`, `fuse.NAME`, `fuseblk`).
    pub fn is_fuse(&self) -> bool {
        self.fstype == b"fuse" || self.fstype.starts_with(b"fuse.") || self.fstype.starts_with(b"fuseblk")
    }

    /// Whether it is an overlay, which may stand on a filesystem of a daemon's.
    pub fn is_overlay(&self) -> bool {
        self.fstype == b"overlay"
    }

    /// Whether what was written there may be in the memory of a daemon only, which saves it when it is unmounted, as
    /// fuse-zip does.
    pub fn may_hold_unsaved(&self) -> bool {
        self.writable && self.is_fuse()
    }
}

/// Shows every mount of an open mountinfo to `each`, from the first one on. The kernel shows a mount that stays where it is
/// exactly once, however many others come and go meanwhile. A line that is not as the man page says is passed over.
///
/// # Errors
/// As read(2); `UnexpectedEof` for a text that ends within a line: a part is never taken for the whole.
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

/// The mounts that are `wanted`, in their order.
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

/// The fields of a line, in their order; `Optional` is any number of them, up to a dash.
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
    /// How much of it is kept.
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
    /// The beginning of the field, up to its limit.
    text: Vec<u8>,
    /// The field is longer than that.
    is_cut: bool,
    /// A field was not what it has to be.
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

/// Without the last one, of which a part may be missing.
fn whole_options(options: &[u8], is_cut: bool) -> &[u8] {
    let end = options.iter().rposition(|byte| *byte == b',');
    match (is_cut, end) {
        (false, _) => options,
        (true, end) => &options[..end.unwrap_or(0)],
    }
}

/// Each mount may be read-only, and its filesystem: both say it first.
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

/// Undoes the octal escapes (`\040` for a blank) of mountinfo.
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
