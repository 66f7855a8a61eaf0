//! The command line.

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Shows and checks what vassal makes of the files of uWSGI's Emperor.
#[derive(Debug, Parser)]
#[command(name = "vassalctl", version, after_help = "See vassalctl(8).")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
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
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `show`
#[derive(Debug, Args)]
pub struct Show {
    /// A vassal's name, the name of its unit, or a file
    #[arg(value_name = "NAME|FILE")]
    pub name: OsString,
    #[command(flatten)]
    pub place: Place,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `migrate`
#[derive(Debug, Args)]
pub struct Migrate {
    /// A directory of vassals' files, or one file
    #[arg(value_name = "DIR|FILE")]
    pub path: PathBuf,
    #[command(flatten)]
    pub place: Place,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `options`
#[derive(Debug, Args)]
pub struct Options {
    /// Names of options [default: all]
    pub names: Vec<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "man")]
    pub json: bool,
    /// Print the source of vassal-options(7)
    #[arg(long, conflicts_with = "names")]
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
