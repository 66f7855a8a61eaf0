//! Whose the vassal's own root is. Who owns a root directory decides what its names mean and what its programs do; so where that
//! is not root alone, no command of root's runs in it, and its names count only as far as the host confirms them.
//!
//! A directory's owner is no answer where a union shows it: on FUSE a daemon says what it likes, and of an overlay each layer adds
//! what the others have not. The first is never root's alone, of the second each layer has to be.

use crate::environment::{Environment, value};
use crate::failure::{Failure, HookFailure};
use crate::hooks::simple_command::SimpleCommand;
use crate::user::{self, Lookup};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use nix::sys::statfs::{FUSE_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, fstatfs};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_escape::printable;
use vassal_sys::creds::Credentials;
use vassal_sys::error::Context;
use vassal_sys::reach::{self, Last};
use vassal_sys::{SysError, directory, mountinfo, mounts};

/// What has to be root's alone for its names to count.
const NAMES: [&str; 1] = ["etc"];
/// What a command of root's may be made of: the directories of programs and of what the loader loads.
const PROGRAMS: [&str; 15] = [
    "bin",
    "etc",
    "etc/ld.so.conf.d",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "sbin",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/local",
    "usr/local/lib",
    "usr/sbin",
];
/// Files that decide what every program loads.
const LOADERS: [&str; 3] = ["etc/ld.so.preload", "etc/ld.so.cache", "etc/ld.so.conf"];
/// How many interpreters of interpreters there may be; the kernel takes five (execve(2)).
const INTERPRETERS: usize = 5;
/// The most the kernel reads of the first line of a script (execve(2)).
const FIRST_LINE: u64 = 256;

/// The root directory that a vassal changes to.
#[derive(Debug)]
pub struct OwnRoot {
    /// Why it is not root's alone.
    why: Option<String>,
    /// Why its names do not count alone, and whom the host means by them.
    doubt: Option<(String, Result<Credentials, Failure>)>,
    /// `trust-root`
    is_trusted: bool,
}

impl OwnRoot {
    /// Looks at the root directory that `plan` is about to change to; nothing where it does not change it. What cannot be looked
    /// at is told by the step itself.
    ///
    /// # Errors
    /// When proc does not answer.
    pub fn judge(plan: &Plan, proc: &OwnedFd) -> Result<Option<Self>, Failure> {
        if !plan.changes_root {
            return Ok(None);
        }
        let jail = plan
            .operations
            .iter()
            .filter(|operation| operation.phase == Phase::Jail);
        let (mut why, mut swapped) = (None, None);
        let mut top = reach::root().context(|| "open the root directory")?;
        for operation in jail {
            let (Action::Chroot(path) | Action::PivotRoot(path, _)) = &operation.action else {
                continue;
            };
            let shown = Path::new(OsStr::from_bytes(path));
            let Ok(place) = reach::judge(&top, shown, Last::Followed) else {
                break;
            };
            let Some(next) = place.object else { break };
            // Another directory may be there in a moment; pivot_root(2) takes nothing but a mount, which no tenant makes here.
            if matches!(operation.action, Action::Chroot(_)) {
                swapped = swapped.or(place.foreign);
            }
            top = next;
            why = why.or(foreign_filesystem(&top, shown, proc)?);
            why =
                why.or_else(|| foreign(&top, &NAMES).map(|why| format!("{why} (in '{}')", shown.display())));
        }
        let doubt = why.clone().or(swapped);
        Ok(Some(Self {
            doubt: doubt.map(|why| (why, user::resolve(&plan.identity, Lookup::Host, proc))),
            why,
            is_trusted: plan.settings.trust_root,
        }))
    }

    /// Whom the app becomes, by the names of the present root directory, which is this one.
    ///
    /// # Errors
    /// A name that does not exist, or that only a root directory of somebody else's knows.
    pub fn credentials(&self, plan: &Plan, proc: &OwnedFd) -> Result<Credentials, Failure> {
        let own = user::resolve(&plan.identity, Lookup::OwnRoot, proc)?;
        match &self.doubt {
            Some((why, host)) => user::confirm(own, host.clone(), &plan.identity, why),
            None => Ok(own),
        }
    }

