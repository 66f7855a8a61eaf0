//! The command line.

use crate::output_options::{Color, Format, Paging, Table};
use crate::state::State;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Lists, controls and checks the vassals of this machine.
#[derive(Debug, Parser)]
#[command(
    name = "vassalctl",
    version,
    override_usage = "vassalctl [COMMAND]",
    after_help = "Without a command: list. See vassalctl(8)."
)]
pub struct Arguments {
    /// When to use colors
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Every vassal, one line each: state, mountpoints, restarts, memory, sockets
    List(List),
    /// One vassal on one screen: mountpoints, limits, processes, events, last words
    Status(Status),
    /// The list, live: what uses the processors and the memory just now
    Top(Top),
    /// What the vassals use, may use, and how often that was too little
    Stats(Stats),
    /// Metrics for Prometheus
    Metrics(Metrics),
    /// A check for Nagios and Icinga: one line, and 0, 1, 2 or 3
    Nagios(Nagios),
    /// The events of vassals and the lines of their apps
    Logs(Logs),
    /// A shell, or a command, in all namespaces of a vassal, as its user
    Enter(Enter),
    /// Start vassals
    Start(Named),
    /// Stop vassals
    Stop(Named),
    /// Stop vassals and start them again
    Restart(Named),
    /// Have vassals read their files again, and their apps reload in place
    Reload(Named),
    /// Have vassals started at boot, as all are
    Enable(Named),
    /// Do not have vassals started at boot; those that run go on
    Disable(Named),
    /// Let nothing start these vassals
    Mask(Named),
    /// Let these vassals be started
    Unmask(Named),
    /// Take vassals out for maintenance, over reboots, until that is off
    Maintenance(Maintenance),
    /// Look for errors and traps in vassals' files; executes nothing
    Check(Check),
    /// Show what a start of one vassal does, operation by operation
    Show(Show),
    /// Say what becomes of every option of every file, and what would be lost
    Migrate(Migrate),
    /// Show who takes an option, why, and what changes
    Options(Options),
    /// Print the final list of options that uWSGI would have with these arguments
    ///
    /// Everything after the word 'entries' is uWSGI's, options included. Environment, working directory and files
    /// are as they are; what the files say is done, 'exec://' included.
    #[command(disable_help_flag = true)]
    Entries(Entries),
    /// Start, reload and stop vassals, once, so that what runs is what the files say
    Sync(Sync),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Which machine and whose vassals.
#[derive(Debug, Args)]
pub struct Place {
    /// The emperor's file; without one a vassal is cloned into 'fs,pid'
    #[arg(long, value_name = "FILE", default_value = "/etc/vassal/emperor.ini")]
    pub emperor: PathBuf,
    /// The machine below this directory, for instance an image
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
}

impl Place {
    /// The machine that this program runs on.
    pub fn this_machine() -> Self {
        Self {
            emperor: "/etc/vassal/emperor.ini".into(),
            root: "/".into(),
        }
    }
}

/// `list`
#[derive(Debug, Args)]
pub struct List {
    /// Vassals, by name or pattern [default: all]
    #[arg(value_name = "NAME|PATTERN")]
    pub patterns: Vec<String>,
    /// Those that have failed, wait for their next attempt or are just lost
    #[arg(long)]
    pub failed: bool,
    /// Those in these states
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',')]
    pub states: Vec<State>,
    /// What to sort by
    #[arg(long, value_name = "WHAT", default_value = "name")]
    pub sort: Sort,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub table: Table,
    /// Cut nothing off
    #[arg(short = 'l', long)]
    pub full: bool,
    #[command(flatten)]
    pub paging: Paging,
}

/// What the vassals are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Their names
    Name,
    /// What is bad first
    State,
    /// The largest first
    Memory,
    /// What has used most first
    Cpu,
    /// What was restarted most first
    Restarts,
    /// What changed last first
    Since,
}

/// `status`
#[derive(Debug, Args)]
pub struct Status {
    /// Vassals, by name or pattern
    #[arg(value_name = "NAME|PATTERN", required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub paging: Paging,
}

/// `top`
#[derive(Debug, Args)]
pub struct Top {
    /// Vassals, by name or pattern [default: all]
    #[arg(value_name = "NAME|PATTERN")]
    pub patterns: Vec<String>,
    /// Seconds between two looks
    #[arg(short, long, value_name = "SECONDS", default_value_t = 2.0, value_parser = delay)]
    pub delay: f64,
    #[command(flatten)]
    pub place: Place,
}

