//! Environments: the one that systemd gave this process, and those of hooks and of the app.

use std::env;
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;

/// An environment: names and values as bytes, in order.
pub type Environment = Vec<(Vec<u8>, Vec<u8>)>;

/// The environment of the start, which nothing changes.
pub type Inherited = Rc<[(Vec<u8>, Vec<u8>)]>;

/// The search path of hooks and of uWSGI where the unit sets none (systemd.exec(5)).
pub const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that systemd sets for its direct child, which are not passed on.
const SYSTEMDS: [&[u8]; 14] = [
    b"NOTIFY_SOCKET",
    b"WATCHDOG_PID",
    b"WATCHDOG_USEC",
    b"LISTEN_PID",
    b"LISTEN_FDS",
    b"LISTEN_FDNAMES",
    b"FDSTORE",
    b"MAINPID",
    b"INVOCATION_ID",
    b"JOURNAL_STREAM",
    b"SYSTEMD_EXEC_PID",
    b"CREDENTIALS_DIRECTORY",
    b"MEMORY_PRESSURE_WATCH",
    b"MEMORY_PRESSURE_WRITE",
];

/// This process's environment without systemd's own variables.
pub fn inherited() -> Inherited {
    env::vars_os()
        .map(|(name, value)| (name.into_vec(), value.into_vec()))
        .filter(|(name, _)| !SYSTEMDS.contains(&name.as_slice()))
        .collect()
}

/// The value of `name`; of several the last, which is the one that a shell takes.
pub fn value<'a>(environment: &'a [(Vec<u8>, Vec<u8>)], name: &[u8]) -> Option<&'a [u8]> {
    let mut found = environment.iter().rev().filter(|(known, _)| known == name);
    found.next().map(|(_, value)| value.as_slice())
}
