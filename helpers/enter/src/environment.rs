//! Environments: that of this process, those of hooks, and that of the app.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::rc::Rc;
use vassal_state::restart_record::is_runtime_directory;
use vassal_systemd::variables::OF_SERVICE;

/// An environment: names and values as bytes, in order.
pub type Environment = Vec<(Vec<u8>, Vec<u8>)>;

/// The environment of the start; it is never changed.
pub type Inherited = Rc<[(Vec<u8>, Vec<u8>)]>;

/// The search path of hooks and of uWSGI where the unit sets none (systemd.exec(5)).
pub const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The unit's runtime directories (systemd.exec(5)).
const RUNTIME_DIRECTORIES: &[u8] = b"RUNTIME_DIRECTORY";

/// This process's environment without systemd's own variables.
pub fn inherited() -> Inherited {
    env::vars_os()
        .map(|(name, value)| (name.into_vec(), value.into_vec()))
        .filter(|(name, _)| !is_of_service(name))
        .filter_map(|(name, value)| match name == RUNTIME_DIRECTORIES {
            true => Some((name, without_own(&value)?)),
            false => Some((name, value)),
        })
        .collect()
}

/// `directories` (`$RUNTIME_DIRECTORY`) without the one that vassal's own drop-in asks for; `None` when none is left.
fn without_own(directories: &[u8]) -> Option<Vec<u8>> {
    let is_own = |path: &[u8]| is_runtime_directory(Path::new(OsStr::from_bytes(path)));
    let others: Vec<&[u8]> = directories
        .split(|byte| *byte == b':')
        .filter(|path| !is_own(path))
        .collect();
    (!others.is_empty()).then(|| others.join(&b':'))
}

fn is_of_service(name: &[u8]) -> bool {
    OF_SERVICE.iter().any(|known| known.as_bytes() == name)
}

/// The value of `name`. If the variable occurs several times the last one counts, as in a shell.
pub fn value<'a>(environment: &'a [(Vec<u8>, Vec<u8>)], name: &[u8]) -> Option<&'a [u8]> {
    let mut found = environment.iter().rev().filter(|(known, _)| known == name);
    found.next().map(|(_, value)| value.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_of_the_runtime_directories_that_are_its_own() {
        assert_eq!(without_own(b"/run/vassal-starts/a"), None);
        assert_eq!(
            without_own(b"/run/vassal-starts/a:/run/b:/run/c").as_deref(),
            Some(&b"/run/b:/run/c"[..])
        );
    }
}
