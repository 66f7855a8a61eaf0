//! Decides when the health record is written, and with which content.

use super::state::{Stage, Vassal};
use crate::app::reload::Reloads;
use crate::health::{Now, Recorder};
use crate::mountpoints::verdict::Verdict;
use crate::report::Reporter;
use vassal_state::health::State;
use vassal_state::limit_hits::LimitHits;

impl Vassal {
    /// Updates the record of a running vassal when this process is awake anyway.
    pub(super) fn keep_record(&mut self) {
        let is_reloading = self.reloads.as_ref().is_some_and(Reloads::is_under_way);
        let is_reloading = is_reloading || self.overlap.next().is_some();
        self.record_is(match self.stage {
            Stage::Starting => State::Starting,
            Stage::Serving { .. } if is_reloading => State::Reloading,
            Stage::Serving { .. } => State::Serving,
        });
    }

    /// Writes the given state.
    pub(super) fn record_is(&mut self, state: State) {
        self.with_record(state, |health, now, reporter| {
            health.follow(now, || reporter.remembered())
        });
    }

    /// Writes that the mountpoint `index` is lost.
    pub(super) fn record_lost(&mut self, index: usize, verdict: Verdict) {
        self.with_record(State::Lost, |health, now, reporter| {
            health.lost(now, &reporter.remembered(), index, verdict)
        });
    }

    fn with_record(
        &mut self,
        state: State,
        act: impl FnOnce(&mut Recorder, Now<'_>, &Reporter) -> Option<LimitHits>,
    ) {
        let now = Now {
            state,
            app: &self.app,
            mountpoints: &self.mountpoints,
            daemons: self.freezer.daemons(),
            reloaded: self.reloads.as_ref().and_then(Reloads::done),
            host_proc: &self.host_proc,
        };
        // The next run's record goes on with them.
        if let Some(limits) = act(&mut self.health, now, &self.reporter) {
            self.reporter.limits_met(limits);
        }
    }
}
