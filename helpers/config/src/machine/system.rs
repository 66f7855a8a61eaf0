//! The real machine, as a [`World`]. The caller provides the environment and the working directory.
//!
//! Names of users and groups are taken from `/etc/passwd` and `/etc/group` only: the name service would load libraries
//! and use the network, which a root helper must not do while it reads a vassal's file.

use std::cell::OnceCell;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::machine::accounts;
use crate::machine::accounts::Accounts;
use crate::machine::exec_source;
use crate::machine::files::{open, open_regular, read_regular};
use crate::machine::process;
use crate::machine::text_files::{address_of, count_ranges};
use crate::machine::trusted::{Reader, Trusted, resolved};
use crate::machine::world::{Open, ReadError, World};

/// errno of a name that does not exist.
const ENOENT: i32 = 2;

/// The time limit for `exec://`, `fd://` and standard input: they are read during a start, whose own limit is 90 s.
const SOURCE_TIME: Duration = Duration::from_secs(30);

/// The time limit for asking uWSGI for its version.
const VERSION_TIME: Duration = Duration::from_secs(5);
const VERSION_BYTES: usize = 100;
/// The version of Debian 13, used where uWSGI must not be executed to ask it.
const USUAL_VERSION: &[u8] = b"2.0.28-debian";

/// This machine.
#[derive(Clone, Debug)]
pub struct System {
    environment: Rc<[(Vec<u8>, Vec<u8>)]>,
    cwd: PathBuf,
    started: Duration,
    has_sources: bool,
    read_before: Vec<(PathBuf, Vec<u8>)>,
    /// The value of `%V`, once it was needed.
    version: OnceCell<Vec<u8>>,
    reader: Reader,
    open: RefCell<Vec<Open>>,
    /// The value of `%b`.
    pub binary: Vec<u8>,
    /// The directory that is searched for plugins last.
    pub plugin_dir: Vec<u8>,
}

impl System {
    /// The machine with an environment and a working directory, which must be absolute. The path of uWSGI's binary and
    /// its plugin directory are Debian's, and can be changed afterwards; the version is that of the uwsgi in `$PATH`.
    #[must_use]
    pub fn new(environment: Rc<[(Vec<u8>, Vec<u8>)]>, cwd: PathBuf) -> Self {
        System {
            environment,
            cwd,
            started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            has_sources: true,
            read_before: Vec::new(),
            version: OnceCell::new(),
            reader: Reader::default(),
            open: RefCell::default(),
            binary: b"/usr/bin/uwsgi".to_vec(),
            plugin_dir: b"/usr/lib/uwsgi/plugins".to_vec(),
        }
    }

    /// The same machine, but commands and descriptors are not read for a configuration (S8); for a program that systemd
    /// waits for.
    #[must_use]
    pub fn without_sources(self) -> Self {
        System {
            has_sources: false,
            ..self
        }
    }

    /// The same machine, but `path` has the content that was read before: so the bytes that were checked are the ones
    /// evaluated.
    #[must_use]
    pub fn with_file(mut self, path: PathBuf, Trusted { content, open }: Trusted) -> Self {
        self.read_before.push((path, content));
        self.open.get_mut().extend(open);
        self
    }

    /// Executes the first uwsgi in `$PATH` for its version; done only if a file contains `%V`.
    fn ask_version(&self) -> Option<Vec<u8>> {
        if !self.has_sources {
            return None;
        }
        let (_, path) = self.environment.iter().rev().find(|(name, _)| name == b"PATH")?;
        let directories = path
            .split(|byte| *byte == b':')
            .filter(|directory| directory.starts_with(b"/"));
        let mut programs = directories
            .flat_map(|directory| [&b"/uwsgi"[..], b"/uwsgi-core"].map(|name| [directory, name].concat()));
        let program = programs.find(|program| self.is_file(program))?;
        let command = [b"exec '", program.as_slice(), b"' --version"].concat();
        let said = exec_source::run(
            &command,
            &self.environment,
            &self.cwd,
            VERSION_BYTES,
            VERSION_TIME,
        )
        .ok()?;
        let version = said.trim_ascii();
        let is_version = !version.is_empty() && version.iter().all(u8::is_ascii_graphic);
        is_version.then(|| version.to_vec())
    }

    /// Reads a configuration, and records who else may write it.
    fn read_noted(&self, path: &Path, limit: usize) -> Result<Vec<u8>, ReadError> {
        let file = open_regular(path)?;
        let mut open = self.open.borrow_mut();
        for found in self.reader.open_on_the_way(path, &file) {
            if !open.contains(&found) {
                open.push(found);
            }
        }
        exec_source::read_at_most(file.file, limit)
    }

    fn at(&self, path: &[u8]) -> PathBuf {
        self.cwd.join(OsStr::from_bytes(path))
    }

    fn metadata(&self, path: &[u8]) -> Option<Metadata> {
        if path.is_empty() {
            None
        } else {
            fs::metadata(self.at(path)).ok()
        }
    }

    fn link_metadata(&self, path: &[u8]) -> Option<Metadata> {
        if path.is_empty() {
            None
        } else {
            fs::symlink_metadata(self.at(path)).ok()
        }
    }
}

impl World for System {
    fn read_file(&self, path: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        if path.is_empty() {
            return Err(ReadError::Failed { errno: ENOENT });
        }
        let path = self.at(path);
        match self.read_before.iter().find(|(known, _)| *known == path) {
            Some((_, content)) if content.len() <= limit => Ok(content.clone()),
            Some(_) => Err(ReadError::TooLarge { limit }),
            None => self.read_noted(&path, limit),
        }
    }

