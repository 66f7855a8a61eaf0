//! Formats rows: in columns with a header for people, or with tabs and without a header for programs.

use std::borrow::Cow;

/// The form of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Whether columns are aligned; otherwise fields are separated by one tab.
    pub is_aligned: bool,
    /// Whether aligned columns have a header.
    pub has_legend: bool,
    /// Whether there are colors.
    pub has_colors: bool,
}

/// How a field is highlighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    #[default]
    Usual,
    /// As good.
    Good,
    /// As not quite right.
    Odd,
    /// As bad.
    Bad,
}

impl Tone {
    /// `text` in the color of this tone.
    pub fn paint(self, text: &str) -> String {
        match self {
            Tone::Usual => text.to_owned(),
            Tone::Good => format!("\x1b[32m{text}\x1b[0m"),
            Tone::Odd => format!("\x1b[33m{text}\x1b[0m"),
            Tone::Bad => format!("\x1b[1;31m{text}\x1b[0m"),
        }
    }
}

/// A field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A field with a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        let text = text.into();
        Self { text, tone }
    }

    fn shown(&self, form: Form) -> Cow<'_, str> {
        match form.has_colors && !self.text.is_empty() {
            true => self.tone.paint(&self.text).into(),
            false => self.text.as_str().into(),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::toned(text, Tone::Usual)
    }
}

/// Formats the rows.
pub fn rows<const N: usize>(header: [&str; N], rows: &[[Cell; N]], form: Form) -> String {
    if !form.is_aligned {
        return plain(rows, form);
    }
    let header = form.has_legend.then(|| header.map(Cell::from));
    let all = || header.iter().chain(rows);
    let width = |at: usize| {
        let cells = all().map(|row| row[at].text.chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let is_last = row[at + 1..].iter().all(|cell| cell.text.is_empty());
            let padding = if is_last {
                0
            } else {
                widths[at] - cell.text.chars().count() + 2
            };
            line += &cell.shown(form);
            line.extend(std::iter::repeat_n(' ', padding));
            if is_last {
                break;
            }
        }
        text += &line;
        text.push('\n');
    }
    text
}

fn plain<const N: usize>(rows: &[[Cell; N]], form: Form) -> String {
    let line = |row: &[Cell; N]| {
        let cells: Vec<_> = row.iter().map(|cell| cell.shown(form)).collect();
        cells.join("\t") + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_for_people_and_tabbed_for_programs() {
        let cells = [
            [Cell::from("a"), Cell::toned("bad", Tone::Bad), Cell::from("x")],
            [Cell::from("long"), Cell::from("ok"), Cell::toned("", Tone::Odd)],
        ];
        let header = ["NAME", "STATE", "NOTES"];
        let form = |is_aligned, has_legend, has_colors| {
            let form = Form {
                is_aligned,
                has_legend,
                has_colors,
            };
            rows(header, &cells, form)
        };
        assert_eq!(
            form(true, true, false),
            "NAME  STATE  NOTES\na     bad    x\nlong  ok\n"
        );
        assert_eq!(form(true, false, false), "a     bad  x\nlong  ok\n");
        assert!(form(true, true, true).contains("a     \x1b[1;31mbad\x1b[0m    x\n"));
        assert_eq!(form(false, false, false), "a\tbad\tx\nlong\tok\t\n");
        assert_eq!(
            form(false, false, true),
            "a\t\x1b[1;31mbad\x1b[0m\tx\nlong\tok\t\n"
        );
    }
}
