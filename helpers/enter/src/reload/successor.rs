//! Starts the next app beside the running one: in the same namespaces, on the same listening sockets, as the same user.
//! `vassal-enter --reload` does this, because like a start it has root's capabilities and the host's journal; it sends
//! a process into the vassal's namespaces ([`super::join`]). Nothing that the vassal's user can write has an influence:
//! sockets, user, environment and directory are taken from the watchdog's record.

use super::join::Joining;
use crate::app::channel as link;
use crate::app::supervise::{Control as Conversation, Report};
use crate::environment::Environment;
use crate::failure::{Failure, HookFailure, Place, ServiceFailure};
use crate::handed_over::keys::Keys;
use crate::hooks::refusal::place;
use crate::inside::handoff::{app, settings};
use crate::sockets::open::Open;
use crate::stop::Stop;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::settings::Emperor;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::unit::directives::Directive;
use vassal_config::unit::numbers::time_span;
use vassal_config::vassal::plan::Operation;
use vassal_config::vassal::read::Vassal;
use vassal_config::vassal::reload::restart_only;
use vassal_config::vassal::socket::Listener;
use vassal_state::reload_channel::{Control, Kept, Watchdog};
use vassal_state::request::{Answer, Request, pair};
use vassal_sys::SysError;
use vassal_sys::deadline::Deadline;
use vassal_sys::error::Context;

/// The default of `TimeoutStartSec=`, which limits a reload, too (systemd-system.conf(5)).
const START_LIMIT: Duration = Duration::from_secs(90);
/// One part in so many of that time is kept to report why the next app does not serve, up to [`MOST_REST`].
const REST: u32 = 6;
/// See [`REST`].
const MOST_REST: Duration = Duration::from_secs(10);
/// The limit for a unit with `TimeoutStartSec=infinity`.
const NO_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// The input for the next app.
#[derive(Debug)]
pub struct Beside<'a> {
    /// The watchdog whose child it becomes.
    pub watchdog: &'a Watchdog,
    /// The vassal's name.
    pub name: &'a VassalName,
    /// The emperor's settings.
    pub emperor: &'a Emperor,
    /// The vassal's file, read as a start would read it now.
    pub started: &'a Vassal,
    /// The vassal's file, read as a reload reads it.
    pub reloaded: &'a Vassal,
    /// systemd's request to stop.
    pub stop: &'a SignalFd,
}

/// The result.
#[derive(Debug)]
pub struct Outcome {
    /// The number of the process on the host.
    pub process: Option<Pid>,
    /// Why it does not serve; `None` if it does.
    pub refused: Option<String>,
}

