//! Lint: a user or group does not exist where it is looked up: on the host (exit code 78) or in the new root (ORD-8).

use crate::lints::host::Host;
use crate::lints::new_root::{foreign, layers};
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use vassal_config::diagnostic::quote;
use vassal_config::machine::accounts::Accounts;
use vassal_config::users::identity::{Account, Named};
use vassal_escape::printable;

/// What is looked up, and where.
#[derive(Clone, Copy)]
struct Kind {
    word: &'static str,
    file: &'static str,
    maker: &'static str,
    id: fn(&Accounts, &[u8]) -> Option<u32>,
}

const USER: Kind = Kind {
    word: "user",
    file: "/etc/passwd",
    maker: "useradd --system",
    id: |accounts, name| accounts.user(name).map(|user| user.uid),
};
const GROUP: Kind = Kind {
    word: "group",
    file: "/etc/group",
    maker: "groupadd --system",
    id: |accounts, name| accounts.group(name),
};

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(host) = scene.host else {
        return Vec::new();
    };
    let plan = &scene.vassal.plan;
    let identity = &plan.identity;
    let users = identity.uid.iter().map(|named| (USER, named));
    let groups = identity
        .gid
        .iter()
        .chain(&identity.add_gid)
        .map(|named| (GROUP, named));
    let all = users.chain(groups);
    let layers: Option<Vec<Vec<u8>>> = plan.changes_root.then(|| layers(plan, host));
    let said = all.filter_map(|(kind, named): (Kind, &Named)| {
        let name = match &named.0 {
            Account::Name(name) => name,
            Account::Number(_) => return None,
        };
        let said = match &layers {
            None => on_host(host, kind, name),
            Some(layers) => in_layers(host, kind, name, layers)
                .or_else(|| unconfirmed(host, kind, name, foreign(plan, host)?, layers)),
        };
        said.map(|said| said.at(Some(&named.1), scene))
    });
    said.collect()
}

fn knows(host: &Host, directory: &[u8], kind: Kind, name: &[u8]) -> bool {
    (kind.id)(&host.accounts(directory), name).is_some()
}

fn on_host(host: &Host, kind: Kind, name: &[u8]) -> Option<Remark> {
    if knows(host, b"/", kind, name) {
        return None;
    }
    let message = format!("there is no {} {} in {}", kind.word, quote(name), kind.file);
    let hint = format!(
        "create it: {} {}; a start asks the name service too, which is not done here",
        kind.maker,
        printable(name)
    );
    Some(Remark::warning(Rule::MissingUser, message, hint))
}

/// A root directory that exists only once it is mounted, and the like, is not judged.
fn in_layers(host: &Host, kind: Kind, name: &[u8], layers: &[Vec<u8>]) -> Option<Remark> {
    let mut with_accounts = layers
        .iter()
        .filter(|layer| !host.accounts(layer).is_empty())
        .peekable();
    let first = with_accounts.peek().map(|layer| layer.to_vec())?;
    if with_accounts.any(|layer| knows(host, layer, kind, name)) {
        return None;
    }
    let place = [first.as_slice(), kind.file.as_bytes()].concat();
    let message = format!(
        "there is no {} {} in {}, and the host's do not count in the new root",
        kind.word,
        quote(name),
        quote(&place)
    );
    let hint = format!(
        "create it there: {} --root {} {}",
        kind.maker,
        printable(&first),
        printable(name)
    );
    Some(Remark::warning(Rule::MissingUser, message, hint))
}

/// In a root directory that others than root can change, a name is valid only if the host gives it the same number.
fn unconfirmed(host: &Host, kind: Kind, name: &[u8], why: String, layers: &[Vec<u8>]) -> Option<Remark> {
    let outside = (kind.id)(&host.accounts(b"/"), name);
    let inside = layers
        .iter()
        .find_map(|layer| (kind.id)(&host.accounts(layer), name));
    if outside.is_some() && (inside.is_none() || inside == outside) {
        return None;
    }
    let message = match outside {
        Some(id) => format!(
            "{} {} is {id} on the host, and not in the new root",
            kind.word,
            quote(name)
        ),
        None => format!("there is no {} {} on the host", kind.word, quote(name)),
    };
    let hint = format!("{why}, so its names do not count alone: write the number, or make both the same");
    Some(Remark::warning(Rule::MissingUser, message, hint))
}
