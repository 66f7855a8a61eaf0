//! The data of `vassalctl show`, for display and for JSON.

use crate::reading::finding::{place, shown};
use crate::reading::location::Location;
use crate::reading::targets::Target;
use crate::render::describe::{describe, namespaces_of};
use crate::render::output;
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;
use vassal_config::diagnostic::Origin;
use vassal_config::emperor::settings::Emperor;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_config::vassal::read::Vassal;
use vassal_config::vassal::reload::overlap::{Decision, decide};
use vassal_config::vassal::settings::liveness;
use vassal_escape::printable;
use vassal_generator::drop_in::{Common, DropIn, Text};

/// The data. The field names are those of the JSON, which vassalctl(8) describes; all texts are printable.
#[derive(Debug, Serialize)]
pub struct Shown {
    version: u32,
    /// The vassal's name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its file.
    pub file: String,
    /// The namespaces that it is cloned into.
    pub namespaces: Vec<&'static str>,
    /// The steps before the app.
    pub operations: Vec<Step>,
    /// The app.
    pub app: App,
    /// The steps after the app.
    pub atexit: Vec<Step>,
    /// The mountpoints that are watched.
    pub watch: Vec<Watched>,
    /// The sockets that `vassal-enter` binds.
    pub sockets: Vec<Socket>,
    /// How the app is asked for its health.
    pub health: Option<Asked>,
    /// The setting of the app's heartbeat `WATCHDOG=1`, if the file has one.
    pub watchdog: Option<Watchdog>,
    /// How a reload is done.
    pub reload: Reloaded,
    /// The drop-in of its unit.
    pub drop_in: String,
    /// The drop-in of its socket, for a vassal on demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket_drop_in: Option<String>,
}

/// How the app is asked for its health.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// The URL that is asked.
    pub url: String,
    /// Seconds from an answer to the next question.
    pub interval: f64,
    /// Seconds that an answer may take.
    pub deadline: f64,
    /// The number of failures in a row that restarts the vassal.
    pub failures: u32,
    /// Where it is written.
    pub from: Option<From>,
}

/// The file's setting of `WATCHDOG=1`.
#[derive(Debug, Serialize)]
pub struct Watchdog {
    /// The longest time between two, in seconds; without it none is expected.
    pub seconds: Option<f64>,
    /// Where it is written.
    pub from: Option<From>,
}

/// How a reload is done, and why.
#[derive(Debug, Serialize)]
pub struct Reloaded {
    /// `overlap` or `in-place`.
    pub way: String,
    /// The reason.
    pub reason: String,
    /// The line that decides it.
    pub from: Option<From>,
}

/// The place where something is written.
#[derive(Debug, Serialize)]
pub struct From {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// The place in short form, for display.
    #[serde(skip)]
    pub short: String,
}

/// One operation.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Its phase.
    pub phase: String,
    /// A verb for the action.
    pub action: &'static str,
    /// The rest of the description.
    pub detail: String,
    /// The option that asks for it.
    pub option: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// Where it is written.
    pub from: Option<From>,
}

/// The app.
#[derive(Debug, Serialize)]
pub struct App {
    /// The program, or a shell command.
    pub command: String,
    /// Whether it is uWSGI, or a program with uWSGI's protocol.
    pub is_uwsgi: bool,
    /// Where the command was written.
    pub from: Option<From>,
    /// The configuration that uWSGI gets.
    pub given: Vec<Given>,
}

/// A line of uWSGI's configuration.
#[derive(Debug, Serialize)]
pub struct Given {
    /// The option.
    pub option: String,
    /// Its value.
    pub value: String,
    /// Where it is written; `None` for a line that vassal adds.
    pub from: Option<From>,
}

/// A watched mountpoint.
#[derive(Debug, Serialize)]
pub struct Watched {
    /// The path.
    pub path: String,
    /// The time between two probes in seconds, if the file sets it.
    pub interval: Option<f64>,
    /// How many seconds a request may remain unanswered, if the file sets it.
    pub deadline: Option<f64>,
    /// Where it is written.
    pub from: Option<From>,
}

/// A listening socket.
#[derive(Debug, Serialize)]
pub struct Socket {
    /// The address.
    pub address: String,
    /// The length of the queue of connections.
    pub backlog: i32,
    /// Where it is written.
    pub from: Option<From>,
}

