//! Path resolution for root. A tenant may own directories on the way, so each component is opened relative to the
//! descriptor of the one before, and a symbolic link is followed only where nobody but root can have made it.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statfs::{FUSE_SUPER_MAGIC, fstatfs};
use nix::unistd::fchdir;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path};

/// The most links that are followed: the kernel's own limit (path_resolution(7)).
const LINKS: usize = 40;
/// Flags to open a directory without reading it.
const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
/// The permissions that a trusted directory or file must not have.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The reason given for a link that is not followed.
pub const NOT_FOLLOWED: &str =
    "a symbolic link that is not root's, or in a directory others can write, is not followed as root";

/// How a link at the end of a path is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// It is followed.
    Followed,
    /// It is the result itself.
    Kept,
}

/// The end of a resolved path.
#[derive(Debug)]
pub struct Place {
    /// The directory that contains the last component (`O_PATH`).
    pub directory: OwnedFd,
    /// The last component; `.` for a root directory.
    pub name: OsString,
    /// The object at the path (`O_PATH`); `None` if it does not exist. [`judge`] returns `None` also where a directory
    /// on the way does not exist.
    pub object: Option<OwnedFd>,
    /// Set by [`judge`] only: the first directory on the way that others than root can change.
    pub foreign: Option<String>,
}

impl Place {
    /// The object at the path.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn object(&self) -> nix::Result<&OwnedFd> {
        self.object.as_ref().ok_or(Errno::ENOENT)
    }
}

/// Resolves `path` from the root directory or the working directory.
///
/// # Errors
/// `ELOOP` for a link that others than root can have made; any error of openat(2).
pub fn place(path: &Path, last: Last) -> nix::Result<Place> {
    if let Some(place) = place_without_links(path, last)? {
        return Ok(place);
    }
    let absolute = std::path::absolute(path).map_err(|_| Errno::ENOENT)?;
    Walk::new(root()?, &absolute).run(last, Judge::Links)
}

/// Resolves `path` below the directory `root`, which neither a link nor `..` can leave.
///
/// # Errors
/// As [`place`].
pub fn place_below(root: &OwnedFd, path: &Path, last: Last) -> nix::Result<Place> {
    Walk::new(root.try_clone().map_err(|_| Errno::EMFILE)?, path).run(last, Judge::Links)
}

/// Resolves `path` below `root` and examines every directory on the way: [`Place::foreign`] names the first one that
/// others than root can change.
///
/// # Errors
/// As [`place`]. A link that others can have made is no error: it is followed, and named in [`Place::foreign`].
pub fn judge(root: &OwnedFd, path: &Path, last: Last) -> nix::Result<Place> {
    Walk::new(root.try_clone().map_err(|_| Errno::EMFILE)?, path).run(last, Judge::All)
}

/// The present root directory.
///
/// # Errors
/// `EMFILE`.
pub fn root() -> nix::Result<OwnedFd> {
    open("/", DIRECTORY, Mode::empty())
}

/// Resolves `path`, which must contain no link. The object itself is not opened, so a filesystem mounted there is not
/// asked.
///
/// # Errors
/// `ELOOP` for a link; any error of openat2(2).
pub fn place_unseen(path: &Path) -> nix::Result<Place> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::EINVAL);
    };
    Ok(Place {
        directory: directory_without_links(parent)?,
        name: name.to_owned(),
        object: None,
        foreign: None,
    })
}

/// Resolves a path without links in one system call, which is the usual case. `None` where there is a link.
fn place_without_links(path: &Path, last: Last) -> nix::Result<Option<Place>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    let directory = match directory_without_links(parent) {
        Err(Errno::ELOOP) => return Ok(None),
        opened => opened?,
    };
    let object = look(&directory, name)?;
    if last == Last::Followed && matches!(object, Some((_, Is::Link(_)))) {
        return Ok(None);
    }
    Ok(Some(Place {
        directory,
        name: name.to_owned(),
        object: object.map(|(object, _)| object),
        foreign: None,
    }))
}

fn directory_without_links(path: &Path) -> nix::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let how = OpenHow::new()
        .flags(DIRECTORY)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(AT_FDCWD, path, how)
}

/// The type of an object.
enum Is {
    /// A symbolic link, with its owner.
    Link(u32),
    Other,
}

/// Opens the entry `name` of `directory` without following it, and without asking a filesystem that is mounted there:
/// that may hang, or refuse root.
fn look(directory: &OwnedFd, name: &OsStr) -> nix::Result<Option<(OwnedFd, Is)>> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::ENOENT) => Ok(None),
        opened => {
            let object = opened?;
            let is = match is_named_link(&object) {
                true => Is::Link(fstat(&object)?.st_uid),
                false => Is::Other,
            };
            Ok(Some((object, is)))
        }
    }
}

/// Whether `object`, an `O_PATH` descriptor, is a symbolic link: readlinkat(2) fails for anything else, without asking
/// the filesystem. One byte is enough to tell; nix would allocate a page for the target, which costs more than the
/// rest.
fn is_named_link(object: &OwnedFd) -> bool {
    let mut first = 0_u8;
    // SAFETY: the path is a string that ends with NUL, and the buffer has room for the one byte that it is said to have.
    let length = unsafe { libc::readlinkat(object.as_raw_fd(), c"".as_ptr(), (&raw mut first).cast(), 1) };
    length >= 0
}

/// Which parts of the way are examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judge {
    /// Directories that contain a link to be followed.
    Links,
    /// Every directory.
    All,
}

struct Walk {
    /// The directories passed so far, from the root directory on.
    way: Vec<(OwnedFd, OsString)>,
    left: VecDeque<OsString>,
    links: usize,
}

