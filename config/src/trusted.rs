//! Reading files that a program acts on as root, and seeing who else may write them: that is root, too, by way of what he writes.

use crate::accounts;
use crate::command;
use crate::limits;
use crate::system::{open_regular, proc_status};
use crate::world::{Open, ReadError};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const GROUP_WRITES: u32 = 0o020;
const EVERYBODY_WRITES: u32 = 0o002;
/// In a directory with this bit nobody replaces the files of others (inode(7)).
const STICKY: u32 = 0o1000;

/// A file's content, and what on the way to it is not root's alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    /// The content.
    pub content: Vec<u8>,
    /// The file itself, and directories on the way to it, if they are open to others.
    pub open: Vec<Open>,
}

/// Reads such files, and remembers the directories that it has looked at.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    directories: RefCell<HashMap<PathBuf, Vec<Open>>>,
}

impl Reader {
    /// Reads a regular file of a configuration's size that not everybody may write.
    ///
    /// # Errors
    /// What it is instead, or what the system said.
    pub fn read(&self, path: &Path) -> Result<Trusted, ReadError> {
        let file = open_regular(path)?;
        let metadata = file.metadata().map_err(|error| ReadError::from_io(&error))?;
        if metadata.mode() & EVERYBODY_WRITES != 0 {
            return Err(ReadError::Refused {
                why: "everybody may write it, so anybody could become root (chmod o-w)",
            });
        }
        let open = self.open_on_the_way(path, &metadata);
        let content = command::read_at_most(file, limits::FILE_BYTES)?;
        Ok(Trusted { content, open })
    }

    /// What is open to others of the file at `path`, of the directories that lead to its name, and of those that lead to
    /// where a link at that name leads.
    pub(crate) fn open_on_the_way(&self, path: &Path, metadata: &Metadata) -> Vec<Open> {
        let mut found: Vec<Open> = open_to_others(path, metadata).into_iter().collect();
        found.extend(self.above(path));
        let is_link = path
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_symlink());
        let real = is_link.then(|| path.canonicalize().ok()).flatten();
        found.extend(real.into_iter().flat_map(|real| self.above(&real)));
        let mut known = Vec::new();
        found.retain(|open| {
            !known.contains(open) && {
                known.push(open.clone());
                true
            }
        });
        found
    }

    fn above(&self, path: &Path) -> Vec<Open> {
        let Some(parent) = path.parent() else {
            return Vec::new();
        };
        if let Some(known) = self.directories.borrow().get(parent) {
            return known.clone();
        }
        // A path that cannot be followed has no file either.
        let real = parent.canonicalize().unwrap_or_default();
        let look = |directory: &Path| open_to_others(directory, &fs::metadata(directory).ok()?);
        let found: Vec<Open> = real.ancestors().filter_map(look).collect();
        self.directories
            .borrow_mut()
            .insert(parent.to_path_buf(), found.clone());
        found
    }
}

/// Who else than root and this process's own user may change it; nothing when nobody may.
fn open_to_others(path: &Path, metadata: &Metadata) -> Option<Open> {
    let mode = match metadata.mode() {
        mode if metadata.is_dir() && mode & STICKY != 0 => 0,
        mode => mode,
    };
    let is_own = |id: u32, field: &str| id == 0 || accounts::real_id(&proc_status(), field) == Some(id);
    let group = (mode & GROUP_WRITES != 0 && !is_own(metadata.gid(), "Gid:")).then(|| metadata.gid());
    let everybody = mode & EVERYBODY_WRITES != 0;
    let is_open = group.is_some() || everybody || !is_own(metadata.uid(), "Uid:");
    is_open.then(|| Open {
        path: path.as_os_str().as_bytes().to_vec(),
        uid: metadata.uid(),
        group,
        everybody,
    })
}
