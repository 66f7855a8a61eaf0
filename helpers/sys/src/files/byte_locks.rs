//! Locks on single bytes of a file (fcntl(2), "Open file description locks"). Such a lock belongs to the open file and
//! not to the process: it persists over fork and exec, and is released when the last descriptor of the open file is
//! closed, for whatever reason. The byte does not have to exist, so a FIFO can be locked, too.
//!
//! Of several processes that wait for one byte the kernel wakes one at a time, unless one of them gives up: then all
//! that came after it wake and queue again (`__locks_insert_block` in fs/locks.c). So waits with a time limit for the
//! same byte take quadratic time.

use crate::error::{Context, SysError};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsFd;
use std::time::Duration;

/// How often the wait is interrupted after its limit. Once is not enough: the first signal may arrive before the wait
/// has begun.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(50);

/// Locks `byte` if it is free. Returns whether it is locked now.
///
/// # Errors
/// As fcntl(2).
pub fn try_lock(file: &File, byte: u64) -> Result<bool, SysError> {
    match set(file, libc::F_WRLCK, byte) {
        Ok(()) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(SysError::new(step(), errno)),
    }
}

/// Unlocks `byte`.
///
/// # Errors
/// As fcntl(2).
pub fn unlock(file: &File, byte: u64) -> Result<(), SysError> {
    set(file, libc::F_UNLCK, byte).context(step)
}

/// Unlocks all bytes that this open file has locked, through any of its descriptors.
///
/// # Errors
/// As fcntl(2).
pub fn unlock_all(file: &File) -> Result<(), SysError> {
    // A length of zero means up to the end.
    let all = libc::flock {
        l_len: 0,
        ..lock_of(libc::F_UNLCK, 0)
    };
    fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&all))
        .map(drop)
        .context(step)
}

/// Whether another open file has locked one of `bytes`.
///
/// # Errors
/// As fcntl(2).
pub fn is_any_locked(file: &File, bytes: Range<u64>) -> Result<bool, SysError> {
    Ok(one_locked(file, &bytes)?.is_some())
}

/// Returns those of `bytes` that other open files have locked, in order.
///
/// # Errors
/// As fcntl(2).
pub fn locked(file: &File, bytes: Range<u64>) -> Result<Vec<u64>, SysError> {
    let (mut found, mut left) = (Vec::new(), vec![bytes]);
    while let Some(range) = left.pop() {
        if let Some(byte) = one_locked(file, &range)? {
            found.push(byte);
            left.extend([range.start..byte, byte + 1..range.end]);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Returns one of `bytes` that another open file has locked. It need not be the first: the kernel looks at the locks in
/// the order in which they were acquired.
fn one_locked(file: &File, bytes: &Range<u64>) -> Result<Option<u64>, SysError> {
    let mut lock = lock_of(libc::F_WRLCK, bytes.start);
    lock.l_len = bytes.end.saturating_sub(bytes.start) as i64;
    if lock.l_len == 0 {
        return Ok(None);
    }
    fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut lock)).context(step)?;
    let is_free = lock.l_type == libc::F_UNLCK as libc::c_short;
    Ok((!is_free).then(|| (lock.l_start as u64).max(bytes.start)))
}

/// Waits for `byte` for at most `limit`, and locks it. Returns whether it is locked now. A signal that ends the process
/// also ends the wait. `SIGALRM` is used for the limit, and is reset to its default action afterwards.
///
/// # Errors
/// As fcntl(2), sigaction(2), timer_create(2).
pub fn lock_within(file: &File, byte: u64, limit: Duration) -> Result<bool, SysError> {
    handle_alarm(SigHandler::Handler(interrupt))?;
    let result = alarm(limit).map(|_alarm| {
        let lock = lock_of(libc::F_WRLCK, byte);
        fcntl(file.as_fd(), FcntlArg::F_OFD_SETLKW(&lock))
    });
    handle_alarm(SigHandler::SigDfl)?;
    match result? {
        Ok(_) => Ok(true),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(SysError::new(step(), errno)),
    }
}

/// The signal handler. Its only effect is that the system call in progress is interrupted.
extern "C" fn interrupt(_: libc::c_int) {}

fn handle_alarm(handler: SigHandler) -> Result<(), SysError> {
    // Without SA_RESTART.
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, which it may at any moment.
    unsafe { sigaction(Signal::SIGALRM, &action) }
        .map(drop)
        .context(|| "handle SIGALRM")
}

/// Interrupts this process, which has one thread, after `limit` and repeatedly from then on, until the timer is
/// dropped.
fn alarm(limit: Duration) -> Result<Timer, SysError> {
    let notify = SigevNotify::SigevSignal {
        signal: Signal::SIGALRM,
        si_value: 0,
    };
    let step = || "set a timer";
    let mut timer = Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(notify)).context(step)?;
    // timer_settime(2) takes zero as an order to stop the timer.
    let limit = limit.max(Duration::from_millis(1));
    let times = Expiration::IntervalDelayed(limit.into(), INTERRUPT_AGAIN.into());
    timer.set(times, TimerSetTimeFlags::empty()).context(step)?;
    Ok(timer)
}

