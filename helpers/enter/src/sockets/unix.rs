//! Unix sockets. They are bound by the user that uWSGI would bind them as: the vassal's user after the as-user hooks
//! or, with `chown-socket`, root before the root directory changes (ORD-10). They are kept in systemd's FD store, and
//! used again as long as their paths lead to them.

use crate::failure::{AccountFailure, Failure, HookFailure, Kind, Place as Line};
use crate::files::accounts::accounts;
use crate::files::safe_open::{only_root_can_write, place};
use crate::sockets::open::{File, Open};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open as open_file};
use nix::sys::socket::{Backlog, UnixAddr, bind, listen};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, lstat};
use nix::unistd::{Gid, Uid, fchownat, geteuid, unlink};
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vassal_config::vassal::address::{Address, SocketOwner, UnixOptions};
use vassal_config::vassal::socket::Listener;
use vassal_escape::printable;
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::reach::Last;

/// Binds `open` to the path of `listener`, unless the path still leads to the kept socket. Returns the new file if
/// there is one. `proc` is a proc of this PID namespace, because the root directory may have none.
///
/// # Errors
/// The obstacle, with its line.
pub fn settle(
    open: &Open,
    listener: &Listener,
    options: &UnixOptions,
    proc: &Proc,
) -> Result<Option<File>, Failure> {
    let path = match &listener.address {
        Address::Unix(path) if !open.is_systemds => path,
        Address::Unix(_) | Address::Tcp(_) => return Ok(None),
    };
    let line = Line::line(&listener.origin, "socket");
    let at_line = |error: SysError| Failure::from(HookFailure::Refused(error)).at(&line);
    let shown = Path::new(OsStr::from_bytes(path));
    let (path, _directory) = match options.owner {
        None => (shown.to_path_buf(), None),
        Some(_) => fixed(shown).map_err(at_line)?,
    };
    let there = socket_file(&path, shown).map_err(at_line)?;
    if there.is_some() && there == open.kept {
        return Ok(None);
    }
    if there.is_some() {
        // A socket left by an earlier run; uWSGI removes it, too.
        unlink(&path)
            .context(|| describe("remove", shown))
            .map_err(at_line)?;
    }
    let socket = open.spare.as_ref().unwrap_or(&open.fd);
    let address = UnixAddr::new(&path)
        .context(|| describe("listen on", shown))
        .map_err(at_line)?;
    bind(socket.as_raw_fd(), &address)
        .context(|| describe("listen on", shown))
        .map_err(at_line)?;
    let backlog = Backlog::new(listener.backlog).unwrap_or(Backlog::MAXCONN);
    listen(socket, backlog)
        .context(|| describe("listen on", shown))
        .map_err(at_line)?;
    adjust(&path, shown, options, proc).map_err(|failure| failure.at(&line))?;
    socket_file(&path, shown).map_err(at_line)
}

/// A path that is safe for root. If directories on the way are a tenant's, links could be put into it between two
/// steps; so the directory is opened once, and the path goes through its descriptor.
fn fixed(path: &Path) -> Result<(PathBuf, Option<OwnedFd>), SysError> {
    let found = place(path, Last::Kept, || describe("listen on", path))?;
    if only_root_can_write(path)? {
        return Ok((path.to_path_buf(), None));
    }
    let through = format!("/proc/self/fd/{}", found.directory.as_raw_fd());
    Ok((Path::new(&through).join(found.name), Some(found.directory)))
}

/// The socket file at `path`; `None` if there is no file.
fn socket_file(path: &Path, shown: &Path) -> Result<Option<File>, SysError> {
    match lstat(path) {
        Ok(status) if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK => {
            Ok(Some((status.st_dev, status.st_ino)))
        }
        Ok(_) => Err(SysError::new(describe("listen on", shown), Errno::EEXIST)
            .meaning(Some("a file that is no socket is in the way"))),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(SysError::new(describe("listen on", shown), errno)),
    }
}

/// Applies `chmod-socket`, then `chown-socket`, through a descriptor of the file.
fn adjust(path: &Path, shown: &Path, options: &UnixOptions, proc: &Proc) -> Result<(), Failure> {
    if options.mode.is_none() && options.owner.is_none() {
        return Ok(());
    }
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = open_file(path, flags, Mode::empty()).context(|| describe("open", shown))?;
    let status = fstat(&file).context(|| describe("look at", shown))?;
    let is_socket = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK;
    // Checks that it is the socket which this process has just bound, and not a replacement.
    if !is_socket || status.st_uid != geteuid().as_raw() {
        return Err(SysError::new(describe("open", shown), Errno::EEXIST).into());
    }
    if let Some(mode) = options.mode {
        let number = format!("self/fd/{}", file.as_raw_fd());
        let mode = Mode::from_bits_truncate(mode);
        fchmodat(proc, number.as_str(), mode, FchmodatFlags::FollowSymlink)
            .context(|| describe("change the mode of", shown))?;
    }
    if let Some(owner) = &options.owner {
        let (uid, gid) = numbers(owner, proc)?;
        fchownat(file.as_fd(), "", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH)
            .context(|| describe("change the owner of", shown))?;
    }
    Ok(())
}

fn numbers(owner: &SocketOwner, proc: &Proc) -> Result<(Uid, Gid), Failure> {
    let accounts = accounts(proc)?;
    let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    let missing = |kind: Kind, name: &[u8]| AccountFailure::UnknownOwner {
        option: Some("chown-socket"),
        kind,
        name: name.to_vec(),
    };
    let uid = accounts.user(&owner.user).map(|user| user.uid);
    let uid = uid.or_else(|| number(&owner.user));
    let gid = match &owner.group {
        None => Some(0),
        Some(group) => accounts.group(group).or_else(|| number(group)),
    };
    Ok((
        Uid::from_raw(uid.ok_or_else(|| missing(Kind::User, &owner.user))?),
        Gid::from_raw(gid.ok_or_else(|| missing(Kind::Group, owner.group.as_deref().unwrap_or_default()))?),
    ))
}

fn describe(verb: &str, path: &Path) -> String {
    format!("{verb} '{}'", printable(path.as_os_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, metadata};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_link_that_has_taken_the_place_of_the_socket_is_not_followed() {
        let place = std::env::temp_dir().join(format!("vassal-unix-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        let (own, link) = (place.join("own.sock"), place.join("link.sock"));
        let _listener = UnixListener::bind(&own).unwrap();
        symlink(&own, &link).unwrap();
        let mode = || metadata(&own).unwrap().permissions().mode() & 0o777;
        let private = UnixOptions {
            mode: Some(0o600),
            owner: None,
        };
        let proc = Proc::mounted().unwrap();
        let modes = [&link, &own].map(|path| (adjust(path, path, &private, &proc).is_ok(), mode()));
        fs::remove_dir_all(&place).unwrap();
        assert_eq!(modes[1], (true, 0o600));
        assert!(!modes[0].0 && modes[0].1 != 0o600, "{modes:?}");
    }
}
