//! Environments: the one that systemd gave this process, and those of hooks and of the app.

use std::env;
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;
use vassal_systemd::variables::OF_SERVICE;

/// An environment: names and values as bytes, in order.
pub type Environment = Vec<(Vec<u8>, Vec<u8>)>;

/// The environment of the start, which nothing changes.
pub type Inherited = Rc<[(Vec<u8>, Vec<u8>)]>;

/// The search path of hooks and of uWSGI where the unit sets none (systemd.exec(5)).
pub const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// This process's environment without systemd's own variables.
pub fn inherited() -> Inherited {
    env::vars_os()
        .map(|(name, value)| (name.into_vec(), value.into_vec()))
        .filter(|(name, _)| !is_of_service(name))
        .collect()
}

fn is_of_service(name: &[u8]) -> bool {
    OF_SERVICE.iter().any(|known| known.as_bytes() == name)
}

/// The value of `name`; of several the last, which is the one that a shell takes.
pub fn value<'a>(environment: &'a [(Vec<u8>, Vec<u8>)], name: &[u8]) -> Option<&'a [u8]> {
    let mut found = environment.iter().rev().filter(|(known, _)| known == name);
    found.next().map(|(_, value)| value.as_slice())
}
