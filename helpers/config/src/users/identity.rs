//! The app's user: `uid`, `gid`, `add-gid`, `no-initgroups` (T3, ORD-8, ORD-9).

use crate::diagnostic::{Diagnostic, Origin};
use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;
use crate::users::capability::Capabilities;
use vassal_escape::printable;

/// A user or group as the file names it. The number of a name is looked up when privileges are dropped, in the root
/// directory that the vassal has then (ORD-8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// A name.
    Name(Vec<u8>),
    /// A number; never 0 and never 4294967295, which means "no change" to the kernel.
    Number(u32),
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Account::Name(name) => write!(f, "{}", printable(name)),
            Account::Number(number) => write!(f, "{number}"),
        }
    }
}

/// An account, and the line that names it.
pub type Named = (Account, Origin);

/// The settings of the app's user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `uid`
    pub uid: Option<Named>,
    /// `gid`
    pub gid: Option<Named>,
    /// `add-gid`: the app has exactly these supplementary groups.
    pub add_gid: Vec<Named>,
    /// `no-initgroups`: the app has no supplementary groups.
    pub no_initgroups: bool,
    /// `cap`: the capabilities of the app.
    pub capabilities: Option<Capabilities>,
}

impl Identity {
    /// Reads the options in `entries` that concern the user.
    ///
    /// Ignored values are reported in `warnings`.
    ///
    /// # Errors
    /// `uid = 0` and the like, which uWSGI refuses as well ("user 0 not found", T3).
    pub fn from_entries(entries: &[Entry], warnings: &mut Vec<Diagnostic>) -> Result<Self, Diagnostic> {
        let mut identity = Self::default();
        for entry in entries {
            let value = entry.value.as_deref().unwrap_or_default();
            match entry.id() {
                Some(Id::Uid) => choose(
                    &mut identity.uid,
                    account("uid", value, &entry.origin)?,
                    &entry.origin,
                ),
                Some(Id::Gid) => choose(
                    &mut identity.gid,
                    account("gid", value, &entry.origin)?,
                    &entry.origin,
                ),
                Some(Id::AddGid) => {
                    identity
                        .add_gid
                        .push((account("add-gid", value, &entry.origin)?, entry.origin.clone()));
                }
                Some(Id::NoInitgroups) => identity.no_initgroups = crate::options::flag::is_on(value),
                Some(Id::Cap) => {
                    let (capabilities, unknown) = Capabilities::parse(entry)?;
                    identity.capabilities = Some(capabilities);
                    warnings.extend(unknown);
                }
                _ => {}
            }
        }
        Ok(identity)
    }
}

/// Decides which of two lines counts (T3, measured): a later one of the same kind replaces an earlier one, but a name
/// does not replace a number, nor a number a name.
fn choose(slot: &mut Option<Named>, account: Account, origin: &Origin) {
    let same_kind = match slot {
        None => true,
        Some((earlier, _)) => std::mem::discriminant(earlier) == std::mem::discriminant(&account),
    };
    if same_kind {
        *slot = Some((account, origin.clone()));
    }
}

fn account(option: &str, value: &[u8], origin: &Origin) -> Result<Account, Diagnostic> {
    let refuse = |problem: &str, hint: &str| {
        let message = format!("{option} = {}: {problem}", printable(value));
        Err(Diagnostic::error(Some(origin.clone()), message).with_hint(hint))
    };
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if !is_number {
        return match value {
            b"" => refuse("no name given", "name a user or group, or leave the line out"),
            name => Ok(Account::Name(name.to_vec())),
        };
    }
    match std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse::<u32>().ok())
    {
        Some(0) => refuse("an app does not run as number 0", "name an unprivileged account"),
        None | Some(u32::MAX) => refuse("no such number", "ids go from 1 to 4294967294"),
        Some(number) => Ok(Account::Number(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(values: &[&str]) -> Result<Option<Account>, Diagnostic> {
        let entry = |value: &&str| {
            Entry::new(
                b"uid".to_vec(),
                Some(value.as_bytes().to_vec()),
                Origin::CommandLine,
            )
        };
        let entries: Vec<_> = values.iter().map(entry).collect();
        Identity::from_entries(&entries, &mut Vec::new())
            .map(|identity| identity.uid.map(|(account, _)| account))
    }

    #[test]
    fn of_names_and_numbers_the_kind_that_came_first_stays() {
        let name = |name: &str| Some(Account::Name(name.as_bytes().to_vec()));
        assert_eq!(uid(&["a", "b"]).unwrap(), name("b"));
        assert_eq!(uid(&["7", "8"]).unwrap(), Some(Account::Number(8)));
        assert_eq!(uid(&["a", "8"]).unwrap(), name("a"));
        assert_eq!(uid(&["7", "b"]).unwrap(), Some(Account::Number(7)));
    }

    #[test]
    fn a_number_that_is_no_user_never_becomes_root() {
        for value in ["0", "00", "4294967295", "99999999999", ""] {
            assert!(uid(&[value]).is_err(), "uid = {value}");
        }
        for value in ["0day", "0x0", "-1"] {
            assert!(
                matches!(uid(&[value]), Ok(Some(Account::Name(_)))),
                "uid = {value} is looked up as a name"
            );
        }
    }
}
