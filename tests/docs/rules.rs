//! The rules that comments, tests and documents cite: each has its entry in docs/uwsgi-behaviour.md (how uWSGI behaves)
//! or in ARCHITECTURE.md (decisions, `D8`).

use crate::text::{files, read, root};
use std::collections::{BTreeMap, BTreeSet};

const RULES: &str = "docs/uwsgi-behaviour.md";

/// Families whose ids have a hyphen: these are ids wherever they stand.
const LONG: [&str; 9] = ["ACT", "CFG", "EMP", "EXE", "MPC", "NS", "ORD", "REL", "SEED"];

/// Families of one letter. Other things look the same (`-O2`, `V4(`), so only citations count, see [`cited_in`].
const SHORT: &str = "ACEIKLMOPSTUVX";

/// Where citations are looked for, but for docs/attacks.md and its tests: their rows have ids of their own.
const TOPS: [&str; 6] = ["generator", "helpers", "tests", "units", "packaging/man", "docs"];
const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

/// `ORD-7`, `E8`, `M0.2`: a family, a number, and perhaps a second one.
fn is_rule(word: &str) -> bool {
    let digits =
        |text: &str| !text.is_empty() && text.len() < 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((family, number)) = word.split_once('-') {
        return LONG.contains(&family) && digits(number);
    }
    let Some((family, rest)) = word.split_at_checked(1) else {
        return false;
    };
    let (number, part) = rest.split_once('.').unwrap_or((rest, "0"));
    SHORT.contains(family) && digits(number) && digits(part)
}

fn is_decision(word: &str) -> bool {
    word.strip_prefix('D').is_some_and(|number| {
        (1..3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The words of a text that may be ids, each without the full stop that ends its sentence.
fn candidates(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    text.split(move |c| !is_part(c))
        .map(|word| word.trim_end_matches('.'))
}

/// The parts of a line of a program in which ids are citations: its comment, and what begins a string (the label of a
/// case: `"E8 behind it the chain goes on"`).
fn citations(line: &str, comment: &str) -> Vec<String> {
    let mut parts: Vec<_> = line.split('"').skip(1).step_by(2).map(labels).collect();
    parts.extend(line.split_once(comment).map(|(_, text)| text.to_owned()));
    parts
}

/// The ids that a label begins with.
fn labels(text: &str) -> String {
    let is_id = |word: &&str| is_rule(word.trim_end_matches([',', ':']));
    text.split(' ').take_while(is_id).collect::<Vec<_>>().join(" ")
}

/// The text of a file in which ids are citations; none for a file that has none.
fn cited_in(path: &str) -> Option<String> {
    if path.ends_with("/info") {
        return Some(labels(&read(path)));
    }
    let (_, ending) = path.rsplit_once('.')?;
    let by_line = |comment: &str| {
        read(path)
            .lines()
            .flat_map(|line| citations(line, comment))
            .collect::<Vec<_>>()
            .join(" ")
    };
    match ending {
        "rs" => Some(by_line("//")),
        "toml" | "py" => Some(by_line("#")),
        "md" | "5" | "7" | "8" | "service" => Some(read(path).replace("\\-", "-")),
        _ => None,
    }
}

fn sources() -> Vec<String> {
    let below = TOPS
        .iter()
        .filter(|top| root().join(top).exists())
        .flat_map(|top| files(top, ""));
    let is_text = |path: &String| {
        let is_case = path.contains("corpus/cases/") && !path.ends_with("/info");
        let is_attack = path == "docs/attacks.md" || path.starts_with("tests/machines/attacks/");
        !is_case && !is_attack && !path.ends_with("Cargo.lock") && !path.contains("/target/")
    };
    below
        .filter(is_text)
        .chain(DOCUMENTS.map(str::to_owned))
        .collect()
}

/// Every id that `is_id` knows, with the files that cite it. A range ("REL-1 to REL-9") cites what is between, too.
fn cited(is_id: fn(&str) -> bool) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources() {
        let Some(text) = cited_in(&path) else { continue };
        let words: Vec<_> = candidates(&text).filter(|word| !word.is_empty()).collect();
        let ranges = words
            .windows(3)
            .filter(|three| three[1] == "to")
            .flat_map(|three| between(three[0], three[2]));
        let single = words
            .iter()
            .filter(|word| is_id(word))
            .map(|word| (*word).to_owned());
        for id in single.chain(ranges.filter(|id| is_id(id))) {
            found.entry(id).or_default().insert(path.clone());
        }
    }
    found
}

fn between(first: &str, last: &str) -> Vec<String> {
    let family = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = |word: &str| word.strip_prefix(family)?.parse::<u32>().ok();
    match (number(first), number(last)) {
        (Some(first), Some(last)) if !family.is_empty() => {
            (first..=last).map(|number| format!("{family}{number}")).collect()
        }
        _ => Vec::new(),
    }
}

/// The first cells of the document's tables.
fn entries(document: &str) -> Vec<String> {
    let first = |line: &str| Some(line.strip_prefix("| ")?.split_once(" | ")?.0.to_owned());
    read(document)
        .lines()
        .filter_map(first)
        .filter(|cell| is_rule(cell))
        .collect()
}

#[test]
fn every_rule_that_is_cited_is_in_the_list_of_rules() {
    let entries: BTreeSet<_> = entries(RULES).into_iter().collect();
    let cited = cited(is_rule);
    assert!(cited.len() > 100, "only {} rules are cited", cited.len());
    let missing: Vec<_> = cited.iter().filter(|(id, _)| !entries.contains(*id)).collect();
    assert!(missing.is_empty(), "cited, but not in {RULES}: {missing:#?}");
}

#[test]
fn every_rule_is_in_the_list_once() {
    let mut seen = BTreeSet::new();
    for id in entries(RULES) {
        assert!(seen.insert(id.clone()), "{RULES} has {id} twice");
    }
}

#[test]
fn every_recorded_run_that_shows_a_rule_exists() {
    let cases: BTreeSet<_> = std::fs::read_dir(root().join("tests/corpus/cases"))
        .expect("the cases")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.split_once('-')?.0.to_owned()))
        .collect();
    let text = read(RULES);
    let shown = text.lines().filter_map(|line| {
        let (id, rest) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        (is_rule(id) && !id.starts_with('X')).then(|| rest.rsplit_once("| "))?
    });
    let words = shown.flat_map(|(_, cell)| cell.split([',', ';', ' ']));
    let numbers: BTreeSet<_> = words
        .filter(|word| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    assert!(numbers.len() > 100, "{numbers:?}");
    for number in numbers {
        assert!(
            cases.contains(number),
            "{RULES} names case {number}, which does not exist"
        );
    }
}

#[test]
fn every_decision_that_is_cited_is_in_the_architecture_in_order() {
    let text = read("ARCHITECTURE.md");
    let decisions: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### ")?.split(' ').next())
        .filter(|word| is_decision(word))
        .collect();
    let numbers: Vec<_> = decisions
        .iter()
        .filter_map(|id| id[1..].parse::<u32>().ok())
        .collect();
    assert_eq!(
        numbers,
        (1..=u32::try_from(numbers.len()).expect("few")).collect::<Vec<_>>()
    );
    for (id, places) in cited(is_decision) {
        assert!(
            decisions.contains(&id.as_str()),
            "{places:?} cite {id}, which ARCHITECTURE.md does not have"
        );
    }
}
