//! A file grown from the grammar of the dialect: logic, sections, includes, references, `set`, declared options.

use crate::random::Random;
use crate::words::{
    BY_ENDING, DECLARATIONS, ENDS, FILES, GLOBS, KEYS, MAGIC, NAMES, ODD, OPENERS, OPERANDS, OPERATORS, RARE,
    SOURCES, TEXTS, VARIABLES,
};

/// A file of some lines, now and then with a second section, and with odd line ends. The deeper it stands, the fewer lines.
pub fn configuration(random: &mut Random, depth: usize) -> Vec<u8> {
    let mut text = b"[uwsgi]\n".to_vec();
    for _ in 0..1 + random.below(20 / (2 * depth + 1)) {
        let lines = if random.once_in(5 + 5 * depth) {
            block(random, depth)
        } else {
            vec![line(random, depth)]
        };
        for line in lines {
            text.extend(line.into_bytes());
            text.extend_from_slice(if random.once_in(20) { b"\r\n" } else { b"\n" });
        }
        if random.once_in(12) {
            text.extend_from_slice(random.pick(&[
                &b"[s]\n"[..],
                b"[t]\n",
                b"[uwsgi]\n",
                b"[uwsgi] \n",
                b"[other\n",
            ]));
        }
    }
    text
}

/// A block that is closed, as most are.
fn block(random: &mut Random, depth: usize) -> Vec<String> {
    let opener = match random.below(6) {
        0 => format!("for-glob = {}", random.pick(GLOBS)),
        _ => random.pick(OPENERS).to_owned(),
    };
    let mut lines = vec![opener];
    for _ in 0..1 + random.below(3) {
        lines.push(line(random, depth));
    }
    lines.push(random.pick(ENDS).to_owned());
    lines
}

fn line(random: &mut Random, depth: usize) -> String {
    match random.below(40) {
        0..=21 => {
            let key = random.pick(KEYS);
            format!("{key} = {}", value(random, key))
        }
        22 => random.pick(OPENERS).to_owned(),
        23 | 24 => random.pick(ENDS).to_owned(),
        25 | 26 => format!("ini = {}", random.pick(FILES[depth])),
        27 => format!("include = {}", random.pick(BY_ENDING[depth])),
        28 => format!("inherit = {}", random.pick(BY_ENDING[depth])),
        29 | 30 => {
            let key = random.pick(KEYS);
            format!("set = {key}={}", value(random, key))
        }
        31 => {
            let key = random.pick(NAMES);
            format!(
                "{} = {key}={}",
                random.pick(&["set-ph", "set-placeholder"]),
                value(random, key)
            )
        }
        32 => format!(
            "{} = {}",
            random.pick(&["declare-option", "declare-option", "declare-option2"]),
            random.pick(DECLARATIONS)
        ),
        33 => format!("{} = PRN{}", random.pick(&["print", "iprint"]), value(random, "")),
        34 => format!("set = {}", random.pick(OPENERS)),
        35 => format!("; {}", value(random, "")),
        36 => random.pick(KEYS).to_owned(),
        _ => rare(random),
    }
}

fn rare(random: &mut Random) -> String {
    random.pick(RARE).to_owned()
}

/// A value of some pieces for a key. Most references lead to names further on in the alphabet: one that leads back grows
/// until uWSGI has no memory left, and then there is nothing to compare.
fn value(random: &mut Random, key: &str) -> String {
    let mut value = String::new();
    for _ in 0..1 + random.below(3) {
        match random.below(12) {
            0..=3 => value.push_str(random.pick(TEXTS)),
            4..=6 => value.push_str(&format!("%({})", reference(random, key))),
            7 => value.push_str(&format!("$({})", random.pick(VARIABLES))),
            8 => value.push_str(&format!("@({})", random.pick(SOURCES))),
            9 => value.push_str(random.pick(MAGIC)),
            10 if random.once_in(2) => value.push_str(&format!("%({})", expression(random))),
            10 => value.push_str("%(_)"),
            _ => value.push_str(random.pick(ODD)),
        }
    }
    value
}

/// `a + 5 ++` and the like.
fn expression(random: &mut Random) -> String {
    let mut words = vec![random.pick(OPERANDS)];
    for _ in 0..1 + random.below(4) {
        words.push(random.pick(OPERATORS));
        words.push(random.pick(OPERANDS));
    }
    words.join(" ")
}

fn reference(random: &mut Random, key: &str) -> &'static str {
    let names: Vec<&str> = NAMES
        .iter()
        .copied()
        .filter(|name| name.bytes().next() > key.bytes().next())
        .collect();
    if names.is_empty() || random.once_in(30) {
        random.pick(NAMES)
    } else {
        random.pick(&names)
    }
}
