//! The implementation of the steps inside the namespaces, from the clone to the watchdog. [`crate::inside::order`] has
//! their order.

use crate::app::activation;
use crate::app::channel::{self, AppChannel};
use crate::app::launch::Launch;
use crate::app::liveness;
use crate::app::order::{Pace, Role};
use crate::app::supervise::{Bound, Control, Outcome, Supervisor};
use crate::failure::{AppFailure, Failure};
use crate::handed_over::files;
use crate::handed_over::keys::{self, Keys};
use crate::hooks::atexit_record::Record;
use crate::hooks::output::HookOutput;
use crate::hooks::own_root::OwnRoot;
use crate::hooks::run::RootHooks;
use crate::hooks::session::Session;
use crate::inside::handoff;
use crate::inside::old_root;
use crate::inside::order::{Kernel, execute};
use crate::inside::prepared::{Prepared, Started};
use crate::mountpoints;
use crate::namespaces::isolate;
use crate::sockets::{store, unix};
use crate::stop::Stop;
use crate::user::{Lookup, resolve};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::convert::Infallible;
use std::os::fd::AsFd;
use vassal_config::hooks::action::Action;
use vassal_config::vassal::address::Address;
use vassal_config::vassal::plan::Operation;
use vassal_state::handoff::Watched;
use vassal_sys::clone::{Side, fork};
use vassal_sys::creds::Credentials;
use vassal_sys::proc::Proc;

/// Separates the namespaces from the host's, runs the phases, starts the app, and becomes the watchdog. `stop` delivers
/// systemd's request to stop.
///
/// # Errors
/// The first step that fails.
pub fn enter(prepared: Prepared<'_>, stop: &SignalFd) -> Result<Infallible, Failure> {
    // State: root, the only process in the new namespaces, whose mounts are still peers of the host's.
    let proc = isolate(prepared.plan.namespaces).map_err(Failure::Namespace)?;
    // State: root inside; no mount is shared with the host, and no process of the host is visible.
    let (plan, environment) = (prepared.plan, prepared.invocation.environment.to_vec());
    let stop = Stop::here(stop, prepared.invocation.health.as_ref());
    let inside = Inside {
        foreign: Vec::new(),
        log: HookOutput::new()?,
        session: Session::of_start(plan, environment, &proc, &stop),
        proc: &proc,
        stop: &stop,
        prepared,
    };
    execute(plan, inside)
}

/// The root process inside the namespaces.
struct Inside<'a> {
    prepared: Prepared<'a>,
    proc: &'a Proc,
    stop: &'a Stop<'a>,
    log: HookOutput,
    session: Session<'a>,
    foreign: Vec<(u32, u32)>,
}

/// The process that will become the app.
struct App {
    pid: Pid,
    control: Control,
    bound: Bound,
}

impl Inside<'_> {
    /// Supervises the app's process until its hooks are done or it has become the app.
    fn supervise(&mut self, app: &mut App, as_user: &[Operation]) -> Result<Outcome, Failure> {
        let mut supervisor = Supervisor {
            control: &app.control,
            operations: as_user,
            log: &mut self.log,
            stop: self.stop,
            limit: self.prepared.plan.settings.hook_limit,
            bound: std::mem::take(&mut app.bound),
        };
        let outcome = supervisor.wait()?;
        app.bound = supervisor.bound;
        Ok(outcome)
    }
}

