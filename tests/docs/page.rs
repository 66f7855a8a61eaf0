//! The text of a man page. Tests of other crates, which compare a page with their own data, have this file, too.

use std::collections::BTreeSet;

/// What stands between the first `start` and the next `end`.
///
/// # Panics
///
/// When one of them is missing: the source or page has changed, and so must the test.
pub fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no '{start}'")) + start.len();
    let length = text[from..]
        .find(end)
        .unwrap_or_else(|| panic!("no '{end}' after '{start}'"));
    &text[from..from + length]
}

/// The section of a man page, or from its heading to the next section.
pub fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    between(page, &format!("{heading}\n"), "\n.SH ")
}

/// The lines of a man page that are bold or begin so: names, not prose.
pub fn bold(page: &str) -> String {
    let lines: Vec<_> = page.lines().filter(|line| line.starts_with(".B")).collect();
    lines.join("\n")
}

/// The words of a man page's text, with its hyphens as hyphens.
pub fn words(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    text.replace("\\-", "-")
        .split(|character| !is_part(character))
        .map(str::to_owned)
        .collect()
}

/// Asserts that every one of `names` is among the words of `text`.
///
/// # Panics
///
/// When there are no names at all, or one is missing.
pub fn all_named(names: &BTreeSet<String>, text: &str, place: &str) {
    assert!(names.len() > 2, "too few names were found for {place}: {names:?}");
    let words = words(text);
    let missing: Vec<_> = names.iter().filter(|name| !words.contains(*name)).collect();
    assert!(missing.is_empty(), "not in {place}: {missing:?}");
}
