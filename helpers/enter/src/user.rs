//! Finds the numbers of the app's user and groups.

pub use crate::failure::Lookup;
use crate::failure::{AccountFailure, Failure, Kind, Place};
use crate::files::accounts::accounts;
use nix::sys::stat::FileStat;
use nix::unistd::{Gid, Uid};
use std::process::{Command, Stdio};
use vassal_config::machine::accounts::{Accounts, User};
use vassal_config::users::capability::Capabilities;
use vassal_config::users::identity::{Account, Identity, Named};
use vassal_sys::creds::Credentials;
use vassal_sys::proc::Proc;
use vassal_systemd::journal::{Priority, log};

/// Finds the numbers of `identity`. A `uid` without a `gid` gets the user's own group; in uWSGI the app would stay in
/// root's (T3 and its row in the compatibility table).
///
/// # Errors
/// A name that does not exist, with its line; a number without a passwd entry and without a group; a name that has
/// root's number in the vassal's own root.
pub fn resolve(identity: &Identity, lookup: Lookup, proc: &Proc) -> Result<Credentials, Failure> {
    let accounts = match (accounts(proc), lookup, asker(identity)) {
        // If the account files of the own root cannot be read, the root directory is not as the file says.
        (Err(error), Lookup::OwnRoot, Some((_, origin))) => {
            let failure = Failure::from(AccountFailure::Unreadable(error));
            return Err(failure.at(&Place::line(origin, "uid")));
        }
        (accounts, ..) => accounts?,
    };
    let user = identity
        .uid
        .as_ref()
        .map(|named| user(named, &accounts, lookup))
        .transpose()?;
    let gid = match (&identity.gid, &user) {
        (Some(named), _) => Some(group(named, &accounts, lookup)?),
        (None, Some((_, Some(user)))) => Some(user.gid),
        (None, Some((uid, None))) => {
            let origin = identity.uid.as_ref().map(|(_, origin)| origin);
            let place = origin.map_or(Place::context("uid"), |origin| Place::line(origin, "uid"));
            return Err(Failure::from(AccountFailure::NoGroup { uid: *uid }).at(&place));
        }
        (None, None) => None,
    };
    if lookup == Lookup::OwnRoot {
        refuse_root(identity, user.as_ref().map(|(uid, _)| *uid), gid)?;
    }
    let groups = groups(
        identity,
        &accounts,
        lookup,
        gid,
        user.as_ref().and_then(|(_, user)| user.as_ref()),
    )?;
    Ok(Credentials {
        uid: user.map(|(uid, _)| Uid::from_raw(uid)),
        gid: gid.map(Gid::from_raw),
        groups,
        capabilities: identity.capabilities.map(Capabilities::bits),
    })
}

/// Whether the permissions in `status` give the app's user all of `bits` (4 read, 2 write, 1 search).
pub fn may(status: &FileStat, credentials: &Credentials, bits: u32) -> bool {
    let is_owner = credentials.uid.is_some_and(|uid| uid.as_raw() == status.st_uid);
    let groups = credentials.groups.iter().flatten().chain(&credentials.gid);
    let is_member = || groups.map(|gid| gid.as_raw()).any(|gid| gid == status.st_gid);
    let shift = match is_owner {
        true => 6,
        false if is_member() => 3,
        false => 0,
    };
    (status.st_mode >> shift) & bits == bits
}

/// The first name or number that has to be looked up.
fn asker(identity: &Identity) -> Option<&Named> {
    let all = identity.uid.iter().chain(&identity.gid);
    all.chain(&identity.add_gid).next()
}

/// Checks credentials found in a root directory that others than root can change against the host: a name must have the
/// same number there, and supplementary groups that the host does not confirm are dropped.
///
/// # Errors
/// A user or group whose number the host does not confirm.
pub fn confirm(
    own: Credentials,
    host: Result<Credentials, Failure>,
    identity: &Identity,
    why: &str,
) -> Result<Credentials, Failure> {
    let place = asker(identity).map_or(Place::context("uid"), |(_, origin)| Place::line(origin, "uid"));
    let refuse = |failure: AccountFailure| Err(Failure::from(failure).at(&place));
    let why = why.to_owned();
    let host = match host {
        Ok(host) => host,
        Err(failure) => {
            let reason = failure.to_string();
            return refuse(AccountFailure::UnknownToHost { reason, why });
        }
    };
    let ids =
        |credentials: &Credentials| (credentials.uid.map(Uid::as_raw), credentials.gid.map(Gid::as_raw));
    let (inside, outside) = (ids(&own), ids(&host));
    if inside != outside {
        return refuse(AccountFailure::OtherOnHost { inside, outside, why });
    }
    let groups = own.groups.map(|groups| {
        let confirmed = host.groups.unwrap_or_default();
        let (kept, left): (Vec<_>, Vec<_>) = groups.into_iter().partition(|gid| confirmed.contains(gid));
        for gid in left {
            let message = format!(
                "{}: group {gid} is in the vassal's own root only, and {why}, ignoring",
                place.text
            );
            log(Priority::Warning, &message);
        }
        kept
    });
    Ok(Credentials { groups, ..own })
}