    /// Whether root may run `command` in it.
    ///
    /// # Errors
    /// What is not root's alone, and what to do.
    pub fn permit(
        &self,
        operation: &Operation,
        shells: &[Vec<u8>],
        environment: &Environment,
        proc: &OwnedFd,
    ) -> Result<(), Failure> {
        let Action::Exec { command, .. } = &operation.action else {
            return Ok(());
        };
        if self.is_trusted || operation.phase < Phase::Jail {
            return Ok(());
        }
        let root = reach::root().context(|| "open the root directory")?;
        let why = match &self.why {
            Some(why) => Some(why.clone()),
            None => foreign(&root, &PROGRAMS)
                .or_else(|| {
                    LOADERS
                        .iter()
                        .find_map(|file| foreign_file(&root, Path::new(file)))
                })
                .or_else(|| libraries().find_map(|path| foreign(&root, &[path.as_str()])))
                .or_else(|| foreign_search_path(&root, environment))
                .map_or_else(
                    || foreign_program(&root, shells, command, environment, proc),
                    |why| Ok(Some(why)),
                )?,
        };
        match why {
            None => Ok(()),
            Some(why) => Err(HookFailure::ForeignRoot { why }.into()),
        }
    }
}

/// Why the filesystem whose root is `top` is not root's alone, whatever its directories say.
fn foreign_filesystem(top: &OwnedFd, shown: &Path, proc: &OwnedFd) -> Result<Option<String>, SysError> {
    let shown_top = printable(shown.as_os_str().as_bytes());
    let kind = fstatfs(top)
        .context(|| format!("look at '{shown_top}'"))?
        .filesystem_type();
    if kind == FUSE_SUPER_MAGIC {
        return Ok(Some(format!(
            "'{shown_top}' is a FUSE filesystem, whose daemon says what is there"
        )));
    }
    if kind != OVERLAYFS_SUPER_MAGIC {
        return Ok(None);
    }
    let root = reach::root().context(|| "open the root directory")?;
    for layer in layers(top, proc)? {
        let place = reach::judge(&root, &layer, Last::Followed);
        let why = match place.and_then(|place| Ok((place.foreign, place.object.ok_or(Errno::ENOENT)?))) {
            Ok((Some(why), _)) => Some(why),
            Ok((None, directory)) => foreign(&directory, &PROGRAMS),
            Err(errno) => Some(format!("it cannot be looked at ({})", errno.desc())),
        };
        if let Some(why) = why {
            let layer = printable(layer.as_os_str().as_bytes());
            return Ok(Some(format!("of '{shown_top}', in its layer '{layer}', {why}")));
        }
    }
    Ok(None)
}

/// The layers of the overlay on `top`; none of one that is the host's own root, or that a part of is shown here: those are
/// the administrator's, and their layers need not be in sight.
fn layers(top: &OwnedFd, proc: &OwnedFd) -> Result<Vec<PathBuf>, SysError> {
    let step = || "read mountinfo";
    let id = mounts::mount_of(proc, top)?;
    let number = [id.to_string().as_bytes(), b" "].concat();
    // Line by line: others may have any number of mounts.
    let mut lines = BufReader::new(directory::open_below(proc, "self/mountinfo")?).split(b'\n');
    let is_it = |line: &io::Result<Vec<u8>>| line.as_ref().map_or(true, |line| line.starts_with(&number));
    let line = lines.find(is_it).transpose().context(step)?.unwrap_or_default();
    let mut fields = line.split(|byte| *byte == b' ');
    let (part, mountpoint) = (fields.nth(3), fields.next());
    if part != Some(b"/") || mountpoint == Some(b"/") {
        return Ok(Vec::new());
    }
    let options = fields
        .skip_while(|field| *field != b"-")
        .nth(3)
        .unwrap_or_default();
    const NAMED: [&[u8]; 4] = [b"lowerdir=", b"lowerdir+=", b"datadir+=", b"upperdir="];
    let named = options
        .split(|byte| *byte == b',')
        .filter_map(|option| NAMED.iter().find_map(|name| option.strip_prefix(*name)));
    let all = named.flat_map(|paths| paths.split(|byte| *byte == b':'));
    let present = all.filter(|path| !path.is_empty());
    let unescaped = |path: &[u8]| {
        let mut plain = Vec::with_capacity(path.len());
        mountinfo::unescape(path, &mut plain);
        PathBuf::from(OsString::from_vec(plain))
    };
    Ok(present.map(unescaped).collect())
}