fn set(file: &File, kind: libc::c_int, byte: u64) -> nix::Result<()> {
    fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&lock_of(kind, byte))).map(drop)
}

fn lock_of(kind: libc::c_int, byte: u64) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte as i64,
        l_len: 1,
        // Must be 0 for open file description locks.
        l_pid: 0,
    }
}

fn step() -> &'static str {
    "lock a byte of a file"
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};
    use std::os::fd::AsRawFd;
    use std::time::Instant;

    fn opened_twice(name: &str) -> [File; 2] {
        let path = std::env::temp_dir().join(format!("vassal-{name}-{}", std::process::id()));
        let open = || {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            options.open(&path).unwrap()
        };
        let files = [open(), open()];
        std::fs::remove_file(&path).unwrap();
        files
    }

    #[test]
    fn a_byte_belongs_to_one_open_file_until_its_last_descriptor_is_closed() {
        let [one, other] = opened_twice("locks");
        assert!(try_lock(&one, 3).unwrap());
        assert!(!try_lock(&other, 3).unwrap());
        assert!(is_any_locked(&other, 0..8).unwrap());
        assert!(!is_any_locked(&other, 4..8).unwrap());
        assert!(!is_any_locked(&other, 3..3).unwrap());
        unlock(&one, 3).unwrap();
        assert!(try_lock(&one, 3).unwrap() && try_lock(&one, 4).unwrap());
        let copy = one.try_clone().unwrap();
        drop(one);
        assert!(!try_lock(&other, 3).unwrap());
        unlock_all(&copy).unwrap();
        assert!(!is_any_locked(&other, 0..8).unwrap());
        assert!(try_lock(&copy, 3).unwrap());
        drop(copy);
        assert!(try_lock(&other, 3).unwrap());
    }

    #[test]
    fn all_locked_bytes_are_found_whoever_locked_first() {
        let [one, other] = opened_twice("all-locks");
        let looks = opened_twice("all-locks-none").map(|file| locked(&file, 0..9).unwrap());
        assert_eq!(looks, [vec![], vec![]]);
        let path = format!("/proc/self/fd/{}", other.as_fd().as_raw_fd());
        let third = File::options().read(true).write(true).open(path).unwrap();
        for (file, byte) in [(&one, 7), (&other, 2), (&one, 5), (&other, 1 << 40)] {
            assert!(try_lock(file, byte).unwrap());
        }
        assert_eq!(locked(&third, 0..1 << 41).unwrap(), [2, 5, 7, 1 << 40]);
        assert_eq!(locked(&third, 3..7).unwrap(), [5]);
    }

    /// Waits in a process of its own, which has one thread; whether the byte is locked then.
    fn waits_and_locks(file: &File, limit: Duration) -> bool {
        // SAFETY: the child calls the kernel only, and ends without running anything of its parent's.
        match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => waitpid(child, None).unwrap() == WaitStatus::Exited(child, 1),
            ForkResult::Child => {
                let locked = lock_within(file, 0, limit);
                // SAFETY: as above.
                unsafe { libc::_exit(locked.map_or(2, i32::from)) }
            }
        }
    }

    #[test]
    fn a_wait_ends_at_its_limit_or_when_the_byte_is_free() {
        let [one, other] = opened_twice("waits");
        assert!(try_lock(&one, 0).unwrap());
        let begun = Instant::now();
        assert!(!waits_and_locks(&other, Duration::from_millis(30)));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        assert!(!waits_and_locks(&other, Duration::ZERO));
        let holder = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            // The process that waits has a copy of the descriptor.
            unlock_all(&one).unwrap();
        });
        assert!(waits_and_locks(&other, Duration::from_secs(60)));
        holder.join().unwrap();
    }
}
