//! Formats the result of `vassalctl migrate` for people.

use super::model::{Counts, FATES, Fate, Line, Report};
use crate::render::table::table;

/// Formats every file with its lines, then the summary.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for file in &report.files {
        text += &format!("{}  {}\n", file.file, file.unit);
        let row = |line: &Line| {
            // For these, 'vassalctl options' has more.
            let remark = match line.fate {
                Fate::Native | Fate::Passed => String::new(),
                Fate::Changed | Fate::Ignored | Fate::Refused => line.remark.clone(),
            };
            let place = format!("{}:{}", line.file, line.line);
            [place, word(line.fate).to_owned(), line.option.clone(), remark]
        };
        let rows: Vec<_> = file.options.iter().map(row).collect();
        text += &table(&rows);
        for problem in &file.problems {
            text += &format!("  error: {problem}\n");
        }
        text.push('\n');
    }
    text + &summary(report)
}

fn word(fate: Fate) -> &'static str {
    let found = FATES.iter().find(|(each, _)| *each == fate);
    found.map_or("", |(_, word)| *word)
}

fn summary(report: &Report) -> String {
    let numbers = |name: &str, counts: &Counts, problems: usize| {
        let number = |fate| counts.get(&fate).copied().unwrap_or(0).to_string();
        let [native, passed, changed, ignored, refused] = FATES.map(|(fate, _)| number(fate));
        [
            name.to_owned(),
            native,
            passed,
            changed,
            ignored,
            refused,
            problems.to_string(),
        ]
    };
    let head = [
        "file", "native", "passed", "changed", "ignored", "refused", "errors",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    let files = report.files.iter();
    rows.extend(files.map(|file| numbers(&file.file, &file.counts, file.problems.len())));
    let problems = report.files.iter().map(|file| file.problems.len()).sum();
    rows.push(numbers("all", &report.counts, problems));
    format!("summary\n{}", table(&rows))
}