impl Kernel for Inside<'_> {
    type User = Credentials;
    type Keys = Option<Keys>;
    type Channel = AppChannel;
    type App = App;
    type Mountpoints = Vec<Watched>;
    type Program = Infallible;

    fn note_foreign_mounts(&mut self) -> Result<(), Failure> {
        self.foreign = mountpoints::devices(self.proc)?;
        Ok(())
    }

    fn run_hook(&mut self, hook: &Operation) -> Result<(), Failure> {
        let mut hooks = RootHooks {
            log: &mut self.log,
            stop: self.stop,
            limit: self.prepared.plan.settings.hook_limit,
        };
        hooks.run(hook, &mut self.session)
    }

    fn bind_sockets(&mut self) -> Result<(), Failure> {
        let Prepared {
            plan,
            invocation,
            ref mut sockets,
            ..
        } = self.prepared;
        for (open, listener) in sockets.iter_mut().zip(&plan.listeners) {
            let Address::Unix(path) = &listener.address else {
                continue;
            };
            if let Some(file) = unix::settle(open, listener, &plan.unix, self.proc)? {
                store::renew(open, path, file, invocation)?;
            }
        }
        Ok(())
    }

    fn judge_new_root(&mut self) -> Result<(), Failure> {
        self.session.own_root = Some(OwnRoot::judge(self.prepared.plan, self.proc)?);
        Ok(())
    }

    fn check_old_root(&mut self, steps: &[Operation]) -> Result<(), Failure> {
        old_root::check(steps, self.session.old_root.take().as_ref())
    }

    fn find_user(&mut self) -> Result<Credentials, Failure> {
        let plan = self.prepared.plan;
        match (&self.prepared.credentials, &self.session.own_root) {
            (Some(credentials), _) => Ok(credentials.clone()),
            (None, Some(own)) => own.credentials(plan, self.proc),
            (None, None) => resolve(&plan.identity, Lookup::OwnRoot, self.proc),
        }
    }

    fn prepare_files(&mut self, user: &Credentials, as_user: &[Operation]) -> Result<(), Failure> {
        files::prepare(self.prepared.plan, as_user, user)
    }

    fn copy_keys(&mut self, user: &Credentials, as_user: &[Operation]) -> Result<Option<Keys>, Failure> {
        let plan = self.prepared.plan;
        let keys = Keys::make(&self.prepared.key_copies, user)?;
        match &keys {
            Some(keys) if plan.owns_mounts => keys.mount(plan)?,
            // The app's process mounts the copies itself.
            Some(_) => {
                let is_hook = |operation: &Operation| operation.action != Action::BecomeUser;
                keys::refuse_mounts(plan, as_user.iter().any(is_hook))?;
            }
            None => {}
        }
        Ok(keys)
    }

    fn connect(&mut self, keys: &Option<Keys>) -> Result<AppChannel, Failure> {
        channel::make(self.prepared.plan, &self.prepared.sockets, keys.as_ref())
    }

    /// Finds the watched mountpoints. For a vassal that has served before, a missing mountpoint is no configuration
    /// error: it will come back, for instance when the unit of its daemon on the host is started again.
    fn find_mountpoints(&mut self) -> Result<Vec<Watched>, Failure> {
        let found = mountpoints::resolve(&self.prepared.plan.watch, self.proc, &self.prepared.host_mounts);
        found.map_err(
            |failure| match self.prepared.invocation.record.read().has_served {
                false => failure,
                true => Failure::Proven(Box::new(failure)),
            },
        )
    }

    fn fork_app(
        &mut self,
        (credentials, keys, app_channel): (&Credentials, &Option<Keys>, &AppChannel),
        as_user: &[Operation],
        pace: Pace,
    ) -> Result<App, Failure> {
        let prepared = &self.prepared;
        let launch = Launch {
            operations: as_user,
            credentials,
            environment: self.session.apps_environment(),
            own_environment: app_channel.environment(prepared.plan),
            heartbeat: liveness::heartbeat(prepared.plan, app_channel, prepared.invocation.watchdog)
                .map(|heartbeat| heartbeat.limit),
            sockets: &prepared.sockets,
            keys: keys.as_ref(),
            plan: prepared.plan,
            programs: &prepared.emperor.programs,
            file: prepared.invocation.vassal.file(),
            kept: app_channel.app_descriptors(&prepared.sockets),
            proc: self.proc,
            log: self.log.writer(),
            output: self.session.output.as_ref().map(AsFd::as_fd),
            role: Role::First(pace),
        };
        let (control, theirs) = Control::pair()?;
        let theirs = activation::above_sockets(theirs, self.prepared.plan)?;
        match fork()? {
            Side::Parent(pid) => Ok(App {
                pid,
                control,
                bound: Bound::new(),
            }),
            Side::Child => {
                drop(control);
                launch.run(&theirs)
            }
        }
    }

    fn write_pidfiles(&mut self, app: &App) -> Result<(), Failure> {
        Ok(self.session.write_pid(app.pid)?)
    }

    fn wait_for_hooks(&mut self, app: &mut App, as_user: &[Operation]) -> Result<(), Failure> {
        match self.supervise(app, as_user)? {
            Outcome::Ready => Ok(()),
            Outcome::Gone => Err(AppFailure::Killed.into()),
            Outcome::Stopped => self.stop.obey(),
        }
    }

    fn let_go(&mut self, app: &App) -> Result<(), Failure> {
        Ok(app.control.go()?)
    }

    fn wait_for_exec(&mut self, app: &mut App, as_user: &[Operation]) -> Result<(), Failure> {
        match self.supervise(app, as_user)? {
            Outcome::Ready | Outcome::Gone => Ok(()),
            Outcome::Stopped => self.stop.obey(),
        }
    }

    fn keep_sockets(&mut self, app: &App) -> Result<(), Failure> {
        let Prepared {
            plan,
            invocation,
            ref mut sockets,
            ..
        } = self.prepared;
        for (index, file) in &app.bound {
            let listener = plan.listeners.get(*index);
            let address = listener.map(|listener| &listener.address);
            if let (Some(open), Some(Address::Unix(path))) = (sockets.get_mut(*index), address) {
                store::renew(open, path, *file, invocation)?;
            }
        }
        Ok(())
    }

    fn become_watchdog(
        self,
        (credentials, keys, app_channel): (Credentials, Option<Keys>, AppChannel),
        app: App,
        watched: Vec<Watched>,
    ) -> Result<Infallible, Failure> {
        let environment = self.session.apps_environment();
        let record = Record::of(self.prepared.plan, &credentials, environment);
        let started = Started {
            environment: self.session.apps_environment(),
            credentials: &credentials,
            payload: app.pid,
            watched,
            foreign: self.foreign,
            has_roots_hooks: record.is_some() && credentials.stays_root(),
            record,
            keys,
        };
        handoff::become_watchdog(&self.prepared, self.proc, self.log, app_channel, &started)
    }
}
