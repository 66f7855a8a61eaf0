//! The order of steps of a start inside the namespaces. How each step is done is in [`crate::inside::enter`].

use crate::app::order::Pace;
use crate::failure::Failure;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::address::Address;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_config::vassal::socket::Listener;

/// The steps that have an effect outside this program's memory. [`crate::inside::enter`] does them; a test records
/// them.
pub trait Kernel {
    /// The numbers of the app's user.
    type User;
    /// The copies of keys.
    type Keys;
    /// The connections between the app and the watchdog.
    type Channel;
    /// The process that will become the app.
    type App;
    /// The watched mountpoints.
    type Mountpoints;
    /// The result of an exec: this program itself never gets one.
    type Program;

    /// Notes which filesystems the host has mounted.
    fn note_foreign_mounts(&mut self) -> Result<(), Failure>;
    /// Runs a hook or another step as root.
    fn run_hook(&mut self, hook: &Operation) -> Result<(), Failure>;
    /// Binds the unix sockets as root.
    fn bind_sockets(&mut self) -> Result<(), Failure>;
    /// Decides whether the new root directory can be trusted, while still in the host's.
    fn judge_new_root(&mut self) -> Result<(), Failure>;
    /// If one of `steps` has unmounted the old root, checks that it is gone.
    fn check_old_root(&mut self, steps: &[Operation]) -> Result<(), Failure>;
    /// Finds the credentials of the app's user.
    fn find_user(&mut self) -> Result<Self::User, Failure>;
    /// Prepares the files that uWSGI opens as that user.
    fn prepare_files(&mut self, user: &Self::User, as_user: &[Operation]) -> Result<(), Failure>;
    /// Copies the keys that the user may not read.
    fn copy_keys(&mut self, user: &Self::User, as_user: &[Operation]) -> Result<Self::Keys, Failure>;
    /// Connects the app with the watchdog.
    fn connect(&mut self, keys: &Self::Keys) -> Result<Self::Channel, Failure>;
    /// Finds the watched mountpoints.
    fn find_mountpoints(&mut self) -> Result<Self::Mountpoints, Failure>;
    /// Forks the process that will become the app ([`crate::app::order::become_app`]).
    fn fork_app(
        &mut self,
        given: (&Self::User, &Self::Keys, &Self::Channel),
        as_user: &[Operation],
        pace: Pace,
    ) -> Result<Self::App, Failure>;
    /// Writes the number of that process into the pidfiles.
    fn write_pidfiles(&mut self, app: &Self::App) -> Result<(), Failure>;
    /// Waits until the hooks of that process are done.
    fn wait_for_hooks(&mut self, app: &mut Self::App, as_user: &[Operation]) -> Result<(), Failure>;
    /// Permits that process to execute the app.
    fn let_go(&mut self, app: &Self::App) -> Result<(), Failure>;
    /// Waits until that process has executed the app.
    fn wait_for_exec(&mut self, app: &mut Self::App, as_user: &[Operation]) -> Result<(), Failure>;
    /// Keeps the unix sockets that the process has bound.
    fn keep_sockets(&mut self, app: &Self::App) -> Result<(), Failure>;
    /// Becomes the watchdog.
    fn become_watchdog(
        self,
        given: (Self::User, Self::Keys, Self::Channel),
        app: Self::App,
        mountpoints: Self::Mountpoints,
    ) -> Result<Self::Program, Failure>;
}

/// Runs the phases of `plan`, starts the app, and becomes the watchdog.
///
/// On entry the process is root inside the namespaces; no mount is shared with the host, and no process of the host is
/// visible.
///
/// # Errors
/// The first step that fails; later steps are not done.
pub fn execute<K: Kernel>(plan: &Plan, mut kernel: K) -> Result<K::Program, Failure> {
    let (as_root, as_user) = split(plan.split_emperors().1);
    kernel.note_foreign_mounts()?;
    run_as_root(plan, as_root, &mut kernel)?;
    let user = kernel.find_user()?;
    kernel.prepare_files(&user, as_user)?;
    let keys = kernel.copy_keys(&user, as_user)?;
    let channel = kernel.connect(&keys)?;
    let given = (&user, &keys, &channel);
    let (mut app, mountpoints) = match pace(plan, as_root, as_user) {
        // Such a process may have executed the app before this one runs again.
        Pace::AtOnce => {
            let mountpoints = kernel.find_mountpoints()?;
            let app = kernel.fork_app(given, as_user, Pace::AtOnce)?;
            kernel.write_pidfiles(&app)?;
            (app, mountpoints)
        }
        Pace::WhenTold => {
            let mut app = kernel.fork_app(given, as_user, Pace::WhenTold)?;
            kernel.write_pidfiles(&app)?;
            // The hooks may mount what is to be watched.
            kernel.wait_for_hooks(&mut app, as_user)?;
            let mountpoints = kernel.find_mountpoints()?;
            kernel.let_go(&app)?;
            (app, mountpoints)
        }
    };
    kernel.wait_for_exec(&mut app, as_user)?;
    kernel.keep_sockets(&app)?;
    // State: the app runs as its user; this process is still root, and becomes the watchdog.
    kernel.become_watchdog((user, keys, channel), app, mountpoints)
}

/// Whether the app's process has to report anything, or to wait, before it executes the app.
fn pace(plan: &Plan, as_root: &[Operation], as_user: &[Operation]) -> Pace {
    let is_hook = |operation: &Operation| operation.action != Action::BecomeUser;
    let is_pidfile = |operation: &Operation| matches!(operation.action, Action::OpenPidfile(_));
    let is_unix = |listener: &Listener| matches!(listener.address, Address::Unix(_));
    let binds = plan.unix.owner.is_none() && plan.listeners.iter().any(is_unix);
    match binds || as_root.iter().any(is_pidfile) || as_user.iter().any(is_hook) {
        true => Pace::WhenTold,
        false => Pace::AtOnce,
    }
}

/// Runs the steps before the change of user; if root binds the sockets, that is one of them.
fn run_as_root<K: Kernel>(plan: &Plan, steps: &[Operation], kernel: &mut K) -> Result<(), Failure> {
    let before = |phase: Phase| steps.partition_point(|step| step.phase < phase);
    let (unshare, jail) = (before(Phase::Unshare), before(Phase::Jail));
    run(&steps[..unshare], kernel)?;
    // Without a `chown-socket` the user binds them.
    if plan.unix.owner.is_some() {
        kernel.bind_sockets()?;
    }
    run(&steps[unshare..jail], kernel)?;
    // State: still in the host's root directory, where an overlay's layers and the host's names can be looked up.
    if plan.changes_root {
        kernel.judge_new_root()?;
    }
    run(&steps[jail..], kernel)?;
    kernel.check_old_root(&steps[jail..])
}

fn run<K: Kernel>(steps: &[Operation], kernel: &mut K) -> Result<(), Failure> {
    steps.iter().try_for_each(|step| kernel.run_hook(step))
}

/// Splits the operations into those done as root and those of the process that becomes the app.
fn split(operations: &[Operation]) -> (&[Operation], &[Operation]) {
    let is_change = |operation: &Operation| operation.action == Action::BecomeUser;
    operations.split_at(operations.iter().position(is_change).unwrap_or(operations.len()))
}

#[cfg(test)]
mod double;
#[cfg(test)]
mod tests;
