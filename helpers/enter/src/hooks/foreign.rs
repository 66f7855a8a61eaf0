//! Finds out whether others than root can change what root relies on in a root directory, and why.
//!
//! The owner of a directory is not sufficient: a FUSE daemon reports any owner it likes, and an overlay shows the files
//! of all its layers. So a FUSE filesystem is never trusted, and an overlay only if each layer is.

use crate::environment::{Environment, value};
use crate::failure::Failure;
use crate::hooks::simple_command::SimpleCommand;
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
use vassal_escape::printable;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::reach::{self, Last};
use vassal_sys::{SysError, mountinfo, mounts};

/// The directories with the files that define the names of users and groups.
const NAMES: [&str; 1] = ["etc"];
/// The directories of programs and of what the dynamic loader loads: a command that root runs may consist of their
/// files.
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
/// Files that decide what the dynamic loader loads into every program.
const LOADERS: [&str; 3] = ["etc/ld.so.preload", "etc/ld.so.cache", "etc/ld.so.conf"];
/// The longest chain of script interpreters; the kernel allows five (execve(2)).
const INTERPRETERS: usize = 5;
/// The most that the kernel reads of a script's first line (execve(2)).
const FIRST_LINE: u64 = 256;

/// Why the names of users and groups in the root directory `root` are not trusted; `None` if they are.
pub fn names(root: &OwnedFd) -> Option<String> {
    first_of(root, &NAMES)
}

/// Why `command` must not be run by root in the root directory `root`: others could have changed what would be
/// executed. `None` if it may be run.
///
/// # Errors
/// A NUL in the command.
pub fn command(
    root: &OwnedFd,
    shells: &[Vec<u8>],
    command: &[u8],
    environment: &Environment,
    proc: &Proc,
) -> Result<Option<String>, Failure> {
    let why = first_of(root, &PROGRAMS)
        .or_else(|| LOADERS.iter().find_map(|file| in_file(root, Path::new(file))))
        .or_else(|| libraries().find_map(|path| first_of(root, &[path.as_str()])))
        .or_else(|| in_search_path(root, environment));
    match why {
        Some(why) => Ok(Some(why)),
        None => in_program(root, shells, command, environment, proc),
    }
}

/// Why the filesystem with the root `top` is not trusted, independently of its directories' owners; `None` if it is.
///
/// # Errors
/// When proc does not answer.
pub fn filesystem(top: &OwnedFd, shown: &Path, proc: &Proc) -> Result<Option<String>, SysError> {
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
        // A hook passes a layer in this form if others than root could have put it there.
        if layer.starts_with("self/fd") {
            return Ok(Some(format!(
                "of '{shown_top}', one of its layers is in a directory that others than root can write"
            )));
        }
        let place = reach::judge(&root, &layer, Last::Followed);
        let why = match place.and_then(|place| Ok((place.foreign, place.object.ok_or(Errno::ENOENT)?))) {
            Ok((Some(why), _)) => Some(why),
            Ok((None, directory)) => first_of(&directory, &PROGRAMS),
            Err(errno) => Some(format!("it cannot be looked at ({})", errno.desc())),
        };
        if let Some(why) = why {
            let layer = printable(layer.as_os_str().as_bytes());
            return Ok(Some(format!("of '{shown_top}', in its layer '{layer}', {why}")));
        }
    }
    Ok(None)
}

/// The layers of the overlay on `top`. Empty for an overlay that is the host's own root, or of which only a part is
/// shown here: those are the administrator's, and their layers may be out of sight.
fn layers(top: &OwnedFd, proc: &Proc) -> Result<Vec<PathBuf>, SysError> {
    let step = || "read mountinfo";
    let id = mounts::mount_of(proc, top)?;
    let number = [id.to_string().as_bytes(), b" "].concat();
    // Line by line, because other users may have any number of mounts.
    let mut lines = BufReader::new(proc.mountinfo()?).split(b'\n');
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

/// The library directories of this machine's architecture, as Debian names them.
fn libraries() -> impl Iterator<Item = String> {
    let kind = format!("{}-linux-gnu", std::env::consts::ARCH);
    ["lib", "usr/lib", "usr/local/lib"]
        .into_iter()
        .map(move |directory| format!("{directory}/{kind}"))
}

/// The first existing directory among `directories` below `root` that others than root can change, with the reason.
fn first_of(root: &OwnedFd, directories: &[&str]) -> Option<String> {
    directories
        .iter()
        .find_map(|directory| in_directory(root, Path::new(directory)))
}

fn in_directory(root: &OwnedFd, directory: &Path) -> Option<String> {
    // Resolving a name in it examines the whole way, the directory itself included.
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

/// Why others than root can change the file `path` below `root`, or replace it; `None` for a missing file.
fn in_file(root: &OwnedFd, path: &Path) -> Option<String> {
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

/// The first directory of `$PATH` that others than root can change, with the reason.
fn in_search_path(root: &OwnedFd, environment: &Environment) -> Option<String> {
    let mut directories = value(environment, b"PATH")?
        .split(|byte| *byte == b':')
        .filter(|directory| directory.starts_with(b"/"));
    directories.find_map(|directory| in_directory(root, Path::new(OsStr::from_bytes(directory))))
}

/// The same for the programs that `command` would execute: its program if it needs no shell, otherwise the shells; and
/// the interpreters named in the first lines of scripts.
fn in_program(
    root: &OwnedFd,
    shells: &[Vec<u8>],
    command: &[u8],
    environment: &Environment,
    proc: &Proc,
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
            if let Some(why) = in_file(root, &path) {
                return Ok(Some(why));
            }
            next = interpreter(root, &path, proc).ok().flatten();
        }
    }
    Ok(None)
}

/// The interpreter of a script.
fn interpreter(root: &OwnedFd, path: &Path, proc: &Proc) -> nix::Result<Option<PathBuf>> {
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