impl Walk {
    fn new(root: OwnedFd, path: &Path) -> Self {
        Self {
            way: vec![(root, OsString::from("/"))],
            left: names(path),
            links: 0,
        }
    }

    fn run(mut self, last: Last, judge: Judge) -> nix::Result<Place> {
        let mut foreign = None;
        loop {
            if judge == Judge::All && foreign.is_none() {
                foreign = complaint(self.here(), self.shown())?;
            }
            let Some(name) = self.left.pop_front() else {
                return self.end(OsString::from("."), None, foreign);
            };
            if name == ".." {
                self.way.truncate((self.way.len() - 1).max(1));
                continue;
            }
            let is_last = self.left.is_empty();
            let Some((object, is)) = look(self.here(), &name)? else {
                return match is_last || judge == Judge::All {
                    true => self.end(name, None, foreign),
                    false => Err(Errno::ENOENT),
                };
            };
            let owner = match is {
                Is::Link(owner) if !(is_last && last == Last::Kept) => Some(owner),
                Is::Link(_) | Is::Other => None,
            };
            if let Some(owner) = owner {
                let is_roots = owner == 0 && complaint(self.here(), String::new())?.is_none();
                if judge == Judge::All && !is_roots {
                    foreign = foreign.or(Some(self.shown_with(&name)));
                }
                self.links += 1;
                if self.links > LINKS || (judge == Judge::Links && !is_roots) {
                    return Err(Errno::ELOOP);
                }
                self.follow(&object)?;
            } else if is_last {
                return self.end(name, Some(object), foreign);
            } else {
                openat(&object, ".", DIRECTORY, Mode::empty())?;
                self.way.push((object, name));
            }
        }
    }

    fn here(&self) -> &OwnedFd {
        let (here, _) = self.way.last().unwrap_or(&self.way[0]);
        here
    }

    fn follow(&mut self, link: &OwnedFd) -> nix::Result<()> {
        let target = readlinkat(link, "")?;
        let target = Path::new(&target);
        if target.is_absolute() {
            self.way.truncate(1);
        }
        for name in names(target).into_iter().rev() {
            self.left.push_front(name);
        }
        Ok(())
    }

    fn shown(&self) -> String {
        let names = self.way.iter().skip(1).map(|(_, name)| name.to_string_lossy());
        format!("/{}", names.collect::<Vec<_>>().join("/"))
    }

    fn shown_with(&self, name: &OsStr) -> String {
        let shown = self.shown();
        format!("{}/{}", shown.trim_end_matches('/'), name.to_string_lossy())
    }

    fn end(mut self, name: OsString, object: Option<OwnedFd>, foreign: Option<String>) -> nix::Result<Place> {
        let object = match object {
            None if name == "." => Some(self.here().try_clone().map_err(|_| Errno::EMFILE)?),
            object => object,
        };
        let (directory, _) = self.way.swap_remove(self.way.len() - 1);
        Ok(Place {
            directory,
            name,
            object,
            foreign,
        })
    }
}

/// Returns `shown` with the reason if others than root can change the directory `here`. This is always so on FUSE,
/// where the daemon decides which owner it reports.
fn complaint(here: &OwnedFd, shown: String) -> nix::Result<Option<String>> {
    let status = fstat(here)?;
    if let Some(why) = why_foreign(&status) {
        return Ok(Some(format!("'{shown}' {why}")));
    }
    let is_fuse = fstatfs(here)?.filesystem_type() == FUSE_SUPER_MAGIC;
    Ok(is_fuse.then(|| format!("'{shown}' is on a FUSE filesystem, whose daemon says what is there")))
}

/// Why others than root can change an object with this status, worded so that it follows its name.
pub fn why_foreign(status: &FileStat) -> Option<String> {
    match (status.st_uid, status.st_mode & WRITABLE_BY_OTHERS) {
        (0, 0) => None,
        (0, _) => Some(format!(
            "can be written by others than root (mode {:o})",
            status.st_mode & 0o7777
        )),
        (uid, _) => Some(format!("belongs to user {uid}")),
    }
}

/// Whether it is a symbolic link.
pub fn is_link(status: &FileStat) -> bool {
    kind(status) == SFlag::S_IFLNK
}

/// Whether it is a directory.
pub fn is_directory(status: &FileStat) -> bool {
    kind(status) == SFlag::S_IFDIR
}

/// Whether it is a regular file.
pub fn is_regular(status: &FileStat) -> bool {
    kind(status) == SFlag::S_IFREG
}

/// The type of a file.
pub fn kind(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT
}

/// Opens the file behind `object`, an `O_PATH` descriptor whose type has been checked. `proc` must be a proc of this
/// PID namespace that a tenant's mount cannot replace.
///
/// # Errors
/// Any error of open(2).
pub fn reopen(proc: impl AsFd, object: &OwnedFd, flags: OFlag) -> nix::Result<OwnedFd> {
    let path = format!("self/fd/{}", object.as_raw_fd());
    openat(proc, path.as_str(), flags | OFlag::O_CLOEXEC, Mode::empty())
}

/// Runs `step` with `directory` as the working directory; for system calls that take no directory descriptor.
///
/// # Errors
/// The error of `step`, or of changing the directory.
pub fn within<T>(directory: impl AsFd, step: impl FnOnce() -> nix::Result<T>) -> nix::Result<T> {
    let before = open(".", DIRECTORY, Mode::empty())?;
    fchdir(directory)?;
    let done = step();
    fchdir(before)?;
    done
}

fn names(path: &Path) -> VecDeque<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

#[cfg(test)]
mod tests;
