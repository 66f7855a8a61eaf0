//! The machine as a start sees it, except that nothing is executed: the [`World`](vassal_config::machine::world::World)
//! in which vassalctl reads files.
//!
//! Wrong lines can be blanked, so that reading continues after them. In this way the code of a start, which ends at the
//! first error, finds every error of a file.

use crate::reading::location::{Location, below};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vassal_config::machine::system::{System, accounts_below};
use vassal_config::machine::world::{Open, ReadError, World};

/// The part of a unit's environment that is the same everywhere (vassal-enter(8), ENVIRONMENT).
const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Lines, by the name under which their file was read, and their number.
pub type Lines = BTreeSet<(Vec<u8>, u32)>;

/// How much of the machine is taken into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Machine,
    /// Its configuration files only; for a machine that will not run the vassals. Every plugin counts as installed.
    FilesOnly,
}

/// The most that is read of dpkg's list of packages.
const STATUS_BYTES: usize = 64 << 20;

/// The suffix of a plugin's file.
const PLUGIN: &[u8] = b"_plugin.so";

/// A start without any effect.
#[derive(Debug)]
pub struct DryRun {
    system: System,
    location: Location,
    scope: Scope,
    directory: Vec<u8>,
    /// Lines that are treated as empty.
    pub blanked: Lines,
    not_run: RefCell<BTreeSet<Vec<u8>>>,
    version: OnceCell<Vec<u8>>,
}

impl DryRun {
    /// A dry run with the working directory `location`.
    pub fn new(location: &Location, scope: Scope) -> Self {
        let environment = [(b"PATH".to_vec(), PATH.to_vec())].into();
        Self {
            system: System::new(environment, PathBuf::from("/")).without_sources(),
            location: location.clone(),
            scope,
            directory: location.inside().into_os_string().into_vec(),
            blanked: Lines::new(),
            not_run: RefCell::default(),
            version: OnceCell::new(),
        }
    }

    /// Commands and descriptors that a start would have used, and that were skipped.
    pub fn not_run(&self) -> Vec<String> {
        let not_run = self.not_run.borrow();
        not_run
            .iter()
            .map(|what| vassal_config::diagnostic::quote(what))
            .collect()
    }

    /// A path of the machine, as it can be opened here.
    fn inward(&self, path: &[u8]) -> Vec<u8> {
        if path.is_empty() {
            return Vec::new();
        }
        self.location.outside(path).into_os_string().into_vec()
    }

    fn blank(&self, path: &[u8], text: Vec<u8>) -> Vec<u8> {
        let wrong = |number: usize| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            self.blanked.contains(&(path.to_vec(), number))
        };
        let lines = text.split(|byte| *byte == b'\n').enumerate();
        let lines: Vec<Vec<u8>> = lines
            .map(|(at, line)| {
                if wrong(at + 1) {
                    vec![b' '; line.len()]
                } else {
                    line.to_vec()
                }
            })
            .collect();
        lines.join(&b'\n')
    }
}

impl World for DryRun {
    fn read_file(&self, path: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        let text = self.system.read_file(&self.inward(path), limit)?;
        Ok(self.blank(path, text))
    }
    fn open_files(&self) -> Vec<Open> {
        match self.scope {
            Scope::Machine => self.system.open_files(),
            // In a checkout, files belong to whoever checked them out.
            Scope::FilesOnly => Vec::new(),
        }
    }
    fn groups_of(&self, uid: u32) -> Vec<u32> {
        let accounts = accounts_below(&self.location.root);
        let user = accounts.user_of(uid);
        user.map_or(Vec::new(), |user| accounts.groups_of(&user.name, user.gid))
    }
    fn list_dir(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        self.system.list_dir(&self.inward(path))
    }
    fn is_readable(&self, path: &[u8]) -> bool {
        self.system.is_readable(&self.inward(path))
    }
    fn is_file(&self, path: &[u8]) -> bool {
        let is_assumed = self.scope == Scope::FilesOnly && path.ends_with(PLUGIN);
        is_assumed || self.system.is_file(&self.inward(path))
    }
    fn is_dir(&self, path: &[u8]) -> bool {
        self.system.is_dir(&self.inward(path))
    }
    fn is_symlink(&self, path: &[u8]) -> bool {
        self.system.is_symlink(&self.inward(path))
    }
    fn inode(&self, path: &[u8]) -> Option<u64> {
        self.system.inode(&self.inward(path))
    }
    fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, ReadError> {
        let real = self.system.realpath(&self.inward(path))?;
        let inside = self.location.inside_of(Path::new(OsStr::from_bytes(&real)));
        Ok(inside.into_os_string().into_vec())
    }
    fn environment(&self) -> &[(Vec<u8>, Vec<u8>)] {
        self.system.environment()
    }
    fn current_dir(&self) -> &[u8] {
        &self.directory
    }
    fn hostname(&self) -> Vec<u8> {
        self.system.hostname()
    }
    fn uid(&self) -> u32 {
        0
    }
    fn gid(&self) -> u32 {
        0
    }
    fn user_name(&self, uid: u32) -> Option<Vec<u8>> {
        accounts_below(&self.location.root)
            .user_of(uid)
            .map(|user| user.name)
    }
    fn group_name(&self, gid: u32) -> Option<Vec<u8>> {
        accounts_below(&self.location.root).group_of(gid)
    }
    fn user_id(&self, name: &[u8]) -> Option<u32> {
        accounts_below(&self.location.root)
            .user(name)
            .map(|user| user.uid)
    }
    fn group_id(&self, name: &[u8]) -> Option<u32> {
        accounts_below(&self.location.root).group(name)
    }
    fn cpus(&self) -> usize {
        self.system.cpus()
    }
    fn start_time(&self) -> Duration {
        self.system.start_time()
    }
    fn version(&self) -> &[u8] {
        let version = || installed_version(&self.location.root);
        self.version
            .get_or_init(|| version().unwrap_or_else(|| self.system.version().to_vec()))
    }
    fn binary(&self) -> &[u8] {
        self.system.binary()
    }
    fn plugin_dir(&self) -> &[u8] {
        self.system.plugin_dir()
    }
    fn run(&self, command: &[u8], _limit: usize) -> Result<Vec<u8>, ReadError> {
        self.not_run.borrow_mut().insert([b"exec://", command].concat());
        Ok(Vec::new())
    }
    fn read_fd(&self, fd: u32, _limit: usize) -> Result<Vec<u8>, ReadError> {
        self.not_run
            .borrow_mut()
            .insert(format!("fd://{fd}").into_bytes());
        Ok(Vec::new())
    }
    fn fetch(&self, address: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        self.system.fetch(address, limit)
    }
    fn resolve(&self, host: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.system.resolve(host)
    }
}

/// The version of Debian's uwsgi-core installed below `root`: the package's version without the archive's suffix. A
/// start asks the program; here nothing is executed.
fn installed_version(root: &Path) -> Option<Vec<u8>> {
    let path = below(root, Path::new("/var/lib/dpkg/status"));
    let world = System::new([].into(), PathBuf::from("/")).without_sources();
    let status = world.read_file(path.as_os_str().as_bytes(), STATUS_BYTES).ok()?;
    let mut lines = status.split(|byte| *byte == b'\n');
    lines.find(|line| *line == b"Package: uwsgi-core")?;
    let version = lines
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(b"Version: "))?;
    let upstream = version.split(|byte| *byte == b'-').next()?;
    Some([upstream, b"-debian"].concat())
}
