//! What becomes of an option: which of the programs of vassal takes it, or the uWSGI that they start. The rows are in
//! [`crate::options::table`].

/// What becomes of an option of a vassal's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// vassal-enter does it; uWSGI does not see it.
    Enter,
    /// vassal-enter does its part of it, and uWSGI sees it too.
    EnterAndUwsgi,
    /// vassal-watchdog does it; uWSGI does not see it.
    Watchdog,
    /// vassal-generator makes a directive of the unit of it; uWSGI does not see it.
    Unit,
    /// It counts in the emperor's file. In a vassal's file it has no effect, unless that vassal is an Emperor itself.
    Emperor,
    /// A word of the configuration language: it has had its effect when the file was evaluated.
    Language,
    /// uWSGI does it, as the vassal's user. Also every key that is no option: apps read them (`uwsgi.opt`).
    Uwsgi,
    /// It cannot be done; leaving it out silently would change what the file means.
    Refused,
    /// It has no effect: what it asks for is so anyway, or is nothing under systemd.
    Ignored,
}

impl Disposition {
    /// The word for it in lists and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Disposition::Enter => "enter",
            Disposition::EnterAndUwsgi => "enter, uwsgi",
            Disposition::Watchdog => "watchdog",
            Disposition::Unit => "unit",
            Disposition::Emperor => "emperor",
            Disposition::Language => "language",
            Disposition::Uwsgi => "uwsgi",
            Disposition::Refused => "refused",
            Disposition::Ignored => "ignored",
        }
    }
}