/// The libraries of this machine's kind, where Debian has them.
fn libraries() -> impl Iterator<Item = String> {
    let kind = format!("{}-linux-gnu", std::env::consts::ARCH);
    ["lib", "usr/lib", "usr/local/lib"]
        .into_iter()
        .map(move |directory| format!("{directory}/{kind}"))
}

/// The first of `directories` below `root` that is there and not root's alone, with the reason.
fn foreign(root: &OwnedFd, directories: &[&str]) -> Option<String> {
    directories
        .iter()
        .find_map(|directory| foreign_directory(root, Path::new(directory)))
}

fn foreign_directory(root: &OwnedFd, directory: &Path) -> Option<String> {
    // Of a name in it the whole way is looked at, the directory included.
    match reach::judge(root, &directory.join("-"), Last::Kept) {
        Ok(place) => place.foreign,
        Err(Errno::ENOENT) => None,
        Err(errno) => {
            let shown = printable(directory.as_os_str().as_bytes());
            Some(format!(
                "'/{}' cannot be looked at ({})",
                shown.trim_start_matches('/'),
                errno.desc()
            ))
        }
    }
}

/// Why the file `path` below `root`, or the way to it, is not root's alone; one that is not there is nobody's.
fn foreign_file(root: &OwnedFd, path: &Path) -> Option<String> {
    let shown = || {
        format!(
            "'/{}'",
            printable(path.as_os_str().as_bytes()).trim_start_matches('/')
        )
    };
    let place = match reach::judge(root, path, Last::Followed) {
        Ok(place) => place,
        Err(Errno::ENOENT) => return None,
        Err(errno) => return Some(format!("{} cannot be looked at ({})", shown(), errno.desc())),
    };
    place.foreign.or_else(|| {
        let status = fstat(place.object.as_ref()?).ok()?;
        reach::why_foreign(&status).map(|why| format!("{} {why}", shown()))
    })
}

/// The first directory of `$PATH` that is not root's alone, with the reason.
fn foreign_search_path(root: &OwnedFd, environment: &Environment) -> Option<String> {
    let mut directories = value(environment, b"PATH")?
        .split(|byte| *byte == b':')
        .filter(|directory| directory.starts_with(b"/"));
    directories.find_map(|directory| foreign_directory(root, Path::new(OsStr::from_bytes(directory))))
}

/// Why what `command` would execute is not root's alone: its program, if it is one without a shell, else the shells; and what the
/// first lines of scripts name.
fn foreign_program(
    root: &OwnedFd,
    shells: &[Vec<u8>],
    command: &[u8],
    environment: &Environment,
    proc: &OwnedFd,
) -> Result<Option<String>, Failure> {
    let simple = match shells {
        [] => SimpleCommand::of(command, environment)?,
        _ => None,
    };
    let bytes = |program: &CString| program.as_bytes().to_vec();
    let mut programs: Vec<_> = simple
        .iter()
        .flat_map(SimpleCommand::programs)
        .map(bytes)
        .collect();
    programs.extend_from_slice(shells);
    programs.push(b"/bin/sh".to_vec());
    for program in programs {
        let path =
            std::path::absolute(OsStr::from_bytes(&program)).context(|| "find the working directory")?;
        let mut next = Some(path);
        for _ in 0..INTERPRETERS {
            let Some(path) = next.take() else { break };
            if let Some(why) = foreign_file(root, &path) {
                return Ok(Some(why));
            }
            next = interpreter(root, &path, proc).ok().flatten();
        }
    }
    Ok(None)
}

/// The interpreter of a script.
fn interpreter(root: &OwnedFd, path: &Path, proc: &OwnedFd) -> nix::Result<Option<PathBuf>> {
    let place = reach::place_below(root, path, Last::Followed)?;
    let object = place.object()?;
    if !reach::is_regular(&fstat(object)?) {
        return Ok(None);
    }
    let mut text = Vec::new();
    let file = File::from(reach::reopen(proc, object, OFlag::O_RDONLY)?);
    file.take(FIRST_LINE)
        .read_to_end(&mut text)
        .map_err(|_| Errno::EIO)?;
    let Some(line) = text.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let line = line
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii_start();
    let name = line
        .split(|byte| byte.is_ascii_whitespace())
        .next()
        .unwrap_or_default();
    Ok(std::path::absolute(OsStr::from_bytes(name)).ok())
}
