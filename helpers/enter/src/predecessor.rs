//! The end of the first main process, when its clone has taken over. It stays until the clone dismisses it: an end is
//! work, done on the processor and the memory that the clone needs (measured: 0.2 of 3.1 ms to the app's first statement,
//! and 0.5 of 3.6 to its end, when the app ends at once).

use crate::failure::Failure;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::os::fd::{AsFd, OwnedFd};
use vassal_sys::error::Step;

/// Waits until the `clone` at the other end of `socket` speaks for the vassal, or has ended. A wish to `stop` that systemd
/// has told this process, because it did not know of the clone yet, is passed on.
///
/// # Errors
/// As poll(2), kill(2).
pub fn wait(socket: &OwnedFd, stop: &SignalFd, clone: Pid) -> Result<(), Failure> {
    loop {
        let mut fds = [socket.as_fd(), stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).step(|| "wait for the clone").map_err(Failure::from),
        }
        let [dismissed, stopped] = fds.map(|fd| fd.any().unwrap_or(false));
        if stopped && stop.read_signal().step(|| "read signals")?.is_some() {
            kill(clone, Signal::SIGTERM).step(|| "pass the wish to stop on")?;
        }
        if dismissed {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use vassal_sys::signals;

    #[test]
    fn it_stays_until_it_is_dismissed_and_passes_a_wish_to_stop_on() {
        let mut clone = Command::new("sleep").arg("60").spawn().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        // The sleeping process would inherit that it is blocked.
        let stop = signals::take(&[Signal::SIGTERM]).unwrap();
        let pid = Pid::from_raw(clone.id() as i32);
        raise(Signal::SIGTERM).unwrap();
        let speaker = std::thread::spawn(move || {
            let ended = clone.wait().unwrap();
            drop(theirs);
            ended
        });
        wait(&ours.into(), &stop, pid).unwrap();
        assert_eq!(speaker.join().unwrap().signal(), Some(Signal::SIGTERM as i32));
    }
}
