//! The double of the kernel: two processes that record their steps.

use crate::app::order::{self as app, Pace, Role, become_app};
use crate::failure::{Failure, HookFailure};
use crate::inside::order::Kernel;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::{Operation, Plan};

/// What one process has done.
#[derive(Debug, Default)]
pub struct Record {
    /// The steps, in their order.
    pub steps: Vec<String>,
    /// At which step it fails.
    fails_at: Option<usize>,
}

impl Record {
    /// One that fails at this step, if at any.
    pub fn failing_at(step: Option<usize>) -> Self {
        Self {
            steps: Vec::new(),
            fails_at: step,
        }
    }

    fn step(&mut self, step: impl Into<String>) -> Result<(), Failure> {
        self.steps.push(step.into());
        match self.fails_at {
            Some(at) if at + 1 == self.steps.len() => Err(HookFailure::Exited(1).into()),
            _ => Ok(()),
        }
    }

    fn hook(&mut self, hook: &Operation) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(&hook.text);
        self.step(format!("{} {text}", hook.phase))
    }
}

/// The double of the root process. The process that it forks runs in place, to its end.
pub struct Root<'a> {
    /// What is started.
    pub plan: &'a Plan,
    /// What it has done.
    pub root: &'a mut Record,
    /// What the process that becomes the app has done.
    pub app: &'a mut Record,
    /// What that process has reported.
    pub reported: Option<Failure>,
}

impl Root<'_> {
    fn step(&mut self, step: &str) -> Result<(), Failure> {
        self.root.step(step)
    }

    fn wait(&mut self, step: &str) -> Result<(), Failure> {
        self.root.step(step)?;
        self.reported.clone().map_or(Ok(()), Err)
    }
}

impl Kernel for Root<'_> {
    type User = ();
    type Keys = ();
    type Channel = ();
    type App = ();
    type Mountpoints = ();
    type Program = ();

    fn note_foreign_mounts(&mut self) -> Result<(), Failure> {
        self.step("note foreign mounts")
    }
    fn run_hook(&mut self, hook: &Operation) -> Result<(), Failure> {
        self.root.hook(hook)
    }
    fn bind_sockets(&mut self) -> Result<(), Failure> {
        self.step("bind sockets")
    }
    fn judge_new_root(&mut self) -> Result<(), Failure> {
        self.step("judge new root")
    }
    fn check_old_root(&mut self, _: &[Operation]) -> Result<(), Failure> {
        self.step("check old root")
    }
    fn find_user(&mut self) -> Result<(), Failure> {
        self.step("find user")
    }
    fn prepare_files(&mut self, (): &(), _: &[Operation]) -> Result<(), Failure> {
        self.step("prepare files")
    }
    fn copy_keys(&mut self, (): &(), _: &[Operation]) -> Result<(), Failure> {
        self.step("copy keys")
    }
    fn connect(&mut self, (): &()) -> Result<(), Failure> {
        self.step("connect")
    }
    fn find_mountpoints(&mut self) -> Result<(), Failure> {
        self.step("find mountpoints")
    }
    fn fork_app(&mut self, _: (&(), &(), &()), as_user: &[Operation], pace: Pace) -> Result<(), Failure> {
        self.step("fork")?;
        self.reported = become_app(self.plan, as_user, Role::First(pace), &mut App(self.app)).err();
        Ok(())
    }
    fn write_pidfiles(&mut self, (): &()) -> Result<(), Failure> {
        self.step("write pidfiles")
    }
    fn wait_for_hooks(&mut self, (): &mut (), _: &[Operation]) -> Result<(), Failure> {
        self.wait("wait for hooks")
    }
    fn let_go(&mut self, (): &()) -> Result<(), Failure> {
        self.step("let go")
    }
    fn wait_for_exec(&mut self, (): &mut (), _: &[Operation]) -> Result<(), Failure> {
        self.wait("wait for exec")
    }
    fn keep_sockets(&mut self, (): &()) -> Result<(), Failure> {
        self.step("keep sockets")
    }
    fn become_watchdog(mut self, _: ((), (), ()), (): (), (): ()) -> Result<(), Failure> {
        self.step("become watchdog")
    }
}

/// The double of the process that becomes the app.
struct App<'a>(&'a mut Record);

impl app::Kernel for App<'_> {
    type Program = ();

    fn start_session(&mut self) -> Result<(), Failure> {
        self.0.step("start session")
    }
    fn mount_keys(&mut self) -> Result<(), Failure> {
        self.0.step("mount keys")
    }
    fn become_user(&mut self) -> Result<(), Failure> {
        self.0.step("become user")
    }
    fn run_hook(&mut self, _: usize, hook: &Operation) -> Result<(), Failure> {
        self.0.hook(hook)
    }
    fn bind_sockets(&mut self) -> Result<(), Failure> {
        self.0.step("bind sockets")
    }
    fn wait_for_go(&mut self) -> Result<(), Failure> {
        self.0.step("wait for go")
    }
    fn enter_directory(&mut self, _: &Payload) -> Result<(), Failure> {
        self.0.step("enter directory")
    }
    fn write_pending_lines(&mut self) -> Result<(), Failure> {
        self.0.step("write pending lines")
    }
    fn place_output(&mut self) -> Result<(), Failure> {
        self.0.step("place output")
    }
    fn seal(&mut self) -> Result<(), Failure> {
        self.0.step("seal")
    }
    fn filter_calls(&mut self) -> Result<(), Failure> {
        self.0.step("filter calls")
    }
    fn reset_signals(&mut self) -> Result<(), Failure> {
        self.0.step("reset signals")
    }
    fn place_descriptors(&mut self) -> Result<(), Failure> {
        self.0.step("place descriptors")
    }
    fn exec(&mut self) -> Result<(), Failure> {
        self.0.step("exec")
    }
}
