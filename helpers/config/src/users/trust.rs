//! Decides who may write a configuration. Its hooks run as root, so whoever can write it can act as root. A vassal's
//! own user must not; other users cause a warning.

use crate::diagnostic::{Diagnostic, Origin};
use crate::language::evaluation::entry::Entry;
use crate::machine::world::{Open, World};
use crate::users::identity::{Account, Identity};
use vassal_escape::printable;

/// `trusted-users` and `trusted-groups` in the section `[vassal]` of emperor.ini: who may write files by which root
/// acts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    users: Vec<Account>,
    groups: Vec<Account>,
}

impl Trust {
    /// `trusted-users`
    pub(crate) fn add_users(&mut self, entry: &Entry) {
        self.users
            .extend(accounts(entry.value.as_deref().unwrap_or_default()));
    }

    /// `trusted-groups`
    pub(crate) fn add_groups(&mut self, entry: &Entry) {
        self.groups
            .extend(accounts(entry.value.as_deref().unwrap_or_default()));
    }
}

/// Names or numbers, separated by blanks and commas.
fn accounts(text: &[u8]) -> Vec<Account> {
    let words = text.split(|byte| *byte == b',' || byte.is_ascii_whitespace());
    let account = |word: &[u8]| match std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()) {
        Some(number) => Account::Number(number),
        None => Account::Name(word.to_vec()),
    };
    words.filter(|word| !word.is_empty()).map(account).collect()
}

/// The findings about who may write.
#[derive(Debug, Default)]
pub struct Judgement {
    /// The vassal's own user, or everybody, may write.
    pub errors: Vec<Diagnostic>,
    /// Another user or group may write.
    pub warnings: Vec<Diagnostic>,
}

/// Judges all files that `world` has read as the configuration of a vassal with this `identity`.
pub fn judge(world: &dyn World, identity: &Identity, trust: &Trust) -> Judgement {
    let mut judgement = Judgement::default();
    for open in world.open_files() {
        let writer = Writer {
            open: &open,
            world,
            identity,
            trust,
        };
        if open.everybody {
            let hint = "chmod o-w, as anybody could become root";
            judgement
                .errors
                .push(finding(&open, "everybody may write it", hint));
        } else if let Some(who) = writer.tenant() {
            let what = format!("{who} may write it, whose own vassal it is, and its hooks are run by root");
            judgement.errors.push(finding(&open, &what, FIX));
        } else if let Some(who) = writer.stranger() {
            let what = format!("{who} may write it, and so become root by its hooks");
            judgement.warnings.push(Diagnostic {
                severity: crate::diagnostic::Severity::Warning,
                ..finding(&open, &what, FIX)
            });
        }
    }
    judgement
}

/// The remedy.
const FIX: &str = "chown root:root, chmod go-w; or name whom you trust as root: trusted-users =, trusted-groups = in the [vassal] \
    section of emperor.ini";

fn finding(open: &Open, what: &str, hint: &str) -> Diagnostic {
    Diagnostic::error(None::<Origin>, format!("{}: {what}", printable(&open.path))).with_hint(hint)
}

/// A user or group that may write.
struct Writer<'a> {
    open: &'a Open,
    world: &'a dyn World,
    identity: &'a Identity,
    trust: &'a Trust,
}

impl Writer<'_> {
    /// The description of the writer, if it is the vassal's own user or one of its groups, and not trusted.
    fn tenant(&self) -> Option<String> {
        let number = |account: &Account| match account {
            Account::Name(name) => self.world.user_id(name),
            Account::Number(number) => Some(*number),
        };
        let uid = number(&self.identity.uid.as_ref()?.0)?;
        if self.open.uid == uid && self.distrusts_owner() {
            return Some(self.user());
        }
        let group = self.open.group.filter(|gid| self.distrusts_group(*gid))?;
        let named = self.identity.gid.iter().chain(&self.identity.add_gid);
        let mut gids = named
            .filter_map(|(account, _)| self.gid(account))
            .chain(self.world.groups_of(uid));
        gids.any(|gid| gid == group).then(|| self.group(group))
    }

    /// The description of the writer, if it is anybody else, and not trusted.
    fn stranger(&self) -> Option<String> {
        if self.open.uid != 0 && self.distrusts_owner() {
            return Some(self.user());
        }
        let group = self.open.group.filter(|gid| self.distrusts_group(*gid))?;
        Some(self.group(group))
    }

    fn distrusts_owner(&self) -> bool {
        let is_owner = |account: &Account| match account {
            Account::Name(name) => self.world.user_id(name) == Some(self.open.uid),
            Account::Number(number) => *number == self.open.uid,
        };
        !self.trust.users.iter().any(is_owner)
    }

    fn distrusts_group(&self, gid: u32) -> bool {
        !self
            .trust
            .groups
            .iter()
            .any(|account| self.gid(account) == Some(gid))
    }

    fn gid(&self, account: &Account) -> Option<u32> {
        match account {
            Account::Name(name) => self.world.group_id(name),
            Account::Number(number) => Some(*number),
        }
    }

    fn user(&self) -> String {
        description("user", self.world.user_name(self.open.uid), self.open.uid)
    }

    fn group(&self, gid: u32) -> String {
        description("group", self.world.group_name(gid), gid)
    }
}

fn description(kind: &str, name: Option<Vec<u8>>, number: u32) -> String {
    match name {
        Some(name) => format!("{kind} '{}'", printable(&name)),
        None => format!("{kind} {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::evaluation::entry::entry;

    #[test]
    fn a_list_of_accounts_is_names_and_numbers() {
        let mut trust = Trust::default();
        trust.add_users(&entry("trusted-users", "deploy, 1000 ops"));
        let name = |name: &str| Account::Name(name.into());
        assert_eq!(trust.users, [name("deploy"), Account::Number(1000), name("ops")]);
    }

    fn open(uid: u32, group: Option<u32>) -> Open {
        Open {
            path: b"/v/x.ini".to_vec(),
            uid,
            group,
            everybody: false,
        }
    }

    #[test]
    fn the_vassals_user_is_refused_others_are_told_of_and_whom_root_trusts_is_neither() {
        let number = |number| Some((Account::Number(number), Origin::CommandLine));
        let identity = Identity {
            uid: number(1000),
            gid: number(1001),
            ..Identity::default()
        };
        // Owner and group; trusted users and groups; errors and warnings.
        let cases = [
            (open(1000, None), "", "", (1, 0)),
            (open(0, Some(1001)), "", "", (1, 0)),
            (open(7, None), "", "", (0, 1)),
            (open(0, Some(8)), "", "", (0, 1)),
            (open(1000, None), "1000", "", (0, 0)),
            (open(7, None), "7", "", (0, 0)),
            (open(0, Some(1001)), "1000", "1001", (0, 0)),
            (open(7, Some(8)), "7", "", (0, 1)),
        ];
        for (open, users, groups, expected) in cases {
            let mut world = crate::machine::fake::FakeWorld::with(&[]);
            world.open.push(open.clone());
            let trust = Trust {
                users: accounts(users.as_bytes()),
                groups: accounts(groups.as_bytes()),
            };
            let Judgement { errors, warnings } = judge(&world, &identity, &trust);
            assert_eq!(
                (errors.len(), warnings.len()),
                expected,
                "{open:?}: {errors:?} {warnings:?}"
            );
        }
    }
}
