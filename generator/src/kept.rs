//! A copy of everything that was generated last. systemd empties the output directory before each run; when a file
//! cannot be read then, its drop-in is taken from this copy, because a running vassal without its drop-in would lose
//! its limits.

use crate::drop_in::Text;
use crate::output::{Directory, Temporary};
use crate::pack::{read_field, write_field};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::vassals::name_of;
use vassal_escape::unit_name::escape;

/// The directory below [`RUN`], accessible to root only.
const DIRECTORY: &str = "vassal-generator";
/// /run: a generator may write there, and it is emptied at boot as the units are.
const RUN: &str = "run";
/// The subdirectory with one file for each vassal that vassal-emperor has changed since the last run, named by the
/// unit's instance.
const LIVE: &str = "live";
/// The file with everything that was generated.
const FILE: &str = "last";
/// The beginning of each file. It names the version of the format.
const FORMAT: &[u8] = b"vassal-generator 2";
/// The most that is read of it: ten thousand drop-ins of a few KiB.
const LARGEST: u64 = 64 << 20;

/// What is kept of one vassal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The place of emperor.ini that contains its file.
    pub place: Vec<u8>,
    /// The path of its file.
    pub file: Vec<u8>,
    /// Its drop-ins.
    pub text: Text,
}

/// Everything from the last run, with vassal-emperor's changes since then applied. Empty when there is no such file, or
/// when another user than root could have written it.
pub fn load(root: &Path) -> Vec<Kept> {
    let mut all = Vec::new();
    each(root, |kept| all.push(kept));
    all
}

/// Calls `take` for one vassal after the other, so that ten thousand of them need not be in memory at once.
pub fn each(root: &Path, mut take: impl FnMut(Kept)) {
    let directory = root.join(RUN).join(DIRECTORY);
    let names = live(root);
    let is_as_it_was = |kept: &Kept| instance(kept).is_none_or(|instance| !names.contains(&instance));
    each_record(&directory, FILE, |kept| {
        if names.is_empty() || is_as_it_was(&kept) {
            take(kept);
        }
    });
    for name in &names {
        each_record(&directory.join(LIVE), name, &mut take);
    }
}

/// Calls `take` for each record of a file; for none if another user than root could have written the file.
fn each_record(directory: &Path, name: &str, mut take: impl FnMut(Kept)) {
    let Ok(file) = open_own(directory, name) else {
        return;
    };
    let mut file = BufReader::new(file.take(LARGEST));
    if !read_field(&mut file).is_ok_and(|format| format == FORMAT) {
        return;
    }
    let mut record = || -> io::Result<[Vec<u8>; 3]> {
        Ok([
            read_field(&mut file)?,
            read_field(&mut file)?,
            read_field(&mut file)?,
        ])
    };
    while let Ok([place, file, text]) = record() {
        if let Some(text) = Text::unpack(&text) {
            take(Kept { place, file, text });
        }
    }
}

/// The unit's instance of a record.
fn instance(kept: &Kept) -> Option<String> {
    name_of(&kept.file).ok().map(|name| escape(name.bytes()))
}

