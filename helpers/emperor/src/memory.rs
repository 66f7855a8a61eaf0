//! The record of what was put into effect. It is stored in a file that only root can change. With it an emperor that
//! was killed can find out which files have changed meanwhile, and which vassals were stopped by hand. It does not
//! outlive a boot, as the units do not.

use crate::reconcile::{Remembered, Stamp};
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use vassal_config::emperor::name::VassalName;
use vassal_generator::output::Directory;
use vassal_generator::pack::{Fields, pack, unpack};

/// The directory, below the one of the vassals' records, whose names never begin with a dot.
pub const DIRECTORY: &str = "/run/vassal/.emperor";
/// Where reloads write their outcomes.
const RELOADS: &str = "reload";
const FILE: &str = "state";
const LOCK: &str = "lock";
/// The first field of the file; it changes with the format.
const FORMAT: &[u8] = b"vassal-emperor 2";
/// The most that is read of the file: enough for a hundred thousand vassals.
const LARGEST: u64 = 64 << 20;
const ROOT_ONLY: u32 = 0o700;

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// By vassal.
    pub vassals: BTreeMap<VassalName, Remembered>,
    /// Whether drop-ins of loaded units were written that systemd may not have loaded yet.
    pub owes_reload: bool,
}

/// The directory of the record, locked by this process.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Place {
    /// Makes and locks the directory at `path`. Returns `None` if another process has locked it.
    ///
    /// # Errors
    /// An error of the filesystem, or a directory that other users can change.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(ROOT_ONLY)
            .create(path.join(RELOADS))?;
        only_ours(&fs::symlink_metadata(path)?)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path.join(LOCK))?;
        match Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self {
                path: path.to_owned(),
                _lock: lock,
            })),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    /// Stores `memory`.
    ///
    /// # Errors
    /// An error of the filesystem; the previous record is then still there.
    pub fn store(&self, memory: &Memory) -> io::Result<()> {
        let mut fields: Fields = vec![FORMAT.to_vec(), vec![u8::from(memory.owes_reload)]];
        for (name, remembered) in &memory.vassals {
            let Remembered { stamp, error, socket } = remembered;
            let error = error.clone().unwrap_or_default();
            fields.extend([
                name.bytes().to_vec(),
                stamp.modified.to_le_bytes().to_vec(),
                stamp.content.to_le_bytes().to_vec(),
                error.into_bytes(),
                socket.map(u64::to_le_bytes).map_or_else(Vec::new, Vec::from),
            ]);
        }
        let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
        Directory::open(&self.path)?.put(FILE, &pack(&fields), mode)
    }
}

/// Reads the record in the directory at `path`. Returns `None` if there is no such file, or if another user could have
/// written it.
pub fn load(path: &Path) -> Option<Memory> {
    let fields = unpack(&read(path).ok()?)?;
    let (head, vassals) = fields.split_at_checked(2)?;
    if head[0] != FORMAT {
        return None;
    }
    Some(Memory {
        vassals: vassals.chunks(5).map(remembered).collect::<Option<_>>()?,
        owes_reload: head[1] == [1],
    })
}

fn remembered(fields: &[Vec<u8>]) -> Option<(VassalName, Remembered)> {
    let [name, modified, content, error, socket] = fields else {
        return None;
    };
    let stamp = Stamp {
        modified: i64::from_le_bytes(modified.as_slice().try_into().ok()?),
        content: u64::from_le_bytes(content.as_slice().try_into().ok()?),
    };
    let error = String::from_utf8(error.clone())
        .ok()
        .filter(|text| !text.is_empty());
    let socket = match socket.as_slice() {
        [] => None,
        hash => Some(u64::from_le_bytes(hash.try_into().ok()?)),
    };
    let remembered = Remembered { stamp, error, socket };
    Some((VassalName::parse(name).ok()?, remembered))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    only_ours(&fs::symlink_metadata(path)?)?;
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path.join(FILE))?;
    only_ours(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn only_ours(metadata: &fs::Metadata) -> io::Result<()> {
    let is_ours = metadata.uid() == nix::unistd::geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    is_ours
        .then_some(())
        .ok_or_else(|| io::ErrorKind::PermissionDenied.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_record_is_loaded_again_and_one_process_holds_the_lock() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("vassal/.emperor");
        assert_eq!(load(&path), None);
        let place = Place::take(&path).unwrap().unwrap();
        assert!(Place::take(&path).unwrap().is_none());
        let stamp = Stamp {
            modified: -1,
            content: 7,
        };
        let error = Some("x.ini:3: no".to_owned());
        let name = VassalName::parse(b"a b").unwrap();
        let memory = Memory {
            vassals: [(
                name,
                Remembered {
                    stamp,
                    error,
                    socket: Some(9),
                },
            )]
            .into(),
            owes_reload: true,
        };
        place.store(&memory).unwrap();
        assert_eq!(load(&path), Some(memory));
        fs::set_permissions(
            path.join(FILE),
            std::os::unix::fs::PermissionsExt::from_mode(0o666),
        )
        .unwrap();
        assert_eq!(load(&path), None);
    }
}
