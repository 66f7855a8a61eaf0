//! Failures to find the app's user and groups.

use std::fmt;
use vassal_config::users::identity::Account;
use vassal_escape::printable;
use vassal_sys::SysError;

/// Where names are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// On the host: /etc/passwd first, then whatever else getent(1) asks (LDAP, sssd, ...).
    Host,
    /// In the vassal's own root, where only the files are read: nothing of a tenant's is executed as root (ORD-8).
    OwnRoot,
}

/// The kind of account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A user.
    User,
    /// A group.
    Group,
    /// The primary group of a user.
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

/// The numbers of a user and a group, as far as they are known.
pub type Ids = (Option<u32>, Option<u32>);

/// Why the app's user could not be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountFailure {
    /// The account files of the vassal's own root cannot be read.
    Unreadable(SysError),
    /// There is no such account.
    Unknown {
        /// Its kind.
        kind: Kind,
        /// Its name or number.
        account: Account,
        /// Where it was looked up.
        lookup: Lookup,
    },
    /// The user is a number without a passwd entry, and there is no `gid`.
    NoGroup {
        /// The user's number.
        uid: u32,
    },
    /// In the vassal's own root the account has root's number.
    RootInside {
        /// Its kind.
        kind: Kind,
        /// Its name or number.
        account: Account,
    },
    /// In the vassal's own root a supplementary group has root's number.
    RootsGroupInside {
        /// Its name.
        name: Vec<u8>,
    },
    /// The host does not know an account, and the root directory can be changed by others than root.
    UnknownToHost {
        /// Why the host does not know it.
        reason: String,
        /// Why the root directory is not trusted.
        why: String,
    },
    /// The host has another number for an account, and the root directory can be changed by others than root.
    OtherOnHost {
        /// The numbers in the vassal's own root.
        inside: Ids,
        /// The numbers on the host.
        outside: Ids,
        /// Why the root directory is not trusted.
        why: String,
    },
    /// The owner for a file or a socket does not exist.
    UnknownOwner {
        /// The option that names the owner, if it is not a hook.
        option: Option<&'static str>,
        /// Its kind.
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
                let (inside, outside) = (display_ids(*inside), display_ids(*outside));
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

fn display_ids((uid, gid): Ids) -> String {
    let of = |id: Option<u32>| id.map_or("-".to_owned(), |id| id.to_string());
    format!("{}:{}", of(uid), of(gid))
}
