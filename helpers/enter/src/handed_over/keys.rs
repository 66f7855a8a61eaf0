//! Certificates and keys that only root can read. uWSGI reads them by path, under an Emperor as root but here as the
//! app's user, and reads them again at a reload in place, which no descriptor of a file survives (measured). So the
//! files that the user may not read are copied into a filesystem in memory, where the user may read them, and uWSGI is
//! given the paths of the copies. It is mounted on /run/vassal in the vassal's mount namespace or, if the vassal has
//! none, in one that only the app's process has.

use crate::failure::{AppFailure, Failure, NoCopy, Place};
use crate::user::may;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Gid, Uid, fchown};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::vassal::key_files::KeyFile;
use vassal_config::vassal::plan::Plan;
use vassal_escape::printable;
use vassal_state::restart_record::DIRECTORY;
use vassal_sys::creds::Credentials;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::reach::{self, Last};
use vassal_sys::{SysError, attach, mounts};

/// The largest file; a bundle of all certificate authorities is a quarter of it.
const LIMIT: u64 = 1 << 20;
/// The largest sum of all files of a vassal.
const LIMIT_OF_ALL: usize = 8 << 20;
/// The mount options: only root may write there or list it.
const OPTIONS: &[u8] = b"mode=711,size=16m,nr_inodes=256";
const FLAGS: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

/// A file of which the app's user gets a copy.
#[derive(Debug)]
pub struct Copy {
    /// The path as the option has it.
    pub path: Vec<u8>,
    /// Its content.
    pub content: Vec<u8>,
}

/// The copies in their filesystem.
#[derive(Debug)]
pub struct Keys {
    /// The filesystem's root directory.
    pub directory: OwnedFd,
    /// For each file its path and the name of its copy.
    pub names: Vec<(Vec<u8>, String)>,
}

/// Reads those of `files` that the app's user may not read; all of them, if the user is known only in the vassal's own
/// root. As uWSGI does, it reads them in the host's root directory. Files that are missing, or that others than root
/// may have put there, are left to uWSGI.
///
/// # Errors
/// A file that cannot be read or exceeds the limit, with its line.
pub fn collect(
    files: &[KeyFile],
    credentials: Option<&Credentials>,
    proc: &Proc,
) -> Result<Vec<Copy>, Failure> {
    let mut copies: Vec<Copy> = Vec::new();
    if credentials.is_some_and(Credentials::stays_root) {
        return Ok(copies);
    }
    for file in files {
        if copies.iter().any(|copy| copy.path == file.path) {
            continue;
        }
        let at_line = |failure: Failure| failure.at(&line_of(file));
        let path = Path::new(OsStr::from_bytes(&file.path));
        if credentials.is_some_and(|credentials| may_read(path, credentials)) {
            continue;
        }
        if let Some(content) = read(path, proc).map_err(at_line)? {
            copies.push(Copy {
                path: file.path.clone(),
                content,
            });
        }
        if copies.iter().map(|copy| copy.content.len()).sum::<usize>() > LIMIT_OF_ALL {
            return Err(at_line(AppFailure::KeysTooLong.into()));
        }
    }
    Ok(copies)
}

/// Reads the file, if nobody but root can have put it there.
///
/// # Errors
/// A file that cannot be read or exceeds the limit.
pub fn read(path: &Path, proc: &Proc) -> Result<Option<Vec<u8>>, Failure> {
    let shown = printable(path.as_os_str().as_bytes());
    let step = || format!("read '{shown}'");
    let absolute = std::path::absolute(path).context(step)?;
    let place = match reach::judge(&reach::root().context(step)?, &absolute, Last::Followed) {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
        place => place.context(step)?,
    };
    let (None, Some(object)) = (&place.foreign, &place.object) else {
        return Ok(None);
    };
    if !reach::is_regular(&fstat(object).context(step)?) {
        return Ok(None);
    }
    let file = File::from(reach::reopen(proc, object, OFlag::O_RDONLY).context(step)?);
    let mut content = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut content).context(step)?;
    match content.len() as u64 > LIMIT {
        true => Err(AppFailure::KeyTooLong {
            path: path.as_os_str().as_bytes().to_vec(),
        }
        .into()),
        false => Ok(Some(content)),
    }
}

/// Whether the user may read the file at `path`: both by the path as written and by the path without links.
fn may_read(path: &Path, credentials: &Credentials) -> bool {
    let allows = |path: &Path, bits: u32| {
        let object = reach::place(path, Last::Followed)
            .ok()
            .and_then(|place| place.object);
        object
            .and_then(|object| fstat(object).ok())
            .is_some_and(|status| may(&status, credentials, bits))
    };
    let is_open = |way: &Path| way.ancestors().skip(1).all(|directory| allows(directory, 0o1));
    allows(path, 0o4)
        && std::path::absolute(path).is_ok_and(|way| is_open(&way))
        && std::fs::canonicalize(path).is_ok_and(|way| is_open(&way))
}

