//! The next app, started beside the one that runs: in the same namespaces, on the same listening sockets, as the same user. It
//! is made by `vassal-enter --reload`, which has what a start has, root's capabilities and the host's journal among it, and sends
//! a process of its own into the vassal's namespaces ([`super::join`]). Nothing that the vassal's user may write decides anything
//! here: sockets, user, environment and directory are those that the watchdog's record names.

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

/// `TimeoutStartSec=` where the unit has no other: it counts for a reload, too (systemd-system.conf(5)).
const START_LIMIT: Duration = Duration::from_secs(90);
/// The part of it that is left to say why the next app did not come to serve, and the most of that.
const REST: u32 = 6;
/// See [`REST`].
const MOST_REST: Duration = Duration::from_secs(10);
/// For a unit with `infinity`.
const NO_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// What the next app is made of.
#[derive(Debug)]
pub struct Beside<'a> {
    /// The watchdog that it is to be a child of.
    pub watchdog: &'a Watchdog,
    /// The vassal's name.
    pub name: &'a VassalName,
    /// The emperor's settings.
    pub emperor: &'a Emperor,
    /// The file as a start would read it now.
    pub started: &'a Vassal,
    /// The file as a reload reads it now.
    pub reloaded: &'a Vassal,
    /// systemd's wish to stop.
    pub stop: &'a SignalFd,
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    /// The process, by its number on the host.
    pub process: Option<Pid>,
    /// Why it has not come to serve.
    pub refused: Option<String>,
}

impl Beside<'_> {
    /// Starts it, and waits until it serves and the one before takes no more connections.
    ///
    /// # Errors
    /// What is wrong in the file or the system; the next app has been removed then.
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

    /// Waits until the process has set its state and waits for the go-ahead.
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

    /// Lets the process become the app when the watchdog knows it, and waits for what becomes of it: why it was refused, if it was.
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

    /// What the process says next, which is its user's by now: he can stop it. So it has the time of a hook for each step.
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

    /// The listening sockets, which the watchdog has. Each of the file is among them: else this is no reload of that kind.
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

    /// What only sets the state of the process that becomes the app: no command is run again, and nothing is changed but that.
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

    /// The environment of the app that runs, with the `env` lines as they are now.
    fn environment(&self) -> Environment {
        let Control {
            environment,
            settings: before,
            ..
        } = &self.watchdog.control;
        let now = settings(&self.reloaded.plan);
        let mut environment = environment.clone();
        // What a hook has made of a variable stays, as long as its line does.
        let is_dropped =
            |pair: &(Vec<u8>, Vec<u8>)| before.contains(pair) && !now.iter().any(|(name, _)| *name == pair.0);
        environment.retain(|pair| !is_dropped(pair));
        for (name, value) in now.iter().filter(|pair| !before.contains(pair)) {
            environment.retain(|(known, _)| known != name);
            environment.push((name.clone(), value.clone()));
        }
        environment
    }

    /// What the next reload is to find.
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

/// The next answer, or nothing when the watchdog has ended. A wish to stop, of which the watchdog has heard, too, ends this process.
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

/// How long the next app may take to serve: less than systemd waits for this process.
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
