//! The process that becomes the app: it drops root, runs the as-user hooks, waits for permission, and executes the app.
//! What a hook changes in the process (directory, umask, variables) is therefore changed for the app, as in uWSGI.

use crate::app::activation::{self, listens};
use crate::app::liveness;
use crate::app::order::{Kernel, Role, become_app};
use crate::app::program;
use crate::app::supervise::{Control, Report};
use crate::environment::Environment;
use crate::failure::{AppFailure, Failure, Place};
use crate::handed_over::keys::Keys;
use crate::hooks::actions::perform::{Unlimited, perform};
use crate::hooks::refusal::place;
use crate::hooks::session::Session;
use crate::invocation::LAST_LINE_LIMIT;
use crate::sockets::open::Open;
use crate::sockets::unix;
use nix::unistd::{chdir, getcwd, setsid};
use std::convert::Infallible;
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use vassal_config::emperor::programs::Programs;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_escape::printable;
use vassal_sys::creds::{Credentials, Keep, become_user, seal};
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::{fds, seccomp, signals};
use vassal_systemd::lines;

/// The input of that process. None of our code runs after the exec.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The operations after the change of user.
    pub operations: &'a [Operation],
    /// The user it becomes.
    pub credentials: &'a Credentials,
    /// Its environment, before `putenv` hooks.
    pub environment: Environment,
    /// Variables for the app only, not for the hooks.
    pub own_environment: Environment,
    /// How often the app has to send `WATCHDOG=1`, if it is to be told.
    pub heartbeat: Option<Duration>,
    /// The listening sockets.
    pub sockets: &'a [Open],
    /// The copies of keys.
    pub keys: Option<&'a Keys>,
    /// The plan, which says what it becomes.
    pub plan: &'a Plan,
    /// The programs that replace uWSGI.
    pub programs: &'a Programs,
    /// The name of the vassal's file, for uWSGI's command line.
    pub file: Vec<u8>,
    /// The descriptors that the app gets.
    pub kept: Vec<BorrowedFd<'a>>,
    /// A private proc of this PID namespace.
    pub proc: &'a Proc,
    /// Where the hooks' output goes.
    pub log: BorrowedFd<'a>,
    /// The file for the app's own output, if that is not the journal.
    pub output: Option<BorrowedFd<'a>>,
    /// Whether it belongs to a start or to a reload.
    pub role: Role,
}

impl Launch<'_> {
    /// Becomes the app, or reports the failure on `control` and exits.
    pub fn run(self, control: &Control) -> ! {
        let Self {
            plan,
            operations,
            role,
            ..
        } = self;
        let mut process = Process::new(self, control);
        let failure = match become_app(plan, operations, role, &mut process) {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        let code = i32::from(failure.code());
        // If the supervisor does not listen, it has failed itself and has reported why.
        drop(control.report(&Report::Failed(failure)));
        std::process::exit(code)
    }
}

/// The state of this process on its way to the app.
struct Process<'a> {
    launch: Launch<'a>,
    control: &'a Control,
    session: Session<'a>,
}

impl<'a> Process<'a> {
    fn new(mut launch: Launch<'a>, control: &'a Control) -> Self {
        let environment = std::mem::take(&mut launch.environment);
        let plan = launch.plan;
        let session = Session::new(environment, &plan.shells, plan.settings.hook_limit, launch.proc);
        Self {
            launch,
            control,
            session,
        }
    }

    /// The environment of the app: the one that the hooks have left, and the app's own variables.
    fn environment(&self) -> Environment {
        let own = [
            &self.launch.own_environment[..],
            &activation::environment(self.launch.plan),
            &liveness::environment(self.launch.heartbeat),
        ]
        .concat();
        let mut environment = self.session.environment.clone();
        environment.retain(|(name, _)| !own.iter().any(|(known, _)| known == name));
        environment.extend(own);
        environment
    }
}

