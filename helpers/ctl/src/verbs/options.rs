//! `vassalctl options`: the rows of the option table.

use crate::arguments::Options;
use crate::reading::nearest::nearest;
use crate::render::man_page;
use crate::render::output;
use crate::render::output::{GOOD, JSON_VERSION, WARNED, tell};
use crate::render::table::table;
use serde::Serialize;
use std::process::ExitCode;
use vassal_config::diagnostic::quote;
use vassal_config::options::disposition::Disposition;
use vassal_config::options::lookup::find;
use vassal_config::options::plugins::{debian_name, plugin_change, plugin_names, plugin_of};
use vassal_config::options::row::OptionRow;
use vassal_config::options::table::OPTIONS;
use vassal_config::vassal::reload::overlap::exclusive;

/// The JSON of `options`; vassalctl(8) describes it.
#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    options: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    alias_of: Option<&'static str>,
    taker: &'static str,
    why: String,
    change: Option<&'static str>,
    exclusive: Option<&'static str>,
}

impl Row {
    fn of(row: &OptionRow) -> Self {
        Row {
            name: row.name,
            alias_of: (row.canonical != row.name).then_some(row.canonical),
            taker: row.disposition.word(),
            why: row.why.to_owned(),
            change: row.change,
            exclusive: row.exclusive,
        }
    }

    /// The row of an option that a plugin brings.
    fn of_plugin(name: &str) -> Option<Self> {
        let plugin = debian_name(plugin_of(name.as_bytes())?);
        Some(Row {
            name: plugin_names().find(|known| *known == name)?,
            alias_of: None,
            taker: Disposition::Uwsgi.word(),
            why: format!("an option of a plugin: it needs a line 'plugin = {plugin}'"),
            change: plugin_change(name.as_bytes()),
            exclusive: exclusive(name.as_bytes()),
        })
    }
}

/// Prints the rows that were asked for; exit code 1 when a name is no option and no part of one's name.
pub fn run(arguments: &Options) -> ExitCode {
    if arguments.man {
        return output::finish(&man_page::text(), GOOD);
    }
    // Those that are named in full are shown in full.
    let (mut named, mut listed) = (Vec::new(), Vec::new());
    let mut code = GOOD;
    for name in &arguments.names {
        let is_option = find(name.as_bytes())
            .map(Row::of)
            .or_else(|| Row::of_plugin(name));
        match (is_option, with_part(name)) {
            (Some(row), _) => named.push(row),
            (None, rows) if rows.is_empty() => {
                code = WARNED;
                tell(&unknown(name));
            }
            (None, rows) => listed.extend(rows),
        }
    }
    if arguments.names.is_empty() {
        listed = OPTIONS.iter().map(Row::of).collect();
    }
    if let Some(form) = arguments.format.json() {
        named.append(&mut listed);
        let report = Report {
            version: JSON_VERSION,
            options: named,
        };
        return match output::json(&report, form) {
            Ok(text) => output::finish(&text, code),
            Err(why) => output::fail(&why),
        };
    }
    let text: String = named.iter().map(in_full).collect();
    let lines: Vec<_> = listed.iter().map(in_a_line).collect();
    output::finish(&(text + &table(&lines)), code)
}

/// The options whose names have `part` in them.
fn with_part(part: &str) -> Vec<Row> {
    let rows = OPTIONS.iter().filter(|row| row.name.contains(part)).map(Row::of);
    let of_plugins = plugin_names().filter(|name| name.contains(part));
    rows.chain(of_plugins.filter_map(Row::of_plugin)).collect()
}

fn unknown(name: &str) -> String {
    let shown = quote(name.as_bytes());
    let known = OPTIONS.iter().map(|row| row.name).chain(plugin_names());
    let meant = nearest(name, known).map_or(String::new(), |meant| format!(" (did you mean '{meant}'?)"));
    format!("{shown} is no option: uWSGI gets it as a placeholder{meant}")
}

fn in_a_line(row: &Row) -> [String; 3] {
    let change = row
        .change
        .map_or(String::new(), |change| format!("; changed: {change}"));
    [
        row.name.to_owned(),
        row.taker.to_owned(),
        format!("{}{change}", row.why),
    ]
}

fn in_full(row: &Row) -> String {
    let mut text = format!("{}\n", row.name);
    if let Some(name) = row.alias_of {
        text += &format!("  is       {name}\n");
    }
    text += &format!("  taker    {}\n  why      {}\n", row.taker, row.why);
    if let Some(change) = row.change {
        text += &format!("  changed  {change}\n");
    }
    if let Some(why) = row.exclusive {
        text += &format!("  reload   in place: {why}\n");
    }
    text
}
