//! The root directory that a vassal changes to, as far as it can be examined before anything is mounted.

use crate::lints::fuse_commands::{fuse_mounts, overlay, without_slash};
use crate::lints::host::Host;
use vassal_config::diagnostic::quote;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::mountflags::BIND;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::plan::{Operation, Plan};

/// The new root of `pivot_root`, if that is used.
pub fn pivot(plan: &Plan) -> Option<Vec<u8>> {
    plan.operations
        .iter()
        .find_map(|operation| match &operation.action {
            Action::PivotRoot(new, _) => Some(without_slash(new)),
            _ => None,
        })
}

fn new_root(plan: &Plan) -> Option<Vec<u8>> {
    let chroot = plan
        .operations
        .iter()
        .find_map(|operation| match &operation.action {
            Action::Chroot(new) => Some(without_slash(new)),
            _ => None,
        });
    pivot(plan).or(chroot)
}

/// The mountpoints of the steps, as paths that the app sees.
pub fn mounted(plan: &Plan) -> Vec<Vec<u8>> {
    let new = new_root(plan);
    let fuse = fuse_mounts(&plan.operations);
    let fuse = fuse
        .iter()
        .map(|mount| (mount.operation, mount.mountpoint.clone()));
    let mounts = plan
        .operations
        .iter()
        .filter_map(|operation| match &operation.action {
            Action::Mount { target, .. } => Some((operation, without_slash(target))),
            _ => None,
        });
    let seen = |(operation, path): (&Operation, Vec<u8>)| match &new {
        Some(new) if operation.phase < Phase::Jail => match path.strip_prefix(new.as_slice()) {
            Some(b"") => Some(b"/".to_vec()),
            Some(rest) if rest.starts_with(b"/") => Some(rest.to_vec()),
            Some(_) | None => None,
        },
        Some(_) | None => Some(path),
    };
    fuse.chain(mounts).filter_map(seen).collect()
}

/// The host's directories that make up the new root, the uppermost first, as far as they exist.
pub fn layers(plan: &Plan, host: &Host) -> Vec<Vec<u8>> {
    let Some(new) = new_root(plan) else {
        return Vec::new();
    };
    let fuse = fuse_mounts(&plan.operations);
    let unions = fuse.iter().filter(|mount| mount.mountpoint == new);
    let unions = unions
        .flat_map(|mount| mount.branches())
        .map(|branch| branch.path);
    let before = plan
        .operations
        .iter()
        .filter(|operation| operation.phase < Phase::Jail);
    let mounts = before.flat_map(|operation| sources(&operation.action, &new));
    let mut layers: Vec<Vec<u8>> = unions.chain(mounts).collect();
    if layers.is_empty() && mounted(plan).iter().all(|path| path.as_slice() != b"/") {
        layers.push(new);
    }
    layers.retain(|layer| host.has_directory(layer));
    layers
}

/// Why others than root can change the new root, as far as its layers can be seen. vassal.ini(5), ROOT DIRECTORIES,
/// says what a start refuses then.
pub fn foreign(plan: &Plan, host: &Host) -> Option<String> {
    let new = new_root(plan)?;
    let fuse = fuse_mounts(&plan.operations);
    if fuse.iter().any(|mount| mount.mountpoint == new) {
        return Some(format!(
            "{} is a FUSE filesystem, whose daemon says what is there",
            quote(&new)
        ));
    }
    let layers = layers(plan, host);
    layers.iter().find_map(|layer| {
        let directories = PROGRAMS.iter().map(|name| [layer.as_slice(), name].concat());
        directories
            .into_iter()
            .find_map(|path| Some(format!("{} {}", quote(&path), host.foreign(&path)?)))
    })
}

/// The directories from which every program of a root directory is loaded.
const PROGRAMS: [&[u8]; 11] = [
    b"",
    b"/bin",
    b"/etc",
    b"/lib",
    b"/lib64",
    b"/sbin",
    b"/usr",
    b"/usr/bin",
    b"/usr/lib",
    b"/usr/local",
    b"/usr/sbin",
];

/// The directories that a mount on `new` shows.
fn sources(action: &Action, new: &[u8]) -> Vec<Vec<u8>> {
    match action {
        Action::Mount { target, .. } if without_slash(target) != new => Vec::new(),
        Action::Mount { fstype, data, .. } if fstype == b"overlay" => {
            let option = |name: &[u8]| value(data.as_deref().unwrap_or_default(), name);
            let branches = overlay(&option(b"upperdir="), &option(b"lowerdir="));
            branches.into_iter().map(|branch| branch.path).collect()
        }
        Action::Mount { source, flags, .. } if flags.bits() & BIND != 0 => vec![source.clone()],
        _ => Vec::new(),
    }
}

fn value(data: &[u8], name: &[u8]) -> Vec<u8> {
    let mut options = data.split(|byte| *byte == b',');
    options
        .find_map(|option| option.strip_prefix(name))
        .unwrap_or_default()
        .to_vec()
}
