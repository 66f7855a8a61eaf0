//! Lint: a section with a misspelled name, or a directive that systemd does not know. Neither has any effect.

use crate::lints::scene::{Remark, Scene};
use crate::lints::spelling::unit_directives::{SERVICE, UNIT};
use crate::lints::spelling::written::texts;
use crate::reading::finding::Finding;
use crate::reading::nearest::nearest;
use crate::reading::rule::Rule;
use std::collections::BTreeSet;
use vassal_config::diagnostic::{Origin, quote};
use vassal_config::language::text::lex::{Line, lines};
use vassal_escape::printable;

/// The sections that are read.
const SECTIONS: [&str; 4] = ["Service", "Unit", "uwsgi", "vassal"];

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let written = texts(scene);
    let mut findings = Vec::new();
    for (name, text) in written.all() {
        let mut told = BTreeSet::new();
        for line in lines(text) {
            let said = match directives(line.section) {
                Some(known) => directive(known, &line),
                None if told.insert(line.section) => section(line.section),
                None => None,
            };
            let origin = Origin::File {
                name: name.into(),
                line: line.line,
                column: line.column,
            };
            findings.extend(said.map(|said| said.at(Some(&origin), scene)));
        }
    }
    findings
}

fn directives(section: &[u8]) -> Option<&'static [&'static str]> {
    match section {
        b"Service" => Some(SERVICE),
        b"Unit" => Some(UNIT),
        _ => None,
    }
}

/// A section with another name may be used by an `ini = FILE:NAME` line.
fn section(name: &[u8]) -> Option<Remark> {
    let shown = printable(name);
    if SECTIONS.contains(&shown.as_str()) {
        return None;
    }
    let small = shown.to_ascii_lowercase();
    let is_it = |known: &&str| {
        let known = known.to_ascii_lowercase();
        known == small || nearest(&small, [known.as_str()].into_iter()).is_some()
    };
    let meant = SECTIONS.into_iter().find(is_it)?;
    let message = format!("nothing reads the section {}", quote(name));
    Some(Remark::warning(
        Rule::UnknownSection,
        message,
        format!("did you mean [{meant}]? Names of sections are exact"),
    ))
}

fn directive(known: &[&'static str], line: &Line<'_>) -> Option<Remark> {
    let name = printable(line.key);
    // systemd ignores names that begin with X-, which are for other programs.
    if known.binary_search(&name.as_str()).is_ok() || name.starts_with("X-") {
        return None;
    }
    let message = format!(
        "systemd 252 and 257 know no directive {}, and ignore it",
        quote(line.key)
    );
    let hint = match nearest(&name, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}=?"),
        None => "see systemd.directives(7); a later version may know it".to_owned(),
    };
    Some(Remark::warning(Rule::UnknownDirective, message, hint))
}