    fn list_dir(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        if path.is_empty() {
            return Err(ReadError::Failed { errno: ENOENT });
        }
        let entries = fs::read_dir(self.at(path)).map_err(|error| ReadError::from_io(&error))?;
        let names: io::Result<Vec<Vec<u8>>> =
            entries.map(|entry| Ok(entry?.file_name().into_vec())).collect();
        names.map_err(|error| ReadError::from_io(&error))
    }

    fn open_files(&self) -> Vec<Open> {
        self.open.borrow().clone()
    }

    fn groups_of(&self, uid: u32) -> Vec<u32> {
        let accounts = accounts_below(Path::new("/"));
        let user = accounts.user_of(uid);
        user.map_or(Vec::new(), |user| accounts.groups_of(&user.name, user.gid))
    }

    fn is_readable(&self, path: &[u8]) -> bool {
        let Some(metadata) = self.metadata(path) else {
            return false;
        };
        if metadata.is_file() || metadata.is_dir() {
            return open(&self.at(path)).is_ok();
        }
        // A device or FIFO is not opened, because that may have effects; its permissions decide.
        self.uid() == 0
            || metadata.mode() & 0o004 != 0
            || (metadata.uid() == self.uid() && metadata.mode() & 0o400 != 0)
    }

    fn is_file(&self, path: &[u8]) -> bool {
        self.metadata(path).is_some_and(|metadata| metadata.is_file())
    }

    fn is_dir(&self, path: &[u8]) -> bool {
        self.metadata(path).is_some_and(|metadata| metadata.is_dir())
    }

    fn is_symlink(&self, path: &[u8]) -> bool {
        self.link_metadata(path)
            .is_some_and(|metadata| metadata.is_symlink())
    }

    fn inode(&self, path: &[u8]) -> Option<u64> {
        self.link_metadata(path).map(|metadata| metadata.ino())
    }

    fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, ReadError> {
        if path.is_empty() {
            return Err(ReadError::Failed { errno: ENOENT });
        }
        let path = self.at(path);
        fs::metadata(&path).map_err(|error| ReadError::from_io(&error))?;
        Ok(resolved(&path).into_os_string().into_vec())
    }

    fn environment(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.environment
    }

    fn current_dir(&self) -> &[u8] {
        self.cwd.as_os_str().as_bytes()
    }

    fn hostname(&self) -> Vec<u8> {
        let name = fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
        name.trim_ascii().to_vec()
    }

    fn uid(&self) -> u32 {
        process::uid()
    }

    fn gid(&self) -> u32 {
        process::gid()
    }

    fn user_name(&self, uid: u32) -> Option<Vec<u8>> {
        accounts_below(Path::new("/")).user_of(uid).map(|user| user.name)
    }

    fn group_name(&self, gid: u32) -> Option<Vec<u8>> {
        accounts_below(Path::new("/")).group_of(gid)
    }

    fn user_id(&self, name: &[u8]) -> Option<u32> {
        accounts_below(Path::new("/")).user(name).map(|user| user.uid)
    }

    fn group_id(&self, name: &[u8]) -> Option<u32> {
        accounts_below(Path::new("/")).group(name)
    }

    fn cpus(&self) -> usize {
        let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
        count_ranges(&online).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn start_time(&self) -> Duration {
        self.started
    }

    fn version(&self) -> &[u8] {
        let version = || self.ask_version().unwrap_or_else(|| USUAL_VERSION.to_vec());
        self.version.get_or_init(version)
    }

    fn binary(&self) -> &[u8] {
        &self.binary
    }

    fn plugin_dir(&self) -> &[u8] {
        &self.plugin_dir
    }

    fn run(&self, command: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        if !self.has_sources {
            return Err(ReadError::Refused {
                why: "only files are read here",
            });
        }
        exec_source::run(command, &self.environment, &self.cwd, limit, SOURCE_TIME)
    }

    fn read_fd(&self, fd: u32, limit: usize) -> Result<Vec<u8>, ReadError> {
        if !self.has_sources {
            return Err(ReadError::Refused {
                why: "only files are read here",
            });
        }
        let file = File::open(format!("/proc/self/fd/{fd}")).map_err(|error| ReadError::from_io(&error))?;
        exec_source::read_in_time(file, limit, SOURCE_TIME)
    }

    fn fetch(&self, _address: &[u8], _limit: usize) -> Result<Vec<u8>, ReadError> {
        Err(ReadError::Refused {
            why: "configurations are not fetched over the network",
        })
    }

    fn resolve(&self, host: &[u8]) -> Result<Vec<u8>, ReadError> {
        address_of(&system_file("/etc/hosts"), host).ok_or(ReadError::Refused {
            why: "it is no IPv4 address and not in /etc/hosts, and no name server is asked",
        })
    }
}

/// The accounts of the machine below `root`. A file that cannot be read counts as empty.
pub fn accounts_below(root: &Path) -> Accounts {
    let open = |path: &str| open_regular(&root.join(path.trim_start_matches('/'))).ok();
    let own = process::uid();
    let text = |path| {
        open(path)
            .and_then(|file| accounts::read(file.file, own).ok())
            .unwrap_or_default()
    };
    let [passwd, group] = accounts::FILES.map(text);
    Accounts::from_text(&passwd, &group)
}

/// Reads a file of the system; empty if it cannot be read, so that no name is known.
fn system_file(path: &str) -> Vec<u8> {
    read_regular(Path::new(path), accounts::FILE_BYTES).unwrap_or_default()
}

#[cfg(test)]
mod tests;
