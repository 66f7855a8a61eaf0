//! What becomes of an option: which of vassal's programs carries it out, or the uWSGI that they start. The rows are in
//! [`crate::options::table`].

/// What becomes of an option in a vassal's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// vassal-enter carries it out; uWSGI does not get it.
    Enter,
    /// vassal-enter carries out a part of it; uWSGI gets it, too.
    EnterAndUwsgi,
    /// vassal-watchdog carries it out; uWSGI does not get it.
    Watchdog,
    /// vassal-generator turns it into a directive of the unit; uWSGI does not get it.
    Unit,
    /// It belongs into emperor.ini. In a vassal's file it has no effect, unless that vassal is an Emperor itself.
    Emperor,
    /// It is a word of the configuration language and has had its effect when the file was evaluated.
    Language,
    /// uWSGI carries it out, as the vassal's user. The same holds for every name that is no option: apps read these
    /// (`uwsgi.opt`).
    Uwsgi,
    /// It cannot be carried out, and ignoring it silently would change what the file means.
    Refused,
    /// It has no effect: what it asks for is the case anyway, or does not exist under systemd.
    Ignored,
}

impl Disposition {
    /// The word for lists and JSON.
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
