//! Failures of finding the app's user and groups.

use std::fmt;
use vassal_config::users::identity::Account;
use vassal_escape::printable;
use vassal_sys::SysError;

/// Where names are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The host: /etc/passwd first, then whatever else getent(1) asks (LDAP, sssd, ...).
    Host,
    /// The vassal's own root, of which only the files are read: nothing of a tenant's runs as root (ORD-8).
    OwnRoot,
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A user.
    User,
    /// A group.
    Group,
    /// The group that a user has in the table of users.
    GroupOfUser,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
            Self::GroupOfUser => "group of user",
        })
    }
}

/// A user and a group as numbers, where they are known.
pub type Ids = (Option<u32>, Option<u32>);

/// Why the app's user is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountFailure {
    /// The tables of the vassal's own root cannot be read.
    Unreadable(SysError),
    /// There is no such account.
    Unknown {
        /// What it is.
        kind: Kind,
        /// Its name or number.
        account: Account,
        /// Where it was looked up.
        lookup: Lookup,
    },
    /// A number without an entry, and no group is given.
    NoGroup {
        /// The user's number.
        uid: u32,
    },
    /// The vassal's own root says that an account is root's.
    RootInside {
        /// What it is.
        kind: Kind,
        /// Its name or number.
        account: Account,
    },
    /// The vassal's own root says that a supplementary group is root's.
    RootsGroupInside {
        /// Its name.
        name: Vec<u8>,
    },
    /// The host does not know an account of a root directory that is not root's alone.
    UnknownToHost {
        /// Why the host does not.
        reason: String,
        /// Why the root directory is not root's alone.
        why: String,
    },
    /// The host gives an account of such a root directory another number.
    OtherOnHost {
        /// The numbers in the vassal's own root.
        inside: Ids,
        /// Those on the host.
        outside: Ids,
        /// Why the root directory is not root's alone.
        why: String,
    },
    /// There is no such owner for a file or a socket.
    UnknownOwner {
        /// The option that names it, if it is no hook.
        option: Option<&'static str>,
        /// What it is.
        kind: Kind,
        /// Its name.
        name: Vec<u8>,
    },
}

impl fmt::Display for AccountFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(out, "{error} (in the vassal's own root)"),
            Self::Unknown {
                kind,
                account,
                lookup,
            } => unknown(out, *kind, account, *lookup),
            Self::NoGroup { uid } => write!(
                out,
                "user {uid} has no entry in /etc/passwd, so its group is not known (add gid =)"
            ),
            Self::RootInside { kind, account } => write!(
                out,
                "the {kind} '{account}' is 0 in the vassal's own root, which may not make anybody root"
            ),
            Self::RootsGroupInside { name } => write!(
                out,
                "the group '{}' is 0 in the vassal's own root, which may not put anybody into root's group",
                printable(name)
            ),
            Self::UnknownToHost { reason, why } => {
                write!(out, "the host does not know who is meant ({reason})")?;
                doubt(out, why)
            }
            Self::OtherOnHost { inside, outside, why } => {
                let (inside, outside) = (shown(*inside), shown(*outside));
                write!(
                    out,
                    "user and group are {inside} in the vassal's own root and {outside} on the host"
                )?;
                doubt(out, why)
            }
            Self::UnknownOwner { option, kind, name } => {
                if let Some(option) = option {
                    write!(out, "{option}: ")?;
                }
                write!(out, "there is no {kind} '{}'", printable(name))
            }
        }
    }
}

fn unknown(out: &mut fmt::Formatter<'_>, kind: Kind, account: &Account, lookup: Lookup) -> fmt::Result {
    let (file, create) = match kind {
        Kind::User => ("passwd", "useradd"),
        Kind::Group | Kind::GroupOfUser => ("group", "groupadd"),
    };
    match lookup {
        Lookup::Host => write!(
            out,
            "there is no {kind} '{account}' (create it: {create} --system {account})"
        ),
        Lookup::OwnRoot => write!(
            out,
            "there is no {kind} '{account}' in the vassal's own root (its /etc/{file} counts there, if root owns it and nobody \
             else may write it)"
        ),
    }
}

fn doubt(out: &mut fmt::Formatter<'_>, why: &str) -> fmt::Result {
    write!(
        out,
        ", and {why}, so its names do not count alone (write numbers: uid =, gid =)"
    )
}

fn shown((uid, gid): Ids) -> String {
    let of = |id: Option<u32>| id.map_or("-".to_owned(), |id| id.to_string());
    format!("{}:{}", of(uid), of(gid))
}
