//! Reloads: asked for through the control pipe ([`vassal_state::reload_channel`]), passed on to the app, and answered when it
//! serves again. Mounts, FUSE daemons and this process stay as they are.

use nix::unistd::{Pid, read, write};
use std::os::fd::{OwnedFd, RawFd};
use std::time::SystemTime;
use vassal_state::reload_channel::{Control, DONE, REFUSED, RELOAD};
use vassal_systemd::journal::{Priority, log};

/// The two pipes, and whether somebody waits for an answer.
#[derive(Debug)]
pub struct Reloads {
    /// Open for `vassal-enter --reload` to find.
    record: OwnedFd,
    request: OwnedFd,
    answer: OwnedFd,
    is_under_way: bool,
    /// The process that gives the order, until it has ended.
    messenger: Option<Pid>,
    /// When it was last asked for, and when that was of the last that was done.
    asked: SystemTime,
    done: Option<SystemTime>,
}

impl Reloads {
    /// The record and the pipes that vassal-enter left.
    pub fn new(record: OwnedFd, request: OwnedFd, answer: OwnedFd) -> Self {
        Self {
            record,
            request,
            answer,
            is_under_way: false,
            messenger: None,
            asked: SystemTime::UNIX_EPOCH,
            done: None,
        }
    }

    /// The addresses of the app's listening sockets.
    pub fn addresses(&self) -> Vec<String> {
        let control = Control::load(&self.record).unwrap_or_default();
        control.sockets.into_iter().map(|(address, _)| address).collect()
    }

    /// Whether the app is being reloaded.
    pub fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// When the last reload that was done was asked for, after the file had been read.
    pub fn done(&self) -> Option<SystemTime> {
        self.done
    }

    /// The numbers that the app's listening sockets have in the app.
    pub fn sockets(&self) -> Vec<RawFd> {
        let control = Control::load(&self.record).unwrap_or_default();
        control.sockets.into_iter().map(|(_, number)| number).collect()
    }

    /// The pipe to wait on.
    pub fn request(&self) -> &OwnedFd {
        &self.request
    }

    /// Whether a reload has been asked for since the last look.
    pub fn is_wanted(&self) -> bool {
        let mut bytes = [0; 16];
        read(&self.request, &mut bytes).is_ok_and(|length| bytes[..length].contains(&RELOAD))
    }

    /// The app has been told, or is told by `messenger`.
    pub fn begin(&mut self, messenger: Option<Pid>) {
        self.is_under_way = true;
        self.asked = SystemTime::now();
        self.messenger = messenger;
    }

    /// Whether the app is still being told.
    pub fn has_messenger(&self) -> bool {
        self.messenger.is_some()
    }

    /// The process `pid` has ended with `code`: whether it was the messenger. Where nobody has heard that, the reload is over.
    pub fn take_messenger(&mut self, pid: Pid, code: Option<i32>) -> bool {
        if self.messenger != Some(pid) {
            return false;
        }
        self.messenger = None;
        if code != Some(0) && std::mem::take(&mut self.is_under_way) {
            self.refuse();
        }
        true
    }

    /// The app serves again: who has asked is told; whether somebody had.
    pub fn finish(&mut self) -> bool {
        let was_under_way = std::mem::take(&mut self.is_under_way);
        if was_under_way {
            self.done = Some(self.asked);
            self.say(DONE);
        }
        was_under_way
    }

    /// There is nothing to reload.
    pub fn refuse(&self) {
        self.say(REFUSED);
    }

    fn say(&self, answer: u8) {
        // A pipe full of answers that nobody has read is all that can be in the way.
        if let Err(errno) = write(&self.answer, &[answer]) {
            let why = errno.desc();
            log(
                Priority::Warning,
                &format!("cannot answer who has asked for a reload: {why}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use vassal_state::reload_channel::endless_pipe;

    #[test]
    fn an_answer_is_given_once_and_only_when_asked() {
        let proc: OwnedFd = File::open("/proc").unwrap().into();
        let pipe = || endless_pipe(&proc).unwrap();
        let mut reloads = Reloads::new(pipe(), pipe(), pipe());
        assert!(!reloads.is_wanted() && !reloads.finish());
        write(&reloads.request, &[RELOAD]).unwrap();
        assert!(reloads.is_wanted() && !reloads.is_wanted());
        reloads.begin(None);
        assert!(reloads.finish() && !reloads.finish());
        reloads.refuse();
        let mut answers = [0; 8];
        assert_eq!(read(&reloads.answer, &mut answers), Ok(2));
        assert_eq!(answers[..2], [DONE, REFUSED]);
    }

    #[test]
    fn an_order_that_nobody_hears_is_refused_at_once() {
        let proc: OwnedFd = File::open("/proc").unwrap().into();
        let pipe = || endless_pipe(&proc).unwrap();
        let mut reloads = Reloads::new(pipe(), pipe(), pipe());
        let (messenger, other) = (Pid::from_raw(7), Pid::from_raw(8));
        reloads.begin(Some(messenger));
        assert!(!reloads.take_messenger(other, Some(1)));
        assert!(reloads.take_messenger(messenger, Some(0)) && !reloads.take_messenger(messenger, Some(0)));
        assert!(reloads.finish());
        reloads.begin(Some(messenger));
        assert!(reloads.take_messenger(messenger, None) && !reloads.finish());
        let mut answers = [0; 8];
        assert_eq!(read(&reloads.answer, &mut answers), Ok(2));
        assert_eq!(answers[..2], [DONE, REFUSED]);
    }
}
