//! A row of the table of options: what is known about one name.

use crate::options::disposition::Disposition;
use crate::options::id::Id;

/// Whether an option takes an argument on a command line. In files every option may have or lack a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// It must be there.
    Required,
    /// It must not.
    None,
    /// It may be there, in the same word (`--mule=x`).
    Optional,
}

/// What an option does with its value, and with being repeated (O2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On or off, see [`is_on`](crate::options::flag::is_on) (O5); the one applied last wins.
    Flag,
    /// Every value counts, in order.
    List,
    /// The one applied last wins.
    Last,
    /// As `Last`, an integer, negative ones refused (O6).
    Natural,
    /// As `Last`, an integer of either sign.
    Integer,
    /// As `Last`, an integer counting MiB.
    Megabytes,
    /// The union of all values (`unshare`).
    Union,
    /// `uid` and `gid`, whose repeats follow rules of their own (T3).
    Identity,
    /// Has an effect each time.
    Acts,
    /// Opens a block (C1).
    Opener,
    /// Ends one (C4).
    End,
    /// Reads a configuration (I1, I5).
    Load,
    /// Adds an entry of another name (P1, P2).
    Sets,
    /// Known by name only; how repeats combine is left to the program that takes it.
    Opaque,
}

/// One option name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRow {
    /// The name, without dashes.
    pub name: &'static str,
    /// The name all aliases share; itself for most.
    pub canonical: &'static str,
    /// Which option it is, if the programs act on it.
    pub id: Option<Id>,
    /// Whether it takes an argument on a command line.
    pub argument: Argument,
    /// What it does with its value.
    pub kind: Kind,
    /// Whether it takes effect the moment it is met, with its raw value (O4).
    pub immediate: bool,
    /// The short letter that is stored under this name (A1).
    pub letter: Option<u8>,
    /// What becomes of it when a vassal is started.
    pub disposition: Disposition,
    /// Why, and for a refused one what to write instead: a phrase without a final period.
    pub why: &'static str,
    /// What is not as under uWSGI's Emperor, where something is not.
    pub change: Option<&'static str>,
    /// Why two apps with it cannot run side by side, where they cannot.
    pub exclusive: Option<&'static str>,
}

/// Why uWSGI keeps an option.
const APP_SERVER: &str = "the app server's own work, done as the vassal's user";

/// A row of the table.
pub(crate) const fn option(name: &'static str, argument: Argument, kind: Kind) -> OptionRow {
    OptionRow {
        name,
        canonical: name,
        id: Id::named(name),
        argument,
        kind,
        immediate: false,
        letter: None,
        disposition: Disposition::Uwsgi,
        why: APP_SERVER,
        change: None,
        exclusive: None,
    }
}

impl OptionRow {
    pub(crate) const fn alias_of(self, canonical: &'static str) -> Self {
        OptionRow {
            canonical,
            id: Id::named(canonical),
            ..self
        }
    }

    pub(crate) const fn immediate(self) -> Self {
        OptionRow {
            immediate: true,
            ..self
        }
    }

    pub(crate) const fn letter(self, letter: u8) -> Self {
        OptionRow {
            letter: Some(letter),
            ..self
        }
    }

    pub(crate) const fn by(self, disposition: Disposition, why: &'static str) -> Self {
        OptionRow {
            disposition,
            why,
            ..self
        }
    }

    pub(crate) const fn exclusive(self, why: &'static str) -> Self {
        OptionRow {
            exclusive: Some(why),
            ..self
        }
    }

    pub(crate) const fn changed(self, how: &'static str) -> Self {
        OptionRow {
            change: Some(how),
            ..self
        }
    }
}