impl Beside<'_> {
    /// Starts the next app, and waits until it serves and the previous app takes no more connections.
    ///
    /// # Errors
    /// Errors in the file or of the system; the next app has been removed then.
    pub fn start(&self) -> Result<Outcome, Failure> {
        let plan = &self.reloaded.plan;
        let sockets = self.sockets()?;
        let keys = self.keys()?;
        let links = link::make(plan, &sockets, keys.as_ref())?;
        let operations = self.operations();
        let environment = self.environment();
        let control = self.control(&sockets, &environment);
        let joining = Joining {
            watchdog: self.watchdog,
            emperor: self.emperor,
            file: self.name.file(),
            plan,
            operations: &operations,
            environment,
            sockets: &sockets,
            keys: keys.as_ref(),
            links: &links,
        };
        let joined = joining.fork()?;
        drop(sockets);
        let lead = || {
            self.wait_until_ready(&joined.conversation, &operations)?;
            let user = (joined.pid, &self.watchdog.control.credentials);
            let request = Request::Successor {
                app: Box::new(app(plan, &links, user, self.watchdog.control.watchdog)),
                limit: limit(&self.started.directives),
                record: control.store_next()?,
                links: links.ours(),
            };
            let (answers, answered) = pair()?;
            let requester = self.watchdog.copy_of(self.watchdog.control.requester)?;
            request.send(&requester, &answered)?;
            drop((request, answered, requester));
            self.follow(&answers, &joined.conversation)
        };
        let refused = lead().inspect_err(|_| joined.remove())?;
        let process = joined.process.map(|(pid, _)| pid);
        Ok(Outcome { process, refused })
    }

    /// Waits until the process has done its operations and waits for permission.
    fn wait_until_ready(&self, conversation: &Conversation, operations: &[Operation]) -> Result<(), Failure> {
        let mut current = None;
        loop {
            match self.next_report(conversation, current)? {
                Some(Report::Hook(index)) => {
                    current = operations.get(index as usize);
                    conversation.go()?;
                }
                Some(Report::Ready) => return Ok(()),
                Some(Report::Failed(failure)) => {
                    return Err(match current {
                        Some(operation) => failure.at(&place(operation)),
                        None => failure,
                    });
                }
                Some(Report::Bound(..)) => {}
                None => return Err(ServiceFailure::NextGone.into()),
            }
        }
    }

    /// Permits the process to execute the app when the watchdog knows it, and waits for the result. Returns why it was
    /// refused, if it was.
    fn follow(&self, answers: &OwnedFd, conversation: &Conversation) -> Result<Option<String>, Failure> {
        loop {
            match hear(answers, self.stop)? {
                Some(Answer::Known) => {
                    conversation.go()?;
                    if let Some(Report::Failed(failure)) = self.next_report(conversation, None)? {
                        return Err(failure);
                    }
                }
                Some(Answer::Done) => return Ok(None),
                Some(Answer::Refused(reason)) => return Ok(Some(reason)),
                None => return Err(ServiceFailure::Ended.into()),
            }
        }
    }

    /// Receives the next report of the process. Its user can stop it by now, so each step has a hook's limit.
    fn next_report(
        &self,
        conversation: &Conversation,
        step: Option<&Operation>,
    ) -> Result<Option<Report>, Failure> {
        let limit = self.reloaded.plan.settings.hook_limit;
        let deadline = Deadline::after(limit);
        while !deadline.is_over() {
            let mut fds =
                [conversation.as_fd(), self.stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            let waited = deadline.poll(&mut fds, limit);
            waited.context(|| "wait for the process that becomes the next app")?;
            let [reported, stopped] = fds.map(|fd| fd.any().unwrap_or(false));
            if stopped {
                Stop::here(self.stop, None).obey();
            }
            if reported {
                return Ok(conversation.receive()?);
            }
        }
        let place = step.map_or(Place::context("the process that becomes the next app"), place);
        Err(Failure::from(HookFailure::TimedOut { limit }).at(&place))
    }

    /// The listening sockets, copied from the watchdog. It must have each one that the file names; otherwise the reload
    /// is not done this way.
    fn sockets(&self) -> Result<Vec<Open>, Failure> {
        let kept = &self.watchdog.control.sockets;
        let open = |listener: &Listener| {
            let address = listener.address.to_string();
            let Some(kept) = kept.iter().find(|kept| kept.address == address) else {
                let place = Place::line(&listener.origin, "socket");
                return Err(Failure::from(ServiceFailure::NotBoundYet { address }).at(&place));
            };
            Ok(Open::new(self.watchdog.copy_of(kept.number)?))
        };
        self.reloaded.plan.listeners.iter().map(open).collect()
    }

    fn keys(&self) -> Result<Option<Keys>, SysError> {
        let names = self.watchdog.control.copies.clone();
        let directory = self.watchdog.keys()?;
        Ok(directory.map(|directory| Keys { directory, names }))
    }

    /// The operations that only change the state of the process itself. Commands, and everything with an effect
    /// elsewhere, are not repeated.
    fn operations(&self) -> Vec<Operation> {
        let is_state = |step: &&Operation| match &step.action {
            Action::ChangeDirectory(_)
            | Action::SetEnvironment(..)
            | Action::UnsetEnvironment(_)
            | Action::ReadEnvdir(_)
            | Action::SetUmask(_) => step.phase == Phase::AsUser,
            _ => false,
        };
        let steps = self.started.plan.operations.iter();
        steps.filter(is_state).cloned().collect()
    }

    /// The environment of the running app, with the present `env` lines.
    fn environment(&self) -> Environment {
        let Control {
            environment,
            settings: before,
            ..
        } = &self.watchdog.control;
        let now = settings(&self.reloaded.plan);
        let mut environment = environment.clone();
        // A variable that a hook has changed is kept as long as its line is unchanged.
        let is_dropped =
            |pair: &(Vec<u8>, Vec<u8>)| before.contains(pair) && !now.iter().any(|(name, _)| *name == pair.0);
        environment.retain(|pair| !is_dropped(pair));
        for (name, value) in now.iter().filter(|pair| !before.contains(pair)) {
            environment.retain(|(known, _)| known != name);
            environment.push((name.clone(), value.clone()));
        }
        environment
    }

    /// The record for the next reload.
    fn control(&self, sockets: &[Open], environment: &Environment) -> Control {
        let before = &self.watchdog.control;
        let addresses = self.reloaded.plan.listeners.iter().zip(sockets);
        let inside = |address: &str| {
            let mut addresses = addresses.clone();
            addresses.find_map(|(listener, open)| {
                (listener.address.to_string() == address).then_some(open.fd.as_raw_fd())
            })
        };
        let parts = restart_only::parts(self.started).into_iter();
        let program = parts.filter(|(name, _)| restart_only::is_programs(name));
        let mut restart_only = before.restart_only.clone();
        for (name, value) in program {
            restart_only.retain(|(known, _)| known != name);
            restart_only.push((name.to_owned(), value));
        }
        Control {
            sockets: before
                .sockets
                .iter()
                .map(|kept| Kept {
                    inside: inside(&kept.address).unwrap_or(kept.inside),
                    ..kept.clone()
                })
                .collect(),
            restart_only,
            settings: settings(&self.reloaded.plan),
            environment: environment.clone(),
            ..before.clone()
        }
    }
}

/// Receives the next answer; `None` when the watchdog has ended. systemd's request to stop ends this process; the
/// watchdog gets it as well.
///
/// # Errors
/// As poll(2).
pub fn hear(answers: &OwnedFd, stop: &SignalFd) -> Result<Option<Answer>, Failure> {
    loop {
        let mut fds = [answers.as_fd(), stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(SysError::new("wait for the watchdog", errno).into()),
        }
        let [answered, stopped] = fds.map(|fd| fd.any().unwrap_or(false));
        if stopped {
            Stop::here(stop, None).obey();
        }
        if answered {
            return Ok(Answer::receive(answers)?);
        }
    }
}

/// How long the next app may take until it serves: less than systemd waits for this process.
fn limit(directives: &[Directive]) -> Duration {
    let is_limit = |each: &&Directive| {
        each.section == "Service" && ["TimeoutStartSec", "TimeoutSec"].contains(&each.key.as_str())
    };
    let last = directives.iter().rev().find(is_limit);
    let limit = last.map_or(Some(START_LIMIT), |each| time_span(&each.value));
    match limit {
        Some(limit) => limit - (limit / REST).min(MOST_REST),
        None => NO_LIMIT,
    }
}