/// A time between two looks: neither one that keeps a processor busy nor one that never ends.
fn delay(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match (0.5..=3600.0).contains(&seconds) {
        true => Ok(seconds),
        false => Err("from 0.5 to 3600 seconds".to_owned()),
    }
}

/// `stats`
#[derive(Debug, Args)]
pub struct Stats {
    /// Vassals, by name or pattern [default: all]
    #[arg(value_name = "NAME|PATTERN")]
    pub patterns: Vec<String>,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub table: Table,
    #[command(flatten)]
    pub paging: Paging,
    /// Tell them as JSON to who connects to the socket on standard input (vassal-stats.service)
    #[arg(long, hide = true, conflicts_with_all = ["json", "output", "patterns"])]
    pub serve: bool,
}

/// `metrics`
#[derive(Debug, Args)]
pub struct Metrics {
    /// Write them to vassal.prom in this directory, for node_exporter
    #[arg(long, value_name = "DIR")]
    pub textfile: Option<PathBuf>,
    /// Name the families of counters as OpenMetrics does, without _total
    #[arg(long, conflicts_with = "textfile")]
    pub openmetrics: bool,
    #[command(flatten)]
    pub place: Place,
}

/// `nagios`
#[derive(Debug, Args)]
pub struct Nagios {
    /// Vassals, by name or pattern [default: all]
    #[arg(value_name = "NAME|PATTERN")]
    pub patterns: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}

/// `logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Vassals, by name or pattern
    #[arg(value_name = "NAME|PATTERN", required = true)]
    pub names: Vec<String>,
    /// Go on with what comes
    #[arg(short, long)]
    pub follow: bool,
    /// The last lines only
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub lines: Option<u32>,
    /// How to print it, as journalctl has it
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// What is newer than this, as journalctl has it
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    #[command(flatten)]
    pub paging: Paging,
}

/// `enter`
#[derive(Debug, Args)]
pub struct Enter {
    /// A vassal's name
    pub name: String,
    /// As root, and not as the vassal's user
    #[arg(long)]
    pub as_root: bool,
    /// What to run [default: a shell]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// The verbs that take vassals and nothing else.
#[derive(Debug, Args)]
pub struct Named {
    /// Vassals, by name or pattern
    #[arg(value_name = "NAME|PATTERN", required = true)]
    pub names: Vec<String>,
}

/// `maintenance`
#[derive(Debug, Args)]
pub struct Maintenance {
    /// Vassals, by name or pattern
    #[arg(value_name = "NAME|PATTERN", required = true)]
    pub names: Vec<String>,
    /// Whether they are in maintenance
    #[arg(value_name = "on|off")]
    pub switch: Switch,
}

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// They are stopped, and nothing starts them
    On,
    /// They are started again
    Off,
}

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// Vassals, by name, by file, or all in a directory [default: every vassal of the emperor]
    #[arg(value_name = "NAME|FILE|DIR")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub place: Place,
    /// Judge what stands in the files only, not the users, directories and devices of this machine
    #[arg(long)]
    pub files_only: bool,
    #[command(flatten)]
    pub format: Format,
}

/// `show`
#[derive(Debug, Args)]
pub struct Show {
    /// A vassal's name, the name of its unit, or a file
    #[arg(value_name = "NAME|FILE")]
    pub name: OsString,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub format: Format,
}

/// `migrate`
#[derive(Debug, Args)]
pub struct Migrate {
    /// A directory of vassals' files, or one file
    #[arg(value_name = "DIR|FILE")]
    pub path: PathBuf,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub format: Format,
}

/// `options`
#[derive(Debug, Args)]
pub struct Options {
    /// Names of options, or parts of names [default: all]
    pub names: Vec<String>,
    #[command(flatten)]
    pub format: Format,
    /// Print the source of vassal-options(7)
    #[arg(long, conflicts_with_all = ["names", "json", "output"])]
    pub man: bool,
}

/// `sync`
#[derive(Debug, Args)]
pub struct Sync {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `entries`
#[derive(Debug, Args)]
pub struct Entries {
    /// What uWSGI would be given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}