impl Kernel for Process<'_> {
    type Program = Infallible;

    fn start_session(&mut self) -> Result<(), Failure> {
        setsid().context(|| "start a session")?;
        Ok(())
    }

    fn mount_keys(&mut self) -> Result<(), Failure> {
        match self.launch.keys {
            Some(keys) => keys.mount_alone(self.launch.plan),
            None => Ok(()),
        }
    }

    fn become_user(&mut self) -> Result<(), Failure> {
        Ok(become_user(self.launch.credentials, Keep::Setpcap)?)
    }

    fn run_hook(&mut self, index: usize, hook: &Operation) -> Result<(), Failure> {
        self.control.report(&Report::Hook(index as u32))?;
        // Before the hook runs, so that its output is distinguished from what is in the pipe already.
        self.control.wait_for_go()?;
        let mut shell = Unlimited(self.launch.log);
        perform(&hook.action, &mut self.session, &mut shell).map_err(|failure| failure.at(&place(hook)))
    }

    fn bind_sockets(&mut self) -> Result<(), Failure> {
        let Launch {
            plan, sockets, proc, ..
        } = self.launch;
        for (index, (open, listener)) in sockets.iter().zip(&plan.listeners).enumerate() {
            if let Some(file) = unix::settle(open, listener, &plan.unix, proc)? {
                self.control.report(&Report::Bound(index as u32, file))?;
            }
        }
        Ok(())
    }

    fn wait_for_go(&mut self) -> Result<(), Failure> {
        self.control.report(&Report::Ready)?;
        Ok(self.control.wait_for_go()?)
    }

    fn enter_directory(&mut self, payload: &Payload) -> Result<(), Failure> {
        match payload {
            Payload::Uwsgi { .. } => Ok(()),
            Payload::Command {
                directory, origin, ..
            } => enter_directory(directory.as_deref())
                .map_err(|failure| failure.at(&Place::line(origin, "chdir"))),
        }
    }

    fn write_pending_lines(&mut self) -> Result<(), Failure> {
        Ok(lines::deliver(LAST_LINE_LIMIT)?)
    }

    fn place_output(&mut self) -> Result<(), Failure> {
        if let Some(output) = self.launch.output {
            fds::place_at(output, 1)?;
            fds::place_at(output, 2)?;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Failure> {
        Ok(seal(self.launch.credentials)?)
    }

    fn filter_calls(&mut self) -> Result<(), Failure> {
        Ok(seccomp::deny_what_no_app_needs()?)
    }

    fn reset_signals(&mut self) -> Result<(), Failure> {
        Ok(signals::reset()?)
    }

    fn place_descriptors(&mut self) -> Result<(), Failure> {
        let mut kept = self.launch.kept.iter();
        kept.try_for_each(|fd| fds::keep_over_exec(fd.as_fd()))?;
        match &self.launch.plan.payload {
            Payload::Command { .. } => Ok(activation::place(self.launch.sockets)?),
            Payload::Uwsgi { .. } => place_new(self.launch.sockets),
        }
    }

    fn exec(&mut self) -> Result<Infallible, Failure> {
        let Launch {
            plan,
            programs,
            ref file,
            ..
        } = self.launch;
        program::execute(plan, programs, file, &self.environment())
    }
}

/// Gives newly bound sockets the descriptor numbers that the app has been told.
fn place_new(sockets: &[Open]) -> Result<(), Failure> {
    for open in sockets {
        if let Some(spare) = open.spare.as_ref().filter(|spare| listens(spare)) {
            fds::place_at(spare.as_fd(), open.fd.as_raw_fd())?;
        }
    }
    Ok(())
}

fn enter_directory(directory: Option<&[u8]>) -> Result<(), Failure> {
    let Some(directory) = directory else { return Ok(()) };
    let path = Path::new(OsStr::from_bytes(directory));
    let shown = printable(directory);
    chdir(path).context(|| format!("change to directory '{shown}'"))?;
    // A descriptor in proc may lead outside the root directory, to something opened before the change of root. Such a
    // working directory has no path (getcwd(3)).
    match getcwd() {
        Ok(_) => Ok(()),
        Err(_) => Err(AppFailure::OutsideRoot {
            directory: directory.to_vec(),
        }
        .into()),
    }
}
