//! Children that have ended, and what each end means for the vassal.

use super::run::CONNECT_AGAIN;
use super::state::{Meaning, Vassal};
use crate::mountpoints::mountpoint::{Answer, Mountpoint};
use crate::processes::probe::Attempt;
use crate::processes::reaper::{Child, Ended};
use nix::unistd::Pid;
use std::time::Instant;
use vassal_sys::SysError;
use vassal_systemd::journal::{Priority, log};

impl Vassal {
    /// Reaps, and finds out what each end means; a child of nobody's, or one that did not even end, may have been a
    /// FUSE daemon: every mountpoint is asked at once, and only then anything is said.
    pub(super) fn children(&mut self) -> Result<Option<u8>, SysError> {
        let (ended, daemons) = self.reap();
        let has_ended = !ended.is_empty();
        let mut strangers = Vec::new();
        let mut meaning = ended
            .into_iter()
            .find_map(|child| self.meaning(child, &mut strangers));
        if meaning.is_none() && (!has_ended || !strangers.is_empty()) {
            self.mountpoints.iter_mut().for_each(Mountpoint::ask_now);
            meaning = self.ask()?.map(Meaning::Lost);
        }
        for Child { pid, how, name } in strangers {
            // Perhaps a FUSE daemon that no mountpoint-check names.
            if let Some(name) = name {
                let loss = self.loss_of(daemons.contains(&pid));
                let what = format!("{name} (process {pid}) {how}{loss}");
                match loss.is_empty() {
                    true => self.unknown_exits.report(what, self.awake),
                    false => log(Priority::Warning, &what),
                }
            }
        }
        match meaning {
            None => Ok(None),
            Some(Meaning::AppEnded(how)) => Ok(Some(self.app_ended(how))),
            Some(Meaning::Lost((index, verdict))) => self.lost(index, verdict).map(Some),
        }
    }

    /// What it means for the vassal that `child` has ended, if anything; one that nobody knows goes to `strangers`.
    fn meaning(&mut self, child: Child, strangers: &mut Vec<Child>) -> Option<Meaning> {
        let Child { pid, how, .. } = child;
        if pid.as_raw() == self.handoff.payload {
            return Some(Meaning::AppEnded(how));
        }
        if self.connecting.is_by(pid) {
            self.accepting |= how.code() == Some(0);
            self.connecting = Attempt::Due(Instant::now() + CONNECT_AGAIN);
            return None;
        }
        if self
            .reloads
            .as_mut()
            .is_some_and(|reloads| reloads.take_messenger(pid, how.code()))
        {
            if how.code() != Some(0) {
                self.turnover = None;
                // The status line says that it reloads.
                self.keep_alive_due = self.awake;
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
            None => strangers.push(child),
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
