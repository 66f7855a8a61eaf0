//! Signals. The helpers block them and read them from a descriptor; programs that they start get the defaults back.

use crate::error::{Context, SysError};
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

/// Blocks `wanted` and returns a descriptor from which they are read (signalfd(2)), non-blocking and close-on-exec.
///
/// # Errors
/// As signalfd(2).
pub fn take(wanted: &[Signal]) -> Result<SignalFd, SysError> {
    let set: SigSet = wanted.iter().copied().collect();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).context(|| "block signals")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).context(|| "read signals")
}

/// Resets every signal to its default action and unblocks all, as programs expect to be started. (Rust's runtime
/// ignores SIGPIPE, and ignored signals stay ignored over exec.)
///
/// # Errors
/// As sigprocmask(2).
pub fn reset() -> Result<(), SysError> {
    for number in Signal::iterator().filter(|number| !matches!(number, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default action is no handler, so no code of ours can run at an unexpected moment.
        unsafe { signal(number, SigHandler::SigDfl) }.context(|| format!("reset {number}"))?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).context(|| "unblock signals")
}

/// Sends a signal to one thread of a process (tgkill(2)).
///
/// # Errors
/// `ESRCH` when it has ended.
pub fn signal_thread(process: Pid, thread: Pid, signal: Signal) -> nix::Result<()> {
    // SAFETY: three integers. nix has no such call.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, process.as_raw(), thread.as_raw(), signal as i32) };
    Errno::result(result).map(drop)
}
