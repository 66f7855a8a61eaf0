//! What goes over /dev/fuse (linux/fuse.h, version 7.31), as far as these files need it.

use crate::files::{FILES, File};

/// The operations that are known by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// FUSE_LOOKUP.
    Lookup,
    /// FUSE_GETATTR.
    Attributes,
    /// FUSE_OPEN.
    Open,
    /// FUSE_READ.
    Read,
    /// FUSE_STATFS.
    Statfs,
    /// FUSE_INIT.
    Init,
    /// FUSE_OPENDIR.
    OpenDirectory,
    /// FUSE_READDIR.
    ReadDirectory,
    /// FUSE_SETLKW.
    LockWaiting,
    /// FUSE_FLUSH.
    Flush,
    /// FUSE_RELEASE, FUSE_RELEASEDIR, FUSE_SETLK: nothing to do.
    Done,
    /// FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_INTERRUPT: no answer is expected.
    Unanswered,
    /// Any other.
    Other,
}

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// What is asked.
    pub operation: Operation,
    /// Its number.
    pub unique: u64,
    /// The file.
    pub node: u64,
    /// The operation's own part.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads the header.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let operation = match u32::from_ne_bytes(message.get(4..8)?.try_into().ok()?) {
            1 => Operation::Lookup,
            3 => Operation::Attributes,
            14 => Operation::Open,
            15 => Operation::Read,
            17 => Operation::Statfs,
            26 => Operation::Init,
            27 => Operation::OpenDirectory,
            28 => Operation::ReadDirectory,
            33 => Operation::LockWaiting,
            25 => Operation::Flush,
            18 | 29 | 32 => Operation::Done,
            2 | 36 | 42 => Operation::Unanswered,
            _ => Operation::Other,
        };
        Some(Self {
            operation,
            unique: u64::from_ne_bytes(message.get(8..16)?.try_into().ok()?),
            node: u64::from_ne_bytes(message.get(16..24)?.try_into().ok()?),
            body: message.get(40..)?,
        })
    }

    /// How many bytes a read wants.
    pub fn size(&self) -> usize {
        let bytes = self.body.get(16..20).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, |bytes| u32::from_ne_bytes(bytes) as usize)
    }

    /// The offset of a read.
    pub fn offset(&self) -> usize {
        let bytes = self.body.get(8..16).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(bytes) as usize)
    }
}

/// An answer: its bytes, or an errno.
pub fn answer(unique: u64, outcome: Result<Vec<u8>, i32>) -> Vec<u8> {
    let (errno, body) = match outcome {
        Ok(body) => (0, body),
        Err(errno) => (-errno, Vec::new()),
    };
    let mut message = Vec::new();
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(errno.to_ne_bytes());
    message.extend(unique.to_ne_bytes());
    message.extend(body);
    message
}

/// struct fuse_init_out: asynchronous reads, and locks of both kinds are the daemon's.
pub fn init() -> Vec<u8> {
    const ASYNC_READ: u32 = 1;
    const POSIX_LOCKS: u32 = 1 << 1;
    const FLOCK_LOCKS: u32 = 1 << 10;
    let mut out = numbers(&[7, 31, 65536, ASYNC_READ | POSIX_LOCKS | FLOCK_LOCKS]);
    out.extend([12, 0, 9, 0]); // max_background, congestion_threshold
    out.extend(numbers(&[65536, 1])); // max_write, time_gran
    out.resize(64, 0);
    out
}

/// struct fuse_entry_out: nothing about it may be cached, so that every look is a request.
pub fn entry(node: u64, file: File, size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(node.to_ne_bytes());
    out.resize(40, 0);
    out.extend(attr(node, file, size));
    out
}

/// struct fuse_attr_out.
pub fn attributes(node: u64, file: File, size: usize) -> Vec<u8> {
    let mut out = vec![0; 16];
    out.extend(attr(node, file, size));
    out
}

/// struct fuse_open_out.
pub fn opened(file: File) -> Vec<u8> {
    const DIRECT_IO: u32 = 1;
    let flags = if file == File::Page { 0 } else { DIRECT_IO };
    let mut out = vec![0; 8];
    out.extend(numbers(&[flags, 0]));
    out
}

/// struct fuse_statfs_out.
pub fn statfs() -> Vec<u8> {
    let mut out = Vec::new();
    [1_u64 << 20, 1 << 19, 1 << 19, 1 << 10, 1 << 9]
        .iter()
        .for_each(|number| out.extend(number.to_ne_bytes()));
    out.extend(numbers(&[4096, 255, 4096, 0]));
    out.resize(80, 0);
    out
}

/// The directory from an entry on, as struct fuse_dirent.
pub fn directory(from: usize) -> Vec<u8> {
    let mut out = Vec::new();
    // Not listed: a file whose opening or closing hangs. fuse-overlayfs opens and closes what it finds.
    let is_listed = |file: File| !matches!(file, File::Open | File::Upload | File::Stuck | File::Turning);
    let listed = FILES.iter().enumerate().skip(from);
    for (index, (_, name)) in listed.filter(|(_, (file, _))| is_listed(*file)) {
        out.extend((index as u64 + 1).to_ne_bytes());
        out.extend((index as u64 + 1).to_ne_bytes());
        out.extend(numbers(&[name.len() as u32, 0]));
        out.extend(name.as_bytes());
        out.resize(out.len().next_multiple_of(8), 0);
    }
    out
}

fn attr(node: u64, file: File, size: usize) -> Vec<u8> {
    const DIRECTORY: u32 = 0o040_755;
    const REGULAR: u32 = 0o100_644;
    let mode = if file == File::Root { DIRECTORY } else { REGULAR };
    let mut out = Vec::new();
    [node, size as u64, 1, 0, 0, 0]
        .iter()
        .for_each(|number| out.extend(number.to_ne_bytes()));
    out.extend(numbers(&[0, 0, 0, mode, 1, 0, 0, 0, 4096, 0]));
    out
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}
