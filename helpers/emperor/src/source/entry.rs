//! Reads one vassal's file.

use super::answer::{Cache, CachedFile, Content, Found, Watched};
use super::watches::watches_of_file;
use crate::reconcile::Stamp;
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::fs::{DirBuilder, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::on_demand::ANSWERS;
use vassal_config::emperor::vassals::outside;
use vassal_config::limits::FILE_BYTES;
use vassal_config::machine::system::System;
use vassal_config::machine::trusted::{Reader, Trusted};
use vassal_config::machine::world::{ReadError, World};
use vassal_escape::shell;
use vassal_escape::unit_name::escape;
use vassal_generator::answer::Wanted;
use vassal_generator::output::{self, Directory};
use vassal_generator::read::{Unit, unit_of};

/// The PATH of the commands.
const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The data that reading needs for all files.
#[derive(Debug)]
pub struct Scanner<'a> {
    /// The machine.
    pub root: &'a Path,
    /// The generator's directory.
    pub generated: &'a Path,
    /// The settings of the emperor's file.
    pub wanted: &'a Wanted,
    /// The results of the last scan.
    pub cache: &'a Cache,
    /// Reads the files.
    pub reader: Reader,
}

/// What is at a file's path.
struct Entry {
    path: PathBuf,
    is_link: bool,
    /// Whether links are followed.
    is_followed: bool,
    /// The metadata of the link's target if links are followed, otherwise of the path itself.
    metadata: Metadata,
}

impl Scanner<'_> {
    /// Reads the `file` of the vassal `name`. It was listed, and may have been removed since.
    pub fn read(&self, name: &VassalName, file: &[u8]) -> Found {
        let Some(entry) = Entry::at(outside(self.root, file), !self.wanted.nofollow) else {
            return Found::NoFile;
        };
        let mut content = self.outline(&entry, name);
        if let Some(before) = self.unchanged(file, &entry, &content) {
            content.is_known = true;
            (content.stamp.content, content.socket) = (before.content, before.socket);
            return Found::File(content);
        }
        let read = self.reader.read(&entry.path);
        content.stamp.content = entry.hash(&read);
        if let Some(command) = &self.wanted.common.on_demand.command {
            if let Err(why) = ask_for_address(self.root, command, name, &entry.path) {
                return Found::Unreadable(format!("emperor-on-demand-exec: {why}"));
            }
        }
        match unit_of(read, self.root, (name, file), &self.wanted.common) {
            Unit::DropIn(text, problems) => {
                content.socket = text.socket.as_ref().map(|text| hash(text.as_bytes()));
                content.stamp.content ^= content.socket.unwrap_or_default();
                content.drop_in = (!output::has(self.generated, name, &text)).then_some(text);
                content.problems = problems;
                Found::File(content)
            }
            Unit::NoFile if entry.is_link && !entry.is_followed => Found::File(content),
            Unit::NoFile | Unit::Unasked => Found::NoFile,
            Unit::Unreadable(why) => Found::Unreadable(why),
        }
    }

    /// The properties of the file that need no reading.
    fn outline(&self, entry: &Entry, name: &VassalName) -> Content {
        let metadata = &entry.metadata;
        let mut dates = dates(metadata);
        let mut watched = match entry.is_link && entry.is_followed {
            true => watches_of_file(&entry.path),
            false => Vec::new(),
        };
        if let Some(address) = self.wanted.common.on_demand.file_of(name) {
            let address = entry.path.with_file_name(OsStr::from_bytes(&address));
            dates.extend(address.metadata().as_ref().map(self::dates).unwrap_or_default());
            watched.extend(watches_of_file(&address));
        }
        Content {
            dates,
            changed: changed(metadata, &watched),
            stamp: Stamp {
                modified: time(metadata.mtime(), metadata.mtime_nsec()),
                content: 0,
            },
            is_whole: entry.is_link || metadata.nlink() > 1,
            watched,
            ..Content::default()
        }
    }

    /// The last result for the file, if its dates have not changed.
    fn unchanged(&self, file: &[u8], entry: &Entry, content: &Content) -> Option<&CachedFile> {
        let metadata = &entry.metadata;
        // With dates in whole seconds, two changes within a second are not distinguishable.
        let has_whole_seconds = metadata.mtime_nsec() == 0 && metadata.ctime_nsec() == 0;
        let before = self.cache.files.get(file)?;
        (before.dates == content.dates && !has_whole_seconds).then_some(before)
    }
}

impl Entry {
    /// What is at `path`, or `None` if there is nothing. A link without a target counts as a vassal's file only if
    /// links are not followed (EMP-4).
    fn at(path: PathBuf, is_followed: bool) -> Option<Self> {
        let link = path.symlink_metadata().ok()?;
        let is_link = link.is_symlink();
        let metadata = match is_link && is_followed {
            true => path.metadata().ok()?,
            false => link,
        };
        Some(Self {
            path,
            is_link,
            is_followed,
            metadata,
        })
    }

    /// A hash of the file's content, or of the reason why it cannot be read; for a link that is not followed, of its
    /// target.
    fn hash(&self, read: &Result<Trusted, ReadError>) -> u64 {
        match read {
            _ if self.is_link && !self.is_followed => {
                let target = std::fs::read_link(&self.path).unwrap_or_default();
                hash(&target.into_os_string().into_vec())
            }
            Ok(read) => hash(&read.content),
            Err(error) => hash(error.to_string().as_bytes()),
        }
    }
}

/// Runs the command of `emperor-on-demand-exec` in the directory of a vassal's file, with the file's name, and stores
/// its output.
fn ask_for_address(root: &Path, command: &[u8], name: &VassalName, file: &Path) -> Result<(), String> {
    let directory = file.parent().unwrap_or(root).to_path_buf();
    let line = [command, b" ", &shell::word(&name.file())].concat();
    let world = System::new([(b"PATH".to_vec(), PATH.to_vec())].into(), directory);
    let said = world.run(&line, FILE_BYTES).map_err(|error| error.to_string())?;
    let answers = outside(root, ANSWERS.as_bytes());
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(&answers);
    let kept = made
        .and_then(|()| Directory::open(&answers))
        .and_then(|answers| answers.put(&escape(name.bytes()), &said, Mode::S_IRUSR | Mode::S_IWUSR));
    kept.map_err(|error| error.to_string())
}

/// When the path last began to lead to this file or the file last changed; a link may be newer than its target.
fn changed(metadata: &Metadata, way: &[Watched]) -> i64 {
    let link = |watched: &Watched| {
        let name = OsStr::from_bytes(watched.name.as_ref()?);
        let path = Path::new(OsStr::from_bytes(&watched.directory)).join(name);
        path.symlink_metadata().ok().filter(Metadata::is_symlink)
    };
    let links: Vec<Metadata> = way.iter().filter_map(link).collect();
    let all = links.iter().chain([metadata]);
    all.map(|metadata| time(metadata.ctime(), metadata.ctime_nsec()))
        .max()
        .unwrap_or_default()
}

/// Data that changes with every change of a file.
fn dates(metadata: &Metadata) -> Vec<u8> {
    let numbers = [
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        time(metadata.mtime(), metadata.mtime_nsec()) as u64,
        time(metadata.ctime(), metadata.ctime_nsec()) as u64,
    ];
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Nanoseconds since 1970.
fn time(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// FNV-1a, which is the same in all versions of this program.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
