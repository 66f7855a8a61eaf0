//! Lint: a directory to be mounted on is missing, or does not belong to the user (SEED-3).

use crate::lints::fuse_commands::{commands, fuse_mounts};
use crate::lints::host::{Host, Seen};
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use vassal_config::diagnostic::quote;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::users::identity::Identity;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_escape::printable;

/// A mountpoint, and whether fusermount checks the directory's owner.
struct Point<'a> {
    path: Vec<u8>,
    operation: &'a Operation,
    by_user: bool,
}

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(host) = scene.host else {
        return Vec::new();
    };
    let plan = &scene.vassal.plan;
    let points = points(plan);
    let said = points.iter().filter_map(|point| {
        let said = match host.look(&point.path) {
            Seen::Missing => missing(point, &plan.identity),
            Seen::There(metadata) if point.by_user => closed(point, &metadata, &plan.identity, host)?,
            Seen::There(_) | Seen::Hidden | Seen::Dead => return None,
        };
        Some(said.at(point.operation.origin.as_ref(), scene))
    });
    said.collect()
}

/// The mountpoints that can be judged: those in the host's root directory that no earlier step creates or covers.
fn points(plan: &Plan) -> Vec<Point<'_>> {
    let fuse = fuse_mounts(&plan.operations).into_iter().map(|mount| Point {
        path: mount.mountpoint,
        operation: mount.operation,
        by_user: mount.operation.phase == Phase::AsUser && plan.identity.uid.is_some(),
    });
    let mounts = plan
        .operations
        .iter()
        .filter_map(|operation| match &operation.action {
            Action::Mount {
                target,
                fstype,
                source,
                ..
            } if (fstype.as_slice(), source.as_slice()) != (b"none", b"none") => Some(Point {
                path: target.clone(),
                operation,
                by_user: false,
            }),
            _ => None,
        });
    let mut points: Vec<_> = fuse.chain(mounts).collect();
    points.retain(|point| is_hosts(point, plan) && !is_made(point, plan));
    points
}

fn is_hosts(point: &Point<'_>, plan: &Plan) -> bool {
    !plan.changes_root || point.operation.phase < Phase::Jail
}

/// Whether another step names the path, or mounts something above it.
fn is_made(point: &Point<'_>, plan: &Plan) -> bool {
    let above = |target: &[u8]| {
        let rest = point.path.strip_prefix(target);
        rest.is_some_and(|rest| rest.starts_with(b"/"))
    };
    plan.operations.iter().any(|operation| match &operation.action {
        Action::MakeDirectory(path) => *path == point.path,
        Action::Mount { target, .. } => above(target),
        _ => {
            let is_own = std::ptr::eq(operation, point.operation);
            let commands = commands(operation);
            let mut others = commands.iter().filter(|command| !(is_own && command.is_fuse()));
            others.any(|command| {
                command
                    .words
                    .iter()
                    .any(|word| *word == point.path || above(word))
            })
        }
    })
}

fn owner(identity: &Identity) -> Option<String> {
    identity.uid.as_ref().map(|named| named.0.to_string())
}

fn missing(point: &Point<'_>, identity: &Identity) -> Remark {
    let path = printable(&point.path);
    let message = format!("the directory {} to mount on does not exist", quote(&point.path));
    let hint = match owner(identity).filter(|_| point.by_user) {
        Some(user) => format!("install -d -o {user} {path}"),
        None => format!("mkdir -p {path}"),
    };
    Remark::warning(Rule::MountpointDirectory, message, hint)
}

/// fusermount mounts for a user only on directories in which that user may write.
fn closed(point: &Point<'_>, metadata: &Metadata, identity: &Identity, host: &Host) -> Option<Remark> {
    let user = host.user_of(identity)?;
    let may_write = user.may_write(metadata);
    // A sticky directory, such as /tmp, must belong to the user.
    let is_sticky = metadata.mode() & 0o1000 != 0 && metadata.uid() != user.uid;
    if may_write && !is_sticky {
        return None;
    }
    let name = owner(identity).unwrap_or_default();
    let path = quote(&point.path);
    let message = format!("fusermount will refuse to mount on {path}: {name} may not write there");
    let hint = format!("chown {name} {}", printable(&point.path));
    Some(Remark::warning(Rule::MountpointDirectory, message, hint))
}
