//! The order in which a process becomes the app, apart from how each step is done.

use crate::failure::Failure;
use vassal_config::hooks::action::Action;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::{Operation, Plan};

/// When the process of a start goes on to its exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Without a word: it has no hook to run and nothing to say.
    AtOnce,
    /// When its supervisor, to which it reports that it is ready, gives the go-ahead.
    WhenTold,
}

/// Whose process it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// That of a start.
    First(Pace),
    /// That of a reload, which goes on when it is told: the app that runs beside it has bound the sockets.
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

/// The steps that change the process or other things of the kernel's. [`crate::app::launch`] does them, a test records them.
pub trait Kernel {
    /// What there is after an exec: nothing in this program.
    type Program;

    /// A session of its own, away from any terminal.
    fn start_session(&mut self) -> Result<(), Failure>;
    /// Mounts the copies of keys for this process alone.
    fn mount_keys(&mut self) -> Result<(), Failure>;
    /// Gives up root.
    fn become_user(&mut self) -> Result<(), Failure>;
    /// Runs the hook that is `index` in the list of operations.
    fn run_hook(&mut self, index: usize, hook: &Operation) -> Result<(), Failure>;
    /// Binds the unix sockets as the user.
    fn bind_sockets(&mut self) -> Result<(), Failure>;
    /// Reports that all is ready, and waits for the go-ahead.
    fn wait_for_go(&mut self) -> Result<(), Failure>;
    /// Goes where a command is to start.
    fn enter_directory(&mut self, payload: &Payload) -> Result<(), Failure>;
    /// Writes the lines of `print` hooks that journald had no room for: the app knows nothing of them.
    fn write_pending_lines(&mut self) -> Result<(), Failure>;
    /// Puts the app's output under the numbers of its standard descriptors.
    fn place_output(&mut self) -> Result<(), Failure>;
    /// Gives up the last capability, and that a program may ever give one.
    fn seal(&mut self) -> Result<(), Failure>;
    /// Forbids the system calls that no app needs.
    fn filter_calls(&mut self) -> Result<(), Failure>;
    /// Puts signals back to their defaults.
    fn reset_signals(&mut self) -> Result<(), Failure>;
    /// Puts the descriptors that the app gets under their numbers.
    fn place_descriptors(&mut self) -> Result<(), Failure>;
    /// Executes the app.
    fn exec(&mut self) -> Result<Self::Program, Failure>;
}

/// Becomes the app of `plan`, by the `operations` after the change of user.
///
/// On entry: root inside the namespaces, nothing dropped. From [`Kernel::become_user`] on: the vassal's user, and `CAP_SETPCAP` for
/// this process alone. At the exec: the vassal's user, no capability anywhere, no_new_privs, the filter of system calls.
///
/// # Errors
/// The first step that fails; none after it is done.
pub fn become_app<K: Kernel>(
    plan: &Plan,
    operations: &[Operation],
    role: Role,
    kernel: &mut K,
) -> Result<K::Program, Failure> {
    kernel.start_session()?;
    // With mounts of its own they are there already.
    if !plan.owns_mounts {
        kernel.mount_keys()?;
    }
    kernel.become_user()?;
    for (index, operation) in operations.iter().enumerate() {
        if operation.action != Action::BecomeUser {
            kernel.run_hook(index, operation)?;
        }
    }
    // With a `chown-socket` root has bound them.
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
