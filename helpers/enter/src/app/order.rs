//! The order of steps by which a process becomes the app. How each step is done is in [`crate::app::launch`].

use crate::failure::Failure;
use vassal_config::hooks::action::Action;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::{Operation, Plan};

/// When the process of a start may execute the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once: it has no hooks to run and nothing to report.
    AtOnce,
    /// When its supervisor permits it, to which it reports that it is ready.
    WhenTold,
}

/// Why the process was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// For a start.
    First(Pace),
    /// For a reload; it waits for permission. Its sockets have been bound for the app that runs beside it.
    Next,
}

impl Role {
    fn binds(self) -> bool {
        match self {
            Role::First(_) => true,
            Role::Next => false,
        }
    }

    fn waits(self) -> bool {
        match self {
            Role::First(Pace::AtOnce) => false,
            Role::First(Pace::WhenTold) | Role::Next => true,
        }
    }
}

/// The steps that have an effect outside this program's memory. [`crate::app::launch`] does them; a test records them.
pub trait Kernel {
    /// The result of an exec: this program itself never gets one.
    type Program;

    /// Starts a session, without a controlling terminal.
    fn start_session(&mut self) -> Result<(), Failure>;
    /// Mounts the copies of keys in a namespace of this process's own.
    fn mount_keys(&mut self) -> Result<(), Failure>;
    /// Drops root.
    fn become_user(&mut self) -> Result<(), Failure>;
    /// Runs the hook at `index` in the list of operations.
    fn run_hook(&mut self, index: usize, hook: &Operation) -> Result<(), Failure>;
    /// Binds the unix sockets as the user.
    fn bind_sockets(&mut self) -> Result<(), Failure>;
    /// Reports that the process is ready, and waits for permission to go on.
    fn wait_for_go(&mut self) -> Result<(), Failure>;
    /// Changes to the directory in which a command is started.
    fn enter_directory(&mut self, payload: &Payload) -> Result<(), Failure>;
    /// Writes lines of `print` hooks that journald had no room for; the app would not write them.
    fn write_pending_lines(&mut self) -> Result<(), Failure>;
    /// Makes the app's log its standard output and error.
    fn place_output(&mut self) -> Result<(), Failure>;
    /// Drops the last capability and sets no_new_privs.
    fn seal(&mut self) -> Result<(), Failure>;
    /// Installs the filter of system calls.
    fn filter_calls(&mut self) -> Result<(), Failure>;
    /// Resets signals to their defaults.
    fn reset_signals(&mut self) -> Result<(), Failure>;
    /// Gives the app's descriptors their numbers.
    fn place_descriptors(&mut self) -> Result<(), Failure>;
    /// Executes the app.
    fn exec(&mut self) -> Result<Self::Program, Failure>;
}

/// Becomes the app of `plan`; `operations` are those after the change of user.
///
/// On entry the process is root inside the namespaces, with all privileges. From [`Kernel::become_user`] on it is the
/// vassal's user with `CAP_SETPCAP`. At the exec it has no capability, no_new_privs, and the filter of system calls.
///
/// # Errors
/// The first step that fails; later steps are not done.
pub fn become_app<K: Kernel>(
    plan: &Plan,
    operations: &[Operation],
    role: Role,
    kernel: &mut K,
) -> Result<K::Program, Failure> {
    kernel.start_session()?;
    // In a mount namespace of the vassal's own, root has mounted them already.
    if !plan.owns_mounts {
        kernel.mount_keys()?;
    }
    kernel.become_user()?;
    for (index, operation) in operations.iter().enumerate() {
        if operation.action != Action::BecomeUser {
            kernel.run_hook(index, operation)?;
        }
    }
    // With `chown-socket` root has bound them.
    if plan.unix.owner.is_none() && role.binds() {
        kernel.bind_sockets()?;
    }
    if role.waits() {
        kernel.wait_for_go()?;
    }
    kernel.enter_directory(&plan.payload)?;
    kernel.write_pending_lines()?;
    kernel.place_output()?;
    kernel.seal()?;
    if plan.settings.is_filtered {
        kernel.filter_calls()?;
    }
    kernel.reset_signals()?;
    kernel.place_descriptors()?;
    kernel.exec()
}
