//! Reloads: asked for through the control pipe ([`vassal_sys::control`]), passed on to the app, and answered when it
//! serves again. Mounts, FUSE daemons and this process stay as they are.

use nix::unistd::{read, write};
use std::os::fd::{OwnedFd, RawFd};
use vassal_sys::control::{Control, DONE, REFUSED, RELOAD};
use vassal_sys::journal::{Priority, line};

/// The two pipes, and whether somebody waits for an answer.
#[derive(Debug)]
pub struct Reloads {
    /// Open for `vassal-enter --reload` to find.
    record: OwnedFd,
    request: OwnedFd,
    answer: OwnedFd,
    is_under_way: bool,
}

impl Reloads {
    /// The record and the pipes that vassal-enter left.
    pub fn new(record: OwnedFd, request: OwnedFd, answer: OwnedFd) -> Self {
        Self {
            record,
            request,
            answer,
            is_under_way: false,
        }
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

    /// The app has been told.
    pub fn begin(&mut self) {
        self.is_under_way = true;
    }

    /// The app serves again: who has asked is told; whether somebody had.
    pub fn finish(&mut self) -> bool {
        let was_under_way = std::mem::take(&mut self.is_under_way);
        if was_under_way {
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
            line(
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
    use vassal_sys::control::endless_pipe;

    #[test]
    fn an_answer_is_given_once_and_only_when_asked() {
        let proc: OwnedFd = File::open("/proc").unwrap().into();
        let pipe = || endless_pipe(&proc).unwrap();
        let mut reloads = Reloads::new(pipe(), pipe(), pipe());
        assert!(!reloads.is_wanted() && !reloads.finish());
        write(&reloads.request, &[RELOAD]).unwrap();
        assert!(reloads.is_wanted() && !reloads.is_wanted());
        reloads.begin();
        assert!(reloads.finish() && !reloads.finish());
        reloads.refuse();
        let mut answers = [0; 8];
        assert_eq!(read(&reloads.answer, &mut answers), Ok(2));
        assert_eq!(answers[..2], [DONE, REFUSED]);
    }
}