impl Keys {
    /// Makes the filesystem, not mounted yet, and writes the copies into it; `None` if none are needed. Files that the
    /// user may read in the present root directory are left out.
    ///
    /// # Errors
    /// `ENOMEM`, `ENOSPC`.
    pub fn make(copies: &[Copy], credentials: &Credentials) -> Result<Option<Self>, Failure> {
        let is_closed = |copy: &&Copy| !may_read(Path::new(OsStr::from_bytes(&copy.path)), credentials);
        let copies: Vec<_> = copies.iter().filter(is_closed).collect();
        if copies.is_empty() || credentials.stays_root() {
            return Ok(None);
        }
        let directory = attach::filesystem(b"tmpfs", b"vassal-keys", FLAGS, Some(OPTIONS))
            .context(|| "make a filesystem for keys")?;
        let mut names = Vec::new();
        for copy in copies {
            let name = format!("{}.pem", names.len());
            write(
                &directory,
                &name,
                &copy.content,
                (credentials.uid, credentials.gid),
            )?;
            names.push((copy.path.clone(), name));
        }
        Ok(Some(Self { directory, names }))
    }

    /// The path of the copy of `path`, as the vassal sees it.
    pub fn instead(&self, path: &[u8]) -> Option<Vec<u8>> {
        instead(&self.names, path)
    }

    /// Mounts the filesystem in the present mount namespace, which is the vassal's own.
    ///
    /// # Errors
    /// When the root directory lacks the directory to mount it on.
    pub fn mount(&self, plan: &Plan) -> Result<(), Failure> {
        let step = || format!("mount the copies of keys on '{DIRECTORY}'");
        let place = reach::place(Path::new(DIRECTORY), Last::Kept);
        let target = place.ok().and_then(|place| place.object);
        let target = target.filter(|object| fstat(object).is_ok_and(|status| reach::is_directory(&status)));
        match target {
            Some(target) => Ok(attach::put(&self.directory, &target).context(step)?),
            None => Err(refuse(plan, NoCopy::NoDirectory)),
        }
    }

    /// Mounts the filesystem in a new mount namespace of this process alone; for a vassal without a mount namespace.
    /// The host's mounts still appear and disappear there, and this mount does not reach the host.
    ///
    /// # Errors
    /// As unshare(2) and [`Keys::mount`].
    pub fn mount_alone(&self, plan: &Plan) -> Result<(), Failure> {
        unshare(CloneFlags::CLONE_NEWNS).context(|| "make a mount namespace for the app")?;
        mounts::make_all_slave()?;
        self.mount(plan)
    }
}

/// Refuses copies in a namespace of the app's own if that would break something: mounts of as-user hooks, which are the
/// host's, or checks that compare the app's files with the host's mounts.
///
/// # Errors
/// The failure, with the line of the first key file.
pub fn refuse_mounts(plan: &Plan, has_hooks: bool) -> Result<(), Failure> {
    match has_hooks || !plan.watch.is_empty() {
        false => Ok(()),
        true => Err(refuse(plan, NoCopy::NoNamespace)),
    }
}

fn refuse(plan: &Plan, why: NoCopy) -> Failure {
    let first = plan.key_files.first();
    let path = first.map_or_else(Vec::new, |file| file.path.clone());
    let failure = Failure::from(AppFailure::NoCopy { path, why });
    match first {
        Some(file) => failure.at(&line_of(file)),
        None => failure,
    }
}

/// The line that names `file`.
pub fn line_of(file: &KeyFile) -> Place {
    Place::line(&file.origin, "certificate or key")
}

/// The path of the copy of `path`, looked up in `names`.
pub fn instead(names: &[(Vec<u8>, String)], path: &[u8]) -> Option<Vec<u8>> {
    let (_, name) = names.iter().find(|(known, _)| known == path)?;
    Some(format!("{DIRECTORY}/{name}").into_bytes())
}

/// Writes a copy, replacing an older one of that name.
///
/// # Errors
/// `ENOSPC`.
pub fn write(
    directory: &OwnedFd,
    name: &str,
    content: &[u8],
    owner: (Option<Uid>, Option<Gid>),
) -> Result<(), SysError> {
    let step = || "copy a key";
    let new = format!("{name}.new");
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(directory, new.as_str(), flags, Mode::S_IRUSR).context(step)?);
    file.write_all(content).context(step)?;
    fchown(&file, owner.0, owner.1).context(step)?;
    renameat(directory, new.as_str(), directory, name).context(step)
}