/// The instances of the units that vassal-emperor has changed since the last run.
pub fn live(root: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(root.join(RUN).join(DIRECTORY).join(LIVE));
    let names = names.into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Stores a change that vassal-emperor has made to the vassal `name`: its new state, or that it was removed.
///
/// # Errors
/// Any error of the filesystem; the previous state is kept then.
pub fn change(root: &Path, name: &VassalName, now: Option<&Kept>) -> io::Result<()> {
    let directory = Directory::open(&root.join(RUN))?.enter(DIRECTORY, Mode::S_IRWXU)?;
    only_roots(&fstat(&directory)?)?;
    let directory = directory.enter(LIVE, Mode::S_IRWXU)?;
    let mut bytes = Vec::new();
    write_field(&mut bytes, FORMAT)?;
    now.map_or(Ok(()), |kept| kept.write(&mut bytes))?;
    directory.put(&escape(name.bytes()), &bytes, Mode::S_IRUSR | Mode::S_IWUSR)
}

/// Writes a file of records, which replaces the previous file only when it is complete.
#[derive(Debug)]
pub struct Store {
    directory: Directory,
    file: BufWriter<Temporary>,
}

impl Store {
    /// Begins an empty file.
    ///
    /// # Errors
    /// Any error of the filesystem; the previous file is kept then, also when a later step fails.
    pub fn begin(root: &Path) -> io::Result<Self> {
        let directory = Directory::open(&root.join(RUN))?.enter(DIRECTORY, Mode::S_IRWXU)?;
        only_roots(&fstat(&directory)?)?;
        let mut file = BufWriter::new(directory.begin(FILE, Mode::S_IRUSR | Mode::S_IWUSR)?);
        write_field(&mut file, FORMAT)?;
        Ok(Self { directory, file })
    }

    /// Adds a vassal's record.
    ///
    /// # Errors
    /// Any error of the filesystem.
    pub fn add(&mut self, kept: &Kept) -> io::Result<()> {
        kept.write(&mut self.file)
    }

    /// Puts the file in place, and deletes the single files of the vassals `changed`: vassal-emperor wrote them before
    /// this run, whose output replaces them.
    ///
    /// # Errors
    /// Any error of the filesystem.
    pub fn finish(self, changed: &BTreeSet<String>) -> io::Result<()> {
        self.file
            .into_inner()
            .map_err(|error| error.into_error())?
            .finish()?;
        for name in changed {
            let path = format!("{LIVE}/{name}");
            match unlinkat(&self.directory, path.as_str(), UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

impl Kept {
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let fields = [self.place.as_slice(), &self.file, &self.text.pack()];
        fields.into_iter().try_for_each(|field| write_field(to, field))
    }
}

/// The last run's output, read when it is first needed.
#[derive(Debug)]
pub struct Last<'a> {
    root: &'a Path,
    all: OnceCell<Vec<Kept>>,
}

impl<'a> Last<'a> {
    /// The last run's output on the machine below `root`.
    pub fn of(root: &'a Path) -> Self {
        let all = OnceCell::new();
        Self { root, all }
    }

    fn all(&self) -> &[Kept] {
        self.all.get_or_init(|| load(self.root))
    }

    /// The files that `place` contained in the last run.
    pub fn files_in(&self, place: &[u8]) -> Vec<Vec<u8>> {
        let kept = self.all().iter().filter(|kept| kept.place == place);
        kept.map(|kept| kept.file.clone()).collect()
    }

    /// The drop-ins that were generated for this file in the last run.
    pub fn text_of(&self, file: &[u8]) -> Option<Text> {
        let kept = self.all().iter().find(|kept| kept.file == file)?;
        Some(kept.text.clone())
    }
}

fn open_own(directory: &Path, name: &str) -> io::Result<File> {
    let directory = Directory::open(directory)?;
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = File::from(openat(&directory, name, flags, Mode::empty())?);
    only_roots(&fstat(&directory)?)?;
    only_roots(&fstat(&file)?)?;
    Ok(file)
}

/// Checks that only this user could have written the file: its content becomes that of units.
fn only_roots(status: &FileStat) -> io::Result<()> {
    let is_own = status.st_uid == nix::unistd::geteuid().as_raw() && status.st_mode & 0o022 == 0;
    is_own.then_some(()).ok_or_else(|| Errno::EPERM.into())
}

/// Deletes the copy.
///
/// # Errors
/// Any error of the filesystem; a missing copy is no error.
pub fn forget(root: &Path) -> io::Result<()> {
    let path = root.join(RUN).join(DIRECTORY);
    let forgotten = Directory::open(&path)
        .and_then(|directory| Ok(unlinkat(&directory, FILE, UnlinkatFlags::NoRemoveDir)?));
    match forgotten {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        forgotten => forgotten,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(root: &Path, all: &[Kept], changed: &BTreeSet<String>) -> io::Result<()> {
        let mut store = Store::begin(root)?;
        all.iter().try_for_each(|kept| store.add(kept))?;
        store.finish(changed)
    }

    #[test]
    fn what_is_kept_is_found_again_and_nothing_that_others_may_write() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(RUN)).unwrap();
        assert_eq!(load(root.path()), []);
        let kept = |file: &str| Kept {
            place: b"/v".to_vec(),
            file: file.into(),
            text: Text {
                service: format!("[Service]\n# {file}\n"),
                socket: None,
            },
        };
        let all = [kept("/v/a.ini"), kept("/v/b.ini")];
        store(root.path(), &all, &BTreeSet::new()).unwrap();
        assert_eq!(load(root.path()), all);
        let last = Last::of(root.path());
        assert_eq!(last.files_in(b"/v").len(), 2);
        assert_eq!(last.text_of(b"/v/b.ini"), Some(all[1].text.clone()));
        assert_eq!(
            (last.text_of(b"/v/c.ini"), last.files_in(b"/w")),
            (None, Vec::new())
        );
        // The emperor changes one, removes one, and makes one.
        let name = |name: &str| VassalName::parse(name.as_bytes()).unwrap();
        change(root.path(), &name("a"), Some(&kept("/w/a.ini"))).unwrap();
        change(root.path(), &name("b"), None).unwrap();
        change(root.path(), &name("my c"), Some(&kept("/v/my c.ini"))).unwrap();
        let files = || {
            load(root.path())
                .into_iter()
                .map(|kept| kept.file)
                .collect::<Vec<_>>()
        };
        assert_eq!(files(), [b"/w/a.ini".to_vec(), b"/v/my c.ini".to_vec()]);
        let changed = live(root.path());
        assert_eq!(changed.len(), 3);
        change(root.path(), &name("d"), Some(&kept("/v/d.ini"))).unwrap();
        store(root.path(), &all, &changed).unwrap();
        assert_eq!(files().len(), 3, "what has come meanwhile stays");
        let file = root.path().join(RUN).join(DIRECTORY).join(FILE);
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        assert_eq!(files(), [b"/v/d.ini".to_vec()]);
        forget(root.path()).unwrap();
        forget(root.path()).unwrap();
        assert!(!file.exists());
    }
}
