//! The files, each with what a request about it does.

use std::io;
use std::path::PathBuf;

/// A file of the root directory, or that directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// The root directory.
    Root,
    /// Is read as `ok`.
    Ok,
    /// Its read is never answered; everything else is.
    Hang,
    /// The same, through the page cache: the reader waits for a page and not for a request.
    Page,
    /// Its open is never answered.
    Open,
    /// A lock on it is never granted.
    Lock,
    /// The daemon reads the request for its bytes and nothing after it.
    Deadlock,
    /// The daemon asks its own filesystem before it answers.
    Own,
    /// The daemon exits with 0.
    Exit,
    /// Its close takes four seconds, in which the daemon moves bytes and answers nobody.
    Upload,
    /// Its close never ends, and the daemon sleeps.
    Stuck,
    /// Its close never ends, and the daemon keeps the processor busy.
    Turning,
    /// Holds the bytes of another file (`--backing`); its reads are not answered once that file's name with `.stop`
    /// exists.
    Backed,
}

/// Every file with its name; the number of its node is its place, counted from 1.
pub const FILES: [(File, &str); 14] = [
    (File::Root, "."),
    (File::Ok, "ok"),
    (File::Hang, "hang"),
    (File::Page, "page"),
    (File::Open, "open"),
    (File::Lock, "lock"),
    (File::Deadlock, "deadlock"),
    (File::Own, "own"),
    (File::Exit, "exit"),
    (File::Backed, "backed"),
    (File::Upload, "upload"),
    (File::Stuck, "stuck"),
    (File::Turning, "turning"),
    // The name of the device that a daemon has open.
    (File::Ok, "fuse"),
];

/// The bytes of each other file.
pub const BYTES: &[u8] = b"ok\n";

/// The file of a node.
pub fn of_node(node: u64) -> Option<File> {
    let index = usize::try_from(node).ok()?.checked_sub(1)?;
    FILES.get(index).map(|(file, _)| *file)
}

/// The node of a name.
pub fn node(name: &[u8]) -> Option<u64> {
    let index = FILES.iter().position(|(_, known)| known.as_bytes() == name)?;
    u64::try_from(index + 1).ok()
}

/// The file that is backed by another one.
#[derive(Debug, Default)]
pub struct Backing {
    bytes: Vec<u8>,
    stop: PathBuf,
}

impl Backing {
    /// Reads the file at `path`; none is empty.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &str) -> io::Result<Backing> {
        if path.is_empty() {
            return Ok(Backing::default());
        }
        Ok(Backing {
            bytes: std::fs::read(path)?,
            stop: format!("{path}.stop").into(),
        })
    }

    /// What a file holds.
    pub fn bytes(&self, file: File) -> &[u8] {
        if file == File::Backed { &self.bytes } else { BYTES }
    }

    /// Whether reads of it are not answered any more.
    pub fn is_stopped(&self) -> bool {
        self.stop.exists()
    }
}
