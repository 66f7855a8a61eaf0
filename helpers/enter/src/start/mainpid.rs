//! The end of the first main process after its clone has taken over. It stays until the clone tells it to end, because
//! its exit takes processor time and memory bandwidth that the clone needs (measured: 0.2 of 3.1 ms until the app's
//! first statement, and 0.5 of 3.6 until its end, if the app ends at once).

use crate::failure::{Failure, ServiceFailure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::os::fd::{AsFd, OwnedFd};
use vassal_sys::error::Context;
use vassal_systemd::notify::{DELIVERY_LIMIT, Notifier};

/// Waits until the `clone` at the other end of `socket` is ready to speak for the vassal, or has ended, and until
/// systemd's queue has the messages of `notifier`: without them systemd does not know the clone, and takes the end of
/// this process for the vassal's. If systemd sends its request to `stop` to this process, because it does not know the
/// clone yet, it is relayed.
///
/// # Errors
/// As poll(2), kill(2); a systemd that does not read.
pub fn wait(socket: &OwnedFd, notifier: &Notifier, stop: &SignalFd, clone: Pid) -> Result<(), Failure> {
    while !notifier.deliver(DELIVERY_LIMIT, Some(stop.as_fd()))? {
        if !relay(stop, clone)? {
            return Err(ServiceFailure::SystemdReadsNothing {
                limit: DELIVERY_LIMIT,
            }
            .into());
        }
    }
    loop {
        let mut fds = [socket.as_fd(), stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context(|| "wait for the clone").map_err(Failure::from),
        }
        let [dismissed, stopped] = fds.map(|fd| fd.any().unwrap_or(false));
        if stopped {
            relay(stop, clone)?;
        }
        if dismissed {
            return Ok(());
        }
    }
}

/// Relays a pending request to stop. Returns whether there was one.
fn relay(stop: &SignalFd, clone: Pid) -> Result<bool, Failure> {
    let is_there = stop.read_signal().context(|| "read signals")?.is_some();
    if is_there {
        kill(clone, Signal::SIGTERM).context(|| "pass the wish to stop on")?;
    }
    Ok(is_there)
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
        let notifier = Notifier::connect(None).unwrap();
        wait(&ours.into(), &notifier, &stop, pid).unwrap();
        assert_eq!(speaker.join().unwrap().signal(), Some(Signal::SIGTERM as i32));
    }
}
