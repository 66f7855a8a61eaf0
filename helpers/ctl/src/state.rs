//! How far a vassal is, whether it is well, and what else there is to know of it, in words.

/// How far a vassal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum State {
    /// A mountpoint is lost, and systemd is about to restart it.
    Lost,
    /// It has failed, and nothing tries it again before its file is mended.
    Failed,
    /// It has failed, and waits for its next attempt.
    Waiting,
    /// It starts.
    Starting,
    /// It reloads, and serves.
    Reloading,
    /// It is being stopped.
    Stopping,
    /// It serves.
    Serving,
    /// It does not run, and its first connection starts it.
    OnDemand,
    /// It has been taken out for maintenance.
    Maintenance,
    /// Its unit is masked.
    Masked,
    /// It does not run.
    Stopped,
}

impl State {
    /// Every state, with its word.
    pub const WORDS: [(State, &'static str); 11] = [
        (State::Lost, "lost"),
        (State::Failed, "failed"),
        (State::Waiting, "waiting"),
        (State::Starting, "starting"),
        (State::Reloading, "reloading"),
        (State::Stopping, "stopping"),
        (State::Serving, "serving"),
        (State::OnDemand, "on-demand"),
        (State::Maintenance, "maintenance"),
        (State::Masked, "masked"),
        (State::Stopped, "stopped"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        let mut words = Self::WORDS.iter();
        words
            .find(|(state, _)| *state == self)
            .map_or("", |(_, word)| word)
    }

    /// The state of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        let mut words = Self::WORDS.iter();
        words.find(|(_, known)| *known == word).map(|(state, _)| *state)
    }

    /// Whether a process of it runs.
    pub fn runs(self) -> bool {
        matches!(
            self,
            State::Lost | State::Starting | State::Reloading | State::Stopping | State::Serving
        )
    }

    /// Whether it is not meant to run now.
    pub fn is_off(self) -> bool {
        matches!(
            self,
            State::OnDemand | State::Maintenance | State::Masked | State::Stopped
        )
    }

    /// Whether somebody should look at it.
    pub fn is_bad(self) -> bool {
        matches!(self, State::Lost | State::Failed | State::Waiting)
    }
}

/// Whether a vassal is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It serves, and each mountpoint has answered.
    Healthy,
    /// It does not serve, and should.
    Unhealthy,
    /// It is on its way, or has no record.
    Unknown,
    /// It is not meant to serve.
    Off,
}

impl Health {
    /// The health of a vassal in that `state`, whose record is kept or not.
    pub fn of(state: State, has_record: bool) -> Self {
        match state {
            State::Lost | State::Failed | State::Waiting => Health::Unhealthy,
            State::Serving | State::Reloading if has_record => Health::Healthy,
            State::Serving | State::Reloading | State::Starting | State::Stopping => Health::Unknown,
            State::OnDemand | State::Maintenance | State::Masked | State::Stopped => Health::Off,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
            Health::Unknown => "unknown",
            Health::Off => "off",
        }
    }
}

/// What an administrator should know of a vassal besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Its file was changed after it was last read.
    Changed,
    /// Its file is gone.
    Orphan,
    /// systemd has not been told of its file yet.
    New,
    /// It is marked for maintenance.
    Maintenance,
    /// Its unit is masked.
    Masked,
    /// It is not started at boot.
    Disabled,
    /// Somebody has stopped it.
    Stopped,
    /// It runs under an older watchdog than the installed one.
    OldBinary,
    /// It waits for its next attempt.
    Waiting,
    /// It runs, and its health record is not its own or not there.
    NoRecord,
}

impl Mark {
    /// Every mark, with its word.
    pub const WORDS: [(Mark, &'static str); 10] = [
        (Mark::Changed, "changed"),
        (Mark::Orphan, "orphan"),
        (Mark::New, "new"),
        (Mark::Maintenance, "maintenance"),
        (Mark::Masked, "masked"),
        (Mark::Disabled, "disabled"),
        (Mark::Stopped, "stopped"),
        (Mark::OldBinary, "old-binary"),
        (Mark::Waiting, "waiting"),
        (Mark::NoRecord, "no-record"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        let mut words = Self::WORDS.iter();
        words.find(|(mark, _)| *mark == self).map_or("", |(_, word)| word)
    }
}
