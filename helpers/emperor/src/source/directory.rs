//! Reports that something may have changed: through inotify on every directory with relevant names, and through the
//! mount table. An event only triggers a pass over all files, so a lost event, or one out of order, does no harm.

use super::answer::Watched;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A report of changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Names of files that are open for writing, so that their content may be incomplete.
    pub written: BTreeSet<Vec<u8>>,
    /// Names of files that were closed, replaced or removed.
    pub closed: BTreeSet<Vec<u8>>,
}

/// The names in a directory that are relevant.
#[derive(Debug, Clone, Default)]
struct Interest {
    /// Every name.
    all: bool,
    /// These names.
    names: BTreeSet<Vec<u8>>,
    has_content: bool,
}

type Table = HashMap<WatchDescriptor, Interest>;

/// The watches.
#[derive(Debug, Clone)]
pub struct Watcher {
    inotify: Arc<Inotify>,
    table: Arc<Mutex<Table>>,
}

/// Changes of the names in a directory.
const NAMES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);
/// Changes of the files with these names.
const CONTENT: AddWatchFlags = AddWatchFlags::IN_ATTRIB
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_CLOSE_WRITE);

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// As inotify_init(2).
    pub fn new() -> nix::Result<Self> {
        Ok(Self {
            inotify: Arc::new(Inotify::init(InitFlags::IN_CLOEXEC)?),
            table: Arc::default(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches exactly `wanted`. Returns whether a directory is watched that was not before; something may have changed
    /// in it meanwhile. A directory on a hanging filesystem blocks this call.
    ///
    /// # Errors
    /// The limit of watches (inotify(7)).
    pub fn watch(&self, wanted: &[Watched]) -> nix::Result<bool> {
        let mut interests: BTreeMap<&[u8], Interest> = BTreeMap::new();
        for Watched {
            directory,
            name,
            has_content,
        } in wanted
        {
            let interest = interests.entry(directory).or_default();
            interest.all |= name.is_none();
            interest.names.extend(name.clone());
            interest.has_content |= has_content;
        }
        let mut next = Table::new();
        for (directory, interest) in interests {
            let mask = if interest.has_content {
                NAMES | CONTENT
            } else {
                NAMES
            };
            match self.inotify.add_watch(OsStr::from_bytes(directory), mask) {
                Ok(descriptor) => {
                    if next.contains_key(&descriptor) {
                        // The same directory by another path.
                        self.inotify
                            .add_watch(OsStr::from_bytes(directory), NAMES | CONTENT)?;
                    }
                    let known = next.entry(descriptor).or_default();
                    known.all |= interest.all;
                    known.names.extend(interest.names);
                }
                // It does not exist or is no directory. A directory above it is watched.
                Err(errno) if errno != Errno::ENOSPC => {}
                Err(errno) => return Err(errno),
            }
        }
        let mut table = self.table();
        let is_new = next.keys().any(|descriptor| !table.contains_key(descriptor));
        for descriptor in table.keys().filter(|descriptor| !next.contains_key(descriptor)) {
            // The watch of a removed directory has ended by itself.
            self.inotify.rm_watch(*descriptor).ok();
        }
        *table = next;
        Ok(is_new)
    }

    /// Waits for the next change.
    ///
    /// # Errors
    /// As read(2).
    pub fn next_changes(&self) -> nix::Result<Changes> {
        loop {
            let events = match self.inotify.read_events() {
                Err(Errno::EINTR) => continue,
                events => events?,
            };
            if let Some(changes) = changes(&self.table(), &events) {
                return Ok(changes);
            }
        }
    }
}

/// The changes in `events`, or `None` if none is relevant.
fn changes(table: &Table, events: &[InotifyEvent]) -> Option<Changes> {
    let mut changes = None;
    for InotifyEvent { wd, mask, name, .. } in events {
        let lost = mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
        let (interest, name) = match (table.get(wd), name) {
            (_, _) if lost => {
                changes.get_or_insert_with(Changes::default);
                continue;
            }
            (Some(_), None) => {
                changes.get_or_insert_with(Changes::default);
                continue;
            }
            (Some(interest), Some(name)) => (interest, name.as_bytes()),
            (None, _) => continue,
        };
        let is_directory = mask.contains(AddWatchFlags::IN_ISDIR);
        if !interest.names.contains(name) && !(interest.all && (is_directory || is_vassals(name))) {
            continue;
        }
        let changes: &mut Changes = changes.get_or_insert_with(Changes::default);
        if interest.all && !is_directory {
            // A new link is complete at once; the next pass finds out that it is a link.
            let is_written = mask.intersects(AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE);
            let (to, from) = match is_written {
                true => (&mut changes.written, &mut changes.closed),
                false => (&mut changes.closed, &mut changes.written),
            };
            from.remove(name);
            to.insert(name.to_vec());
        }
    }
    changes
}

/// Whether a vassal's file can have that name.
fn is_vassals(name: &[u8]) -> bool {
    vassal_config::emperor::name::VassalName::of_file(name).is_ok()
}

/// Calls `on_change` whenever the mount table has changed, because inotify does not report a mount over a directory.
///
/// # Errors
/// As open(2), poll(2).
pub fn watch_mounts(mut on_change: impl FnMut() -> bool) -> std::io::Result<()> {
    let table = File::open("/proc/self/mountinfo")?;
    loop {
        match poll(
            &mut [PollFd::new(table.as_fd(), PollFlags::POLLPRI)],
            PollTimeout::NONE,
        ) {
            Ok(_) if !on_change() => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn watched(directory: &Path, name: Option<&str>) -> Watched {
        Watched {
            directory: directory.as_os_str().as_bytes().to_vec(),
            name: name.map(|name| name.as_bytes().to_vec()),
            has_content: true,
        }
    }

    fn names(names: &[&str]) -> BTreeSet<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn only_names_of_vassals_are_reported_and_a_file_is_written_until_it_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let watcher = Watcher::new().unwrap();
        let wanted = [watched(root.path(), None)];
        assert!(watcher.watch(&wanted).unwrap());
        assert!(!watcher.watch(&wanted).unwrap());
        for name in [".x.ini.swp", "x.ini~", "4913", ".x.ini"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        let open = File::create(root.path().join("x.ini")).unwrap();
        assert_eq!(watcher.next_changes().unwrap().written, names(&["x.ini"]));
        drop(open);
        let changes = watcher.next_changes().unwrap();
        assert_eq!((changes.written, changes.closed), (names(&[]), names(&["x.ini"])));
        fs::rename(root.path().join("x.ini"), root.path().join("y.ini")).unwrap();
        assert_eq!(watcher.next_changes().unwrap().closed, names(&["x.ini", "y.ini"]));
    }

    #[test]
    fn a_change_of_a_name_on_the_path_is_reported_and_other_names_are_not() {
        let root = tempfile::tempdir().unwrap();
        let watcher = Watcher::new().unwrap();
        assert!(watcher.watch(&[watched(root.path(), Some("here"))]).unwrap());
        fs::create_dir(root.path().join("there")).unwrap();
        fs::create_dir(root.path().join("here")).unwrap();
        assert_eq!(watcher.next_changes().unwrap(), Changes::default());
        let next = watched(&root.path().join("here"), None);
        assert!(
            watcher
                .watch(&[watched(root.path(), Some("here")), next])
                .unwrap()
        );
        fs::write(root.path().join("here/x.ini"), "").unwrap();
        assert_eq!(watcher.next_changes().unwrap().closed, names(&["x.ini"]));
    }
}
