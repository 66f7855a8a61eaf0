//! Reaps children, and decides what each end means for the vassal.

use super::state::{Flow, Meaning, Vassal};
use crate::mountpoints::mountpoint::{Answer, Mountpoint};
use crate::processes::reaper::{Child, Ended};
use nix::unistd::Pid;
use std::ops::ControlFlow::{Break, Continue};
use std::time::Instant;
use vassal_sys::SysError;
use vassal_systemd::journal::{Priority, log};

impl Vassal {
    /// Reaps children and evaluates their ends. An unknown child that has ended, or one that was only stopped, may be a
    /// FUSE daemon. So all mountpoints are asked at once, and the end is reported only after that.
    pub(super) fn children(&mut self) -> Result<Flow, SysError> {
        let (ended, daemons) = self.reap();
        let has_ended = !ended.is_empty();
        let mut unknown = Vec::new();
        let mut meaning = ended
            .into_iter()
            .find_map(|child| self.meaning(child, &mut unknown));
        if meaning.is_none() && (!has_ended || !unknown.is_empty()) {
            self.mountpoints.iter_mut().for_each(Mountpoint::ask_now);
            meaning = self.ask()?.map(Meaning::Lost);
        }
        for child in unknown {
            let was_daemon = daemons.contains(&child.pid);
            self.report_unknown(child, was_daemon);
        }
        match meaning {
            None => Ok(Continue(())),
            Some(Meaning::AppEnded(how)) => Ok(Break(self.app_ended(how))),
            Some(Meaning::Lost((index, verdict))) => self.lost(index, verdict).map(Break),
        }
    }

    /// Reports the end of a process that a signal has killed. It may have been a FUSE daemon that no mountpoint-check
    /// names.
    fn report_unknown(&mut self, child: Child, was_daemon: bool) {
        let Child { pid, how, name } = child;
        let Some(name) = name else { return };
        let loss = self.loss_of(was_daemon);
        let what = format!("{name} (process {pid}) {how}{loss}");
        match loss.is_empty() {
            true => self.unknown_exits.report(what, self.awake),
            false => log(Priority::Warning, &what),
        }
    }

    /// What the end of `child` means for the vassal, if anything. An unknown child is added to `unknown`.
    fn meaning(&mut self, child: Child, unknown: &mut Vec<Child>) -> Option<Meaning> {
        let Child { pid, how, .. } = child;
        if pid == self.app.pid() {
            return Some(Meaning::AppEnded(how));
        }
        if self.readying.take_answer(pid, how.code())
            || self.take_of_overlap(&child)
            || self.freezer.take_copier(pid)
        {
            return None;
        }
        let check = self.app.check.as_mut();
        if check.is_some_and(|check| check.take_answer(pid, Instant::now())) {
            return None;
        }
        let reloads = self.reloads.as_mut();
        if let Some(before) = reloads.and_then(|reloads| reloads.take_messenger(pid, how.code())) {
            if how.code() != Some(0) {
                self.turnover = None;
                // Sends the status line, which says that uWSGI reloads.
                self.keep_alive_due = self.awake;
            }
            if let (Some(before), Some(uwsgi)) = (before, &mut self.app.uwsgi) {
                uwsgi.exchange(before);
            }
            return None;
        }
        if self.monitor.is_investigator(pid) {
            let attribution = self.monitor.take_investigation(how.code(), self.awake);
            let operation = self.monitor.operation();
            let loss = self.judge_attribution(attribution);
            if let Some((index, _)) = loss {
                self.mountpoints[index].operation = operation;
            }
            return loss.map(Meaning::Lost);
        }
        let mut mountpoints = self.mountpoints.iter_mut();
        if mountpoints.any(|mountpoint| mountpoint.take_witness(pid, how.code(), self.awake)) {
            return None;
        }
        match self.whose(pid, how) {
            Some((index, Answer::Bad(verdict))) => return Some(Meaning::Lost((index, verdict))),
            Some((index, Answer::Elsewhere(sent, verdict))) => {
                return self.judge_elsewhere(index, sent, verdict).map(Meaning::Lost);
            }
            Some((_, Answer::Good | Answer::NotMine)) => {}
            None => unknown.push(child),
        }
        None
    }

    fn whose(&mut self, pid: Pid, how: Ended) -> Option<(usize, Answer)> {
        self.mountpoints
            .iter_mut()
            .enumerate()
            .find_map(
                |(index, mountpoint)| match mountpoint.take_answer(pid, how.code()) {
                    Answer::NotMine => None,
                    answer => Some((index, answer)),
                },
            )
    }
}
