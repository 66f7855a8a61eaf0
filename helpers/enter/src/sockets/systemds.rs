//! Checks the path of a unix socket on which systemd is to listen for a vassal on demand. systemd creates and removes
//! it as root by its path, following links; so no tenant may be able to change anything on the way. The socket's unit
//! runs this check first.

use crate::failure::{Failure, ServiceFailure};
use nix::sys::stat::fstat;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_sys::error::Context;
use vassal_sys::reach::{self, Last, why_foreign};

/// In a directory with this bit nobody can remove or replace others' files (inode(7)).
const STICKY: u32 = 0o1000;

/// Whether systemd may listen at `path`.
///
/// # Errors
/// The first directory that others than root can change.
pub fn may_listen(path: &[u8]) -> Result<(), Failure> {
    let step = || "look for the directory of a socket";
    let directory = Path::new(OsStr::from_bytes(path))
        .parent()
        .unwrap_or(Path::new("/"));
    let place = reach::judge(&reach::root().context(step)?, directory, Last::Followed).context(step)?;
    let of_its_own = || {
        let status = fstat(place.object.as_ref()?).ok()?;
        let is_shared = status.st_uid == 0 && status.st_mode & STICKY != 0;
        why_foreign(&status)
            .filter(|_| !is_shared)
            .map(|why| format!("'{}' {why}", directory.display()))
    };
    match place.foreign.clone().or_else(of_its_own) {
        None => Ok(()),
        Some(why) => Err(ServiceFailure::ForeignSocket {
            path: path.to_vec(),
            why,
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_others_can_change_is_told() {
        for (path, is_roots) in [
            ("/run/a.sock", true),
            ("/tmp/a.sock", true),
            ("/a.sock", true),
            ("/run/absent/a.sock", true),
        ] {
            assert_eq!(may_listen(path.as_bytes()).is_ok(), is_roots, "{path}");
        }
        let place = std::env::temp_dir().join(format!("vassal-listens-{}", std::process::id()));
        std::fs::create_dir_all(place.join("below")).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&place, open).unwrap();
        let told = [place.join("a.sock"), place.join("below/a.sock")]
            .map(|path| may_listen(path.as_os_str().as_bytes()));
        std::fs::remove_dir_all(&place).unwrap();
        assert!(told.iter().all(Result::is_err), "{told:?}");
    }
}
