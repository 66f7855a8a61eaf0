//! A row in the table of options: what is known about an option name.

use crate::options::disposition::Disposition;
use crate::options::id::Id;

/// Whether an option takes an argument on a command line. In files, each option may have a value or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// It needs one.
    Required,
    /// It takes none.
    None,
    /// It can have one, in the same word (`--mule=x`).
    Optional,
}

/// What an option does with its value, and what repeating it means (O2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On or off, see [`is_on`](crate::options::flag::is_on) (O5); the last value applied counts.
    Flag,
    /// All values count, in order.
    List,
    /// The last value applied counts.
    Last,
    /// As `Last`; an integer that must not be negative (O6).
    Natural,
    /// As `Last`; an integer.
    Integer,
    /// As `Last`; an integer number of MiB.
    Megabytes,
    /// The union of all values (`unshare`).
    Union,
    /// `uid` and `gid`, whose repetition has rules of its own (T3).
    Identity,
    /// It has an effect each time.
    Acts,
    /// Opens a block (C1).
    Opener,
    /// It ends one (C4).
    End,
    /// It reads a configuration (I1, I5).
    Load,
    /// It adds an entry with another name (P1, P2).
    Sets,
    /// Only the name is known; the program that carries it out decides about repetition.
    Opaque,
}

/// What is known about an option name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRow {
    /// The name, without dashes.
    pub name: &'static str,
    /// The canonical name, which all aliases share; for most options it is the name itself.
    pub canonical: &'static str,
    /// Its identity, if vassal's programs act on it.
    pub id: Option<Id>,
    /// Whether it takes an argument on a command line.
    pub argument: Argument,
    /// What it does with its value.
    pub kind: Kind,
    /// Whether it takes effect as soon as it is read, with its value before expansion (O4).
    pub immediate: bool,
    /// The letter of the short option that is stored under this name (A1).
    pub letter: Option<u8>,
    /// What becomes of it in a vassal's file.
    pub disposition: Disposition,
    /// The reason; for a refused option also what to write instead. A phrase without a final period.
    pub why: &'static str,
    /// What differs from the behaviour under uWSGI's Emperor; `None` if nothing does.
    pub change: Option<&'static str>,
    /// Why two apps with it cannot run side by side; `None` if they can.
    pub exclusive: Option<&'static str>,
}

/// The reason for options that uWSGI carries out.
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
