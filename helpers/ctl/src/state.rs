//! The states, the health and the marks of vassals, with their words.

/// The state of a vassal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum State {
    /// A mountpoint or the app is lost, and systemd is about to restart the vassal.
    Lost,
    /// It has failed, and will not be tried again before its file is mended.
    Failed,
    /// It has failed, and waits for its next attempt.
    Waiting,
    /// It is starting.
    Starting,
    /// It is serving, and a reload is under way.
    Reloading,
    /// It is being stopped.
    Stopping,
    /// It serves.
    Serving,
    /// It does not run; its first connection starts it.
    OnDemand,
    /// It has been taken out for maintenance.
    Maintenance,
    /// Its unit is masked.
    Masked,
    /// It does not run.
    Stopped,
}

impl State {
    /// All states with their words.
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

    /// The state's word.
    pub fn word(self) -> &'static str {
        let mut words = Self::WORDS.iter();
        words
            .find(|(state, _)| *state == self)
            .map_or("", |(_, word)| word)
    }

    /// The state with this word.
    pub fn of_word(word: &str) -> Option<Self> {
        let mut words = Self::WORDS.iter();
        words.find(|(_, known)| *known == word).map(|(state, _)| *state)
    }

    /// Whether any of its processes run.
    pub fn runs(self) -> bool {
        matches!(
            self,
            State::Lost | State::Starting | State::Reloading | State::Stopping | State::Serving
        )
    }

    /// Whether it is not meant to run at present.
    pub fn is_off(self) -> bool {
        matches!(
            self,
            State::OnDemand | State::Maintenance | State::Masked | State::Stopped
        )
    }

    /// Whether an administrator should look at it.
    pub fn is_bad(self) -> bool {
        matches!(self, State::Lost | State::Failed | State::Waiting)
    }
}

/// Whether a vassal is well, as monitoring systems ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It serves, and each mountpoint has answered.
    Healthy,
    /// It should serve, and does not.
    Unhealthy,
    /// It is starting or stopping, or has no record.
    Unknown,
    /// It is not meant to serve.
    Off,
}

impl Health {
    /// The health of a vassal in `state`; `has_record` says whether its record is maintained.
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

/// A fact about a vassal that an administrator should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Its file was changed after it was last read.
    Changed,
    /// Its file is gone.
    Orphan,
    /// systemd does not know its file yet.
    New,
    /// It is marked for maintenance.
    Maintenance,
    /// Its unit is masked.
    Masked,
    /// It is not started at boot.
    Disabled,
    /// It was stopped by hand.
    Stopped,
    /// It runs under an older watchdog than the installed one.
    OldBinary,
    /// It waits for its next attempt.
    Waiting,
    /// It runs, but its health record is missing or another run's.
    NoRecord,
}

impl Mark {
    /// All marks with their words.
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

    /// The mark's word.
    pub fn word(self) -> &'static str {
        let mut words = Self::WORDS.iter();
        words.find(|(mark, _)| *mark == self).map_or("", |(_, word)| word)
    }
}
