//! Reads files by which a program acts as root, and finds out who else may write them: such a user could act as root,
//! too.

use crate::limits;
use crate::machine::exec_source;
use crate::machine::files::{Regular, open_regular};
use crate::machine::process;
use crate::machine::world::{Open, ReadError};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const GROUP_WRITES: u32 = 0o020;
const EVERYBODY_WRITES: u32 = 0o002;
/// The most links that are followed, as in the kernel (path_resolution(7)).
const LINKS: usize = 40;
/// In a directory with this bit nobody can replace others' files (inode(7)).
const STICKY: u32 = 0o1000;

/// The content of a file, and what others than root can change on the way to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    /// The content.
    pub content: Vec<u8>,
    /// The file itself and the directories on the way to it, those that others can change.
    pub open: Vec<Open>,
}

/// Reads such files, and remembers the directories that it has examined.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    directories: RefCell<HashMap<PathBuf, Vec<Open>>>,
}

impl Reader {
    /// Reads a regular file, no larger than a configuration may be and not writable for everybody.
    ///
    /// # Errors
    /// When it is something else; any error of the system.
    pub fn read(&self, path: &Path) -> Result<Trusted, ReadError> {
        let file = open_regular(path)?;
        if file.metadata.mode() & EVERYBODY_WRITES != 0 {
            return Err(ReadError::Refused {
                why: "everybody may write it, so anybody could become root (chmod o-w)",
            });
        }
        let open = self.open_on_the_way(path, &file);
        let content = exec_source::read_expecting(file.metadata.len(), file.file, limits::FILE_BYTES)?;
        Ok(Trusted { content, open })
    }

    /// Which of the `file` at `path` and the directories on the way to it others can change. If there is a link on the
    /// way, the directory that contains the link counts as well, because its owner decides where the link leads.
    pub(crate) fn open_on_the_way(&self, path: &Path, file: &Regular) -> Vec<Open> {
        let mut found: Vec<Open> = open_to_others(path, &file.metadata).into_iter().collect();
        found.extend(self.above(path));
        if file.is_link {
            found.extend(on_the_way(path));
        }
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
        let mut found = on_the_way(&parent.join("-"));
        // The directory that contains the file is reported first.
        found.reverse();
        self.directories
            .borrow_mut()
            .insert(parent.to_path_buf(), found.clone());
        found
    }
}

/// Which of the directories in which a name is looked up when `path` is resolved others can change.
fn on_the_way(path: &Path) -> Vec<Open> {
    let mut looks: Vec<(PathBuf, Option<Open>)> = Vec::new();
    let (way, _) = walk(path, |directory, metadata| {
        looks.push((directory.to_path_buf(), open_to_others(directory, metadata)));
    });
    let mut found: Vec<Open> = Vec::new();
    for (directory, _) in way {
        // The walk has looked at each directory as a name before it looked up a name in it.
        let look = looks.iter().find(|(looked_at, _)| *looked_at == directory);
        if let Some(open) = look.and_then(|(_, open)| open.as_ref()) {
            if !found.contains(open) {
                found.push(open.clone());
            }
        }
    }
    found
}

/// All names that are looked up when `path` is resolved, each with the directory in which it is looked up; without
/// links, `.` and `..`. A missing name is the last one.
pub fn lookups(path: &Path) -> Vec<(PathBuf, OsString)> {
    walk(path, |_, _| ()).0
}

/// Resolves `path`, which has to exist, to a path without links, `.` and `..`. The C library's realpath(3) is not used:
/// its allocator takes a page for each block.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    walk(path, |_, _| ()).1
}

/// Walks along `path`. Gives the names that are looked up, each with its directory, and where they lead; `see` is called
/// with everything on the way that exists and is not a link.
fn walk(path: &Path, mut see: impl FnMut(&Path, &Metadata)) -> (Vec<(PathBuf, OsString)>, PathBuf) {
    let names = |path: &Path| -> Vec<OsString> { path.iter().map(OsString::from).rev().collect() };
    let (mut left, mut here, mut links) = (names(path), PathBuf::from("/"), 0);
    let mut way = Vec::new();
    while let Some(name) = left.pop() {
        if name == ".." {
            here.pop();
            continue;
        }
        // For an absolute path this is the root directory.
        let next = here.join(&name);
        if next != here {
            way.push((here.clone(), name.clone()));
        }
        match fs::symlink_metadata(&next) {
            Ok(metadata) if metadata.is_symlink() => match fs::read_link(&next) {
                Ok(_) if links == LINKS => break,
                Ok(target) => {
                    links += 1;
                    left.extend(names(&target));
                }
                Err(_) => here = next,
            },
            Ok(metadata) => {
                see(&next, &metadata);
                here = next;
            }
            Err(_) => here = next,
        }
    }
    (way, here)
}

/// Who may change the object, besides root and this process's own user; `None` if nobody may.
fn open_to_others(path: &Path, metadata: &Metadata) -> Option<Open> {
    let mode = match metadata.mode() {
        mode if metadata.is_dir() && mode & STICKY != 0 => 0,
        mode => mode,
    };
    let is_own = |id: u32, field: &str| id == 0 || process::own_id(field) == Some(id);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_link_on_the_way_is_as_open_as_the_directory_it_stands_in() {
        let place = std::env::temp_dir().join(format!("vassal-trusted-{}", std::process::id()));
        let at = |name: &str| place.join(name);
        fs::create_dir(&place).unwrap();
        for directory in ["open", "roots", "top"] {
            fs::create_dir(at(directory)).unwrap();
        }
        fs::set_permissions(at("open"), PermissionsExt::from_mode(0o777)).unwrap();
        fs::write(at("roots/x.ini"), "").unwrap();
        symlink(at("roots"), at("open/directory")).unwrap();
        symlink(at("roots/x.ini"), at("open/x.ini")).unwrap();
        symlink("../open/x.ini", at("top/chain.ini")).unwrap();
        symlink("../roots/x.ini", at("top/x.ini")).unwrap();
        let cases = [
            ("roots/x.ini", false),
            ("top/x.ini", false),
            ("open/x.ini", true),
            ("open/directory/x.ini", true),
            ("top/chain.ini", true),
        ];
        let found = cases.map(|(path, is_open)| {
            let found = Reader::default().read(&at(path)).unwrap().open;
            let paths: Vec<_> = found.into_iter().map(|open| open.path).collect();
            let expected = is_open.then(|| at("open").as_os_str().as_bytes().to_vec());
            (path, paths, Vec::from_iter(expected))
        });
        fs::remove_dir_all(&place).unwrap();
        for (path, found, expected) in found {
            assert_eq!(found, expected, "{path}");
        }
    }
}
