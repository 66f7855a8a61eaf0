//! Options for the form of the output, named as in systemctl(1) and journalctl(1).

use clap::{Args, ValueEnum};

/// Options of a verb that can print JSON.
#[derive(Debug, Args)]
pub struct Format {
    /// Print JSON
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "short")]
    output: Output,
}

/// The values of journalctl's `--output` that are supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Short,
    /// JSON on one line
    Json,
    /// JSON in many lines, as --json
    JsonPretty,
}

/// The layout of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Json {
    /// On one line.
    Line,
    /// In many lines, indented.
    Indented,
}

impl Format {
    /// The layout of JSON; `None` if the output is not JSON.
    pub fn json(&self) -> Option<Json> {
        match (self.json, self.output) {
            (true, _) | (false, Output::JsonPretty) => Some(Json::Indented),
            (false, Output::Json) => Some(Json::Line),
            (false, Output::Short) => None,
        }
    }
}

/// Options of a verb that prints a table.
#[derive(Debug, Args)]
pub struct Table {
    /// No header
    #[arg(long)]
    pub no_legend: bool,
    /// Fields between tabs and no header, as where the output is no terminal
    #[arg(long)]
    pub plain: bool,
}

/// Options of a verb whose output may be longer than the screen.
#[derive(Debug, Args)]
pub struct Paging {
    /// Print all of it at once, through no pager
    #[arg(long)]
    pub no_pager: bool,
}

/// When colors are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, and as the environment says
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
