//! Cases: files, arguments and environment, each of one of the kinds that the report counts.

use std::fmt;

use crate::arguments;
use crate::grammar::configuration;
use crate::mutate::mutated;
use crate::random::Random;
use crate::soup;

/// What printed lines start with, to be told from the log.
pub const MARK: &[u8] = b"PRN";

/// How a case came about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Files grown from the grammar, and a command line.
    Grammar,
    /// The same, and the command line of a vassal as the Emperor writes it (V1).
    Vassal,
    /// Such files, or those of the corpus, with some bytes changed.
    Mutated,
    /// Bytes without any plan.
    Soup,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Grammar, Kind::Vassal, Kind::Mutated, Kind::Soup];

    /// Two of five cases are about bytes.
    fn pick(random: &mut Random) -> Kind {
        match random.below(20) {
            0..=8 => Kind::Grammar,
            9..=11 => Kind::Vassal,
            12..=15 => Kind::Mutated,
            _ => Kind::Soup,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Grammar => "grammar",
            Kind::Vassal => "vassal",
            Kind::Mutated => "mutated",
            Kind::Soup => "soup",
        }
    }
}

/// One case: files, arguments and environment.
pub struct Case {
    pub kind: Kind,
    pub files: Vec<(String, Vec<u8>)>,
    pub links: Vec<(String, String)>,
    pub args: Vec<Vec<u8>>,
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
        writeln!(out, "kind {}", self.kind.name())?;
        for (name, value) in &self.environment {
            writeln!(out, "env {}={}", show(name), show(value))?;
        }
        writeln!(
            out,
            "args {:?}",
            self.args.iter().map(|arg| show(arg)).collect::<Vec<_>>()
        )?;
        // What is in the tree is always the same.
        for (name, text) in self.files.iter().filter(|(name, _)| !name.contains("tree/")) {
            writeln!(out, "== {name}\n{}", show(text).replace("\\n", "\n"))?;
        }
        Ok(())
    }
}

/// One case.
pub fn case(random: &mut Random) -> Case {
    let kind = Kind::pick(random);
    let mut files = match kind {
        Kind::Grammar | Kind::Vassal => grown(random),
        Kind::Mutated => mutated(random, grown),
        Kind::Soup => vec![("case.ini".to_owned(), soup::text(random))],
    };
    files.extend(read_by_all(random));
    files.iter_mut().for_each(|(_, text)| stop_the_clock(text));
    let links = [
        ("link.ini", "sub/d.ini"),
        ("dangling", "nowhere"),
        ("tree/dangling", "nowhere"),
        ("tree/dir", "b"),
    ];
    Case {
        kind,
        files,
        links: links
            .iter()
            .map(|(name, target)| (name.to_string(), target.to_string()))
            .collect(),
        args: arguments::arguments(random, kind),
        environment: arguments::environment(random),
    }
}

/// `%t` and `%T` are the moment at which the process began (M2): no two processes agree on it.
fn stop_the_clock(text: &mut [u8]) {
    for at in 1..text.len() {
        if text[at - 1] == b'%' && matches!(text[at], b't' | b'T') {
            text[at] = b'v';
        }
    }
}

/// The file of the case and those that it may read, each smaller than the one that reads it.
fn grown(random: &mut Random) -> Vec<(String, Vec<u8>)> {
    ["case.ini", "b.ini", "c.ini", "sub/d.ini"]
        .iter()
        .enumerate()
        .map(|(depth, name)| (name.to_string(), configuration(random, depth)))
        .chain([("empty.ini".to_owned(), Vec::new())])
        .collect()
}

/// What `@()`, `for-readline`, `for-glob`, `inject-before` and `early-envdir` find.
fn read_by_all(random: &mut Random) -> Vec<(String, Vec<u8>)> {
    let changed: &[u8] = if random.once_in(2) { b"changed" } else { b"" };
    let mut files: Vec<(String, Vec<u8>)> = [
        ("f", &b"content %(a)\n"[..]),
        ("g", b"%(b)$(FOO)"),
        ("two", b"l1\n  l2 %(a)\r\n\nl4"),
        ("inj", b"[uwsgi]\ninj = %n %(a)\n"),
        ("empty", b""),
        ("ed/EARLY", b"early \n"),
        ("ed/FOO", changed),
    ]
    .iter()
    .map(|(name, text)| (name.to_string(), text.to_vec()))
    .collect();
    for name in [
        "a", "a.b", "a-/x", "b/x", "b.c", "b-", "A", "[x]", "]", "*", ".hid", "c",
    ] {
        files.push((format!("tree/{name}"), b"1\n".to_vec()));
    }
    files.push(("long".to_owned(), b"y".repeat(random.below(3000))));
    files
}
