//! Reloads. They are requested through the socket of [`vassal_state::request`], done in place by the app or by a next
//! app beside it, and answered when the vassal serves again. Mounts, FUSE daemons and the watchdog are not affected.

use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;
use vassal_state::reload_channel::Control;
use vassal_state::request::{Answer, Request};
use vassal_sys::SysError;

/// A reload in place that is under way.
#[derive(Debug)]
struct InPlace {
    answers: OwnedFd,
    /// The previous configuration, which is restored if the app does not take the new one.
    before: Option<File>,
}

/// The socket for requests and the state of reloads.
#[derive(Debug)]
pub struct Reloads {
    /// The record; it is open so that `vassal-enter --reload` can find it.
    record: OwnedFd,
    requests: OwnedFd,
    /// The other end of the socket; it is open so that `vassal-enter --reload` can copy it.
    _requester: OwnedFd,
    in_place: Option<InPlace>,
    /// The process that gives the app the order, until it has ended.
    messenger: Option<Pid>,
    /// When the last reload was requested, and when the last completed one was.
    asked: SystemTime,
    done: Option<SystemTime>,
}

impl Reloads {
    /// Takes over the record and the socket from vassal-enter.
    pub fn new(record: OwnedFd, requests: OwnedFd, requester: OwnedFd) -> Self {
        Self {
            record,
            requests,
            _requester: requester,
            in_place: None,
            messenger: None,
            asked: SystemTime::UNIX_EPOCH,
            done: None,
        }
    }

    /// The socket to wait for.
    pub fn requests(&self) -> &OwnedFd {
        &self.requests
    }

    /// The addresses of the app's listening sockets.
    pub fn addresses(&self) -> Vec<String> {
        let control = Control::of(&self.record).unwrap_or_default();
        control.sockets.into_iter().map(|kept| kept.address).collect()
    }

    /// When the last completed reload was requested (after it had read the file).
    pub fn done(&self) -> Option<SystemTime> {
        self.done
    }

    /// A reload that was requested at `asked` is complete.
    pub fn is_done(&mut self, asked: SystemTime) {
        self.done = Some(asked);
    }

    /// Reads the next request, without waiting.
    pub fn next(&self) -> Option<(Request, OwnedFd)> {
        Request::receive(&self.requests)
    }

    /// Replaces the content of the record, for the next reload.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn replace_record(&self, record: &OwnedFd) -> Result<(), SysError> {
        Control::replace(&self.record, record)
    }

    /// Begins a reload in place: `messenger` gives the app the order, the requester is answered at `answers`.
    pub fn begin(&mut self, messenger: Pid, answers: OwnedFd, before: Option<File>) {
        self.messenger = Some(messenger);
        self.asked = SystemTime::now();
        self.in_place = Some(InPlace { answers, before });
    }

    /// Whether the messenger is still running.
    pub fn has_messenger(&self) -> bool {
        self.messenger.is_some()
    }

    /// Whether a reload in place is under way.
    pub fn is_under_way(&self) -> bool {
        self.in_place.is_some()
    }

    /// Takes the exit code of the process `pid`. `None` if it is not the messenger. Otherwise, if the app has not got
    /// the order, the previous configuration to be restored.
    pub fn take_messenger(&mut self, pid: Pid, code: Option<i32>) -> Option<Option<File>> {
        if self.messenger != Some(pid) {
            return None;
        }
        self.messenger = None;
        let refused = self.in_place.take_if(|_| code != Some(0));
        let before = refused.and_then(|refused| {
            let reason = "the app has closed its Emperor's socket, and cannot be told (systemctl restart)";
            Answer::Refused(reason.into()).send(refused.answers.as_fd());
            refused.before
        });
        Some(before)
    }

    /// The app serves again: answers the requester. Returns whether a reload was requested.
    pub fn finish(&mut self) -> bool {
        let done = self.in_place.take();
        done.iter()
            .for_each(|done| Answer::Done.send(done.answers.as_fd()));
        if done.is_some() {
            self.done = Some(self.asked);
        }
        done.is_some()
    }
}

/// The listening sockets that were bound for the app and that outlive it.
#[derive(Debug, Default)]
pub struct Sockets {
    /// The watchdog's own descriptors.
    pub fds: Vec<OwnedFd>,
    /// Their names in proc, the same in every process.
    pub names: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use vassal_state::request::pair;

    fn reloads() -> (Reloads, OwnedFd) {
        let (requests, requester) = pair().unwrap();
        let copy = requester.try_clone().unwrap();
        let record = Control::default().store().unwrap();
        (Reloads::new(record, requests, requester), copy)
    }

    #[test]
    fn an_answer_is_given_once_and_only_when_asked() {
        let (mut reloads, requester) = reloads();
        assert!(reloads.next().is_none() && !reloads.finish());
        let (answers, answered) = pair().unwrap();
        let request = Request::InPlace { pushed: None };
        request.send(&requester, &answered).unwrap();
        drop(answered);
        let (_, answered) = reloads.next().unwrap();
        assert!(reloads.next().is_none());
        reloads.begin(Pid::from_raw(7), answered, None);
        assert!(reloads.finish() && !reloads.finish());
        assert_eq!(Answer::receive(&answers).unwrap(), Some(Answer::Done));
        assert_eq!(Answer::receive(&answers).unwrap(), None);
    }

    #[test]
    fn an_order_that_nobody_hears_is_refused_at_once() {
        let (mut reloads, _requester) = reloads();
        let (messenger, other) = (Pid::from_raw(7), Pid::from_raw(8));
        let (answers, answered) = pair().unwrap();
        reloads.begin(messenger, answered.try_clone().unwrap(), None);
        assert!(reloads.take_messenger(other, Some(1)).is_none());
        assert!(reloads.take_messenger(messenger, Some(0)).is_some());
        assert!(reloads.take_messenger(messenger, Some(0)).is_none());
        assert!(reloads.finish());
        reloads.begin(messenger, answered, None);
        assert!(reloads.take_messenger(messenger, None).is_some() && !reloads.finish());
        assert_eq!(Answer::receive(&answers).unwrap(), Some(Answer::Done));
        assert!(matches!(
            Answer::receive(&answers).unwrap(),
            Some(Answer::Refused(_))
        ));
    }
}