/// Only the vassal's file may make root the app's user; the content of its root directory may not.
fn refuse_root(identity: &Identity, uid: Option<u32>, gid: Option<u32>) -> Result<(), Failure> {
    let (user, group) = (identity.uid.as_ref(), identity.gid.as_ref());
    let is_root = |named: &Named| matches!(&named.0, Account::Name(name) if name == b"root");
    if user.is_some_and(is_root) {
        return Ok(());
    }
    let (kind, named) = match (uid, gid, user, group) {
        (Some(0), _, Some(user), _) => (Kind::User, user),
        (_, Some(0), _, Some(group)) if !is_root(group) => (Kind::Group, group),
        (_, Some(0), Some(user), None) => (Kind::GroupOfUser, user),
        _ => return Ok(()),
    };
    let (account, origin) = named;
    let account = account.clone();
    Err(Failure::from(AccountFailure::RootInside { kind, account }).at(&Place::line(origin, "uid and gid")))
}

/// The supplementary groups: exactly `add-gid` if given, none with `no-initgroups`, otherwise the user's (ORD-9). A
/// number without a passwd entry has only its own group.
fn groups(
    identity: &Identity,
    accounts: &Accounts,
    lookup: Lookup,
    gid: Option<u32>,
    user: Option<&User>,
) -> Result<Option<Vec<Gid>>, Failure> {
    if !identity.add_gid.is_empty() {
        let groups = identity
            .add_gid
            .iter()
            .map(|named| added(named, accounts, lookup).map(Gid::from_raw));
        return groups.collect::<Result<_, _>>().map(Some);
    }
    Ok(match (gid, user) {
        (None, _) => None,
        // In uWSGI root has none either (measured).
        (Some(_), Some(User { uid: 0, .. })) => Some(Vec::new()),
        (Some(gid), Some(user)) if !identity.no_initgroups => {
            let mut groups = accounts.groups_of(&user.name, gid);
            // The group file of a vassal's own root cannot add the user to root's group.
            groups.retain(|group| *group != 0 || gid == 0 || lookup == Lookup::Host);
            Some(groups.into_iter().map(Gid::from_raw).collect())
        }
        (Some(gid), None) if identity.uid.is_some() && !identity.no_initgroups => {
            Some(vec![Gid::from_raw(gid)])
        }
        (Some(_), _) => Some(Vec::new()),
    })
}

/// The number of a group of `add-gid`. In the vassal's own root no name but `root` may have root's number.
fn added(named: &Named, accounts: &Accounts, lookup: Lookup) -> Result<u32, Failure> {
    let gid = group(named, accounts, lookup)?;
    match &named.0 {
        Account::Name(name) if gid == 0 && name != b"root" && lookup == Lookup::OwnRoot => {
            let name = name.clone();
            Err(Failure::from(AccountFailure::RootsGroupInside { name })
                .at(&Place::line(&named.1, "add-gid")))
        }
        Account::Name(_) | Account::Number(_) => Ok(gid),
    }
}

fn user(named: &Named, accounts: &Accounts, lookup: Lookup) -> Result<(u32, Option<User>), Failure> {
    let (account, origin) = named;
    let found = match account {
        Account::Name(name) => accounts.user(name),
        Account::Number(uid) => accounts.user_of(*uid),
    };
    let found = found.or_else(|| ask_host("passwd", account, lookup, |entry| entry_of_user(&entry, account)));
    match (account, found) {
        (_, Some(user)) => Ok((user.uid, Some(user))),
        (Account::Number(uid), None) => Ok((*uid, None)),
        (Account::Name(_), None) => Err(unknown(Kind::User, account, lookup).at(&Place::line(origin, "uid"))),
    }
}

fn group(named: &Named, accounts: &Accounts, lookup: Lookup) -> Result<u32, Failure> {
    let (account, origin) = named;
    match account {
        Account::Number(gid) => Ok(*gid),
        Account::Name(name) => accounts
            .group(name)
            .or_else(|| {
                ask_host("group", account, lookup, |entry| {
                    Accounts::from_text(b"", &entry).group(name)
                })
            })
            .ok_or_else(|| unknown(Kind::Group, account, lookup).at(&Place::line(origin, "gid"))),
    }
}

fn entry_of_user(entry: &[u8], account: &Account) -> Option<User> {
    let accounts = Accounts::from_text(entry, b"");
    match account {
        Account::Name(name) => accounts.user(name),
        Account::Number(uid) => accounts.user_of(*uid),
    }
}

/// Asks getent(1) on the host, for accounts that are in no file.
fn ask_host<T>(
    database: &str,
    account: &Account,
    lookup: Lookup,
    parse: impl FnOnce(Vec<u8>) -> Option<T>,
) -> Option<T> {
    if lookup == Lookup::OwnRoot {
        return None;
    }
    let mut getent = Command::new("/usr/bin/getent");
    getent
        .args(["--", database, &account.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    parse(getent.output().ok()?.stdout)
}

fn unknown(kind: Kind, account: &Account, lookup: Lookup) -> Failure {
    let account = account.clone();
    AccountFailure::Unknown {
        kind,
        account,
        lookup,
    }
    .into()
}