impl Shown {
    /// The data of `vassal`, which was read from `target`.
    pub fn of(vassal: &Vassal, emperor: &Emperor, target: &Target) -> Self {
        let Vassal {
            plan,
            directives,
            effects: _,
            warnings: _,
        } = vassal;
        let location = &target.location;
        let file = location
            .inside()
            .join(std::ffi::OsStr::from_bytes(&target.name.file()));
        let common = Common::of(emperor);
        let drop_in = DropIn {
            name: &target.name,
            file: file.as_os_str().as_bytes(),
            common: &common,
            on_demand_socket: plan.settings.on_demand_socket.clone(),
            directives: directives.clone(),
            problems: Vec::new(),
        };
        let Text { service, socket } = drop_in.render();
        let steps = |operations: &[Operation]| -> Vec<Step> {
            operations.iter().map(|each| step(each, plan, location)).collect()
        };
        Shown {
            version: output::JSON_VERSION,
            name: printable(target.name.bytes()),
            unit: target.name.unit(),
            file: target.file(),
            namespaces: namespaces_of(plan.namespaces),
            operations: steps(&plan.operations),
            app: app(plan, target),
            atexit: steps(&plan.atexit),
            watch: watched(plan, location),
            sockets: sockets(plan, location),
            health: asked(plan, location),
            watchdog: watchdog(plan, location),
            reload: reloaded(plan, location),
            drop_in: service,
            socket_drop_in: socket,
        }
    }
}

fn from(origin: &Origin, location: &Location) -> Option<From> {
    let place = place(origin, location)?;
    Some(From {
        file: shown(&place.path),
        line: place.line,
        column: place.column,
        short: origin.to_string(),
    })
}

fn step(operation: &Operation, plan: &Plan, location: &Location) -> Step {
    let (action, detail) = describe(operation, &plan.identity);
    let origin = operation.origin.as_ref();
    Step {
        phase: operation.phase.to_string(),
        action,
        detail,
        option: origin.map(|_| printable(&operation.option)),
        value: origin.map(|_| printable(&operation.text)),
        from: origin.and_then(|origin| from(origin, location)),
    }
}

fn app(plan: &Plan, target: &Target) -> App {
    match &plan.payload {
        Payload::Uwsgi { entries, program } => {
            let program = program.as_deref().unwrap_or(b"uwsgi");
            let given = |entry: &Entry| Given {
                option: printable(&entry.key),
                value: printable(entry.value.as_deref().unwrap_or(b"true")),
                from: from(&entry.origin, &target.location),
            };
            App {
                command: format!(
                    "{} --ini emperor://{}",
                    printable(program),
                    printable(&target.name.file())
                ),
                is_uwsgi: true,
                from: None,
                given: entries.iter().map(given).collect(),
            }
        }
        Payload::Command {
            command,
            directory,
            origin,
        } => {
            let command = printable(command);
            App {
                command: match directory {
                    Some(directory) => format!("cd {} && {command}", printable(directory)),
                    None => command,
                },
                is_uwsgi: false,
                from: from(origin, &target.location),
                given: Vec::new(),
            }
        }
    }
}

fn watched(plan: &Plan, location: &Location) -> Vec<Watched> {
    let watched = plan.watch.iter().map(|watch| Watched {
        path: printable(&watch.path),
        interval: plan.settings.interval.map(|time| time.as_secs_f64()),
        deadline: plan.settings.deadline.map(|time| time.as_secs_f64()),
        from: from(&watch.origin, location),
    });
    watched.collect()
}

fn asked(plan: &Plan, location: &Location) -> Option<Asked> {
    let check = &plan.settings.health;
    let (_, origin) = check.url.as_ref()?;
    Some(Asked {
        url: check.shown_url()?,
        interval: check.interval.as_secs_f64(),
        deadline: check.deadline.as_secs_f64(),
        failures: check.failures,
        from: from(origin, location),
    })
}

fn watchdog(plan: &Plan, location: &Location) -> Option<Watchdog> {
    plan.settings.watchdog.as_ref().map(|watchdog| match watchdog {
        liveness::Watchdog::Off => Watchdog {
            seconds: None,
            from: None,
        },
        liveness::Watchdog::Within(time, origin) => Watchdog {
            seconds: Some(time.as_secs_f64()),
            from: from(origin, location),
        },
    })
}

fn reloaded(plan: &Plan, location: &Location) -> Reloaded {
    let Decision {
        reload,
        reason,
        origin,
    } = decide(plan);
    Reloaded {
        way: reload.to_string(),
        reason: printable(reason.as_bytes()),
        from: origin.and_then(|origin| from(&origin, location)),
    }
}

fn sockets(plan: &Plan, location: &Location) -> Vec<Socket> {
    let sockets = plan.listeners.iter().map(|listener| Socket {
        address: listener.address.to_string(),
        backlog: listener.backlog,
        from: from(&listener.origin, location),
    });
    sockets.collect()
}
