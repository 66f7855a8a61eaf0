//! What a uWSGI configuration means.
//!
//! Bytes go in, values come out: nothing here prints, exits, or looks at a clock, an environment or a file except through
//! the one trait [`world::World`], so every rule of the dialect can be tried with a machine made of constants.
//! The rules have names (`E8`, `C4`, ...), which comments cite; each is a fact observed on uWSGI 2.0.
//!
//! This crate may import std and regex-lite, nothing of this project, and is imported by the generator, the root helpers
//! and the tools. Start reading at [`entries::evaluate`], which tells the story of a configuration from arguments to the
//! final list; then `evaluator` (one entry is added), `files` (one file is read) and `expand` (references).
//! [`lex`] alone is for who wants the lines as written, without evaluating anything.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod action;
pub mod capability;
pub mod diagnostic;
pub mod directives;
pub mod emperor;
pub mod entries;
pub mod flag;
pub mod handed;
pub mod identity;
pub mod key_files;
pub mod lasting;
pub mod lex;
pub mod limits;
pub mod missing_plugins;
pub mod mountflags;
pub mod name;
pub mod namespaces;
pub mod options;
pub mod overlap;
pub mod payload;
pub mod phase;
pub mod place;
pub mod plan;
pub mod plugins;
pub mod push;
pub mod settings;
pub mod socket;
pub mod system;
pub mod taker;
pub mod trust;
pub mod trusted;
pub mod vassal;
pub mod world;

mod apply;
mod cgroup;
mod command;
mod command_line;
mod custom;
mod effects;
mod evaluator;
mod expand;
mod files;
#[cfg(test)]
mod fixed;
mod glob;
mod hostname;
mod list;
mod logic;
mod magic;
mod math;
mod number;
mod options_table;
mod packed;
mod permissions;
mod plugin_words;
mod plugins_table;
mod replace;
mod sources;
mod steps;
mod text;
mod unit_values;
mod values;
mod workers;
