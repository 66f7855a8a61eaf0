//! Rows with a header, as people read them on a terminal, or as programs do: fields between tabs, and no header.

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aligned, with a header; perhaps colored.
    Terminal {
        /// Whether colors are wanted.
        has_colors: bool,
    },
    /// One tab between two fields.
    Plain,
}

/// How a field stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    #[default]
    Usual,
    /// It is good.
    Good,
    /// It is not quite right.
    Odd,
    /// It is bad.
    Bad,
}

impl Tone {
    /// `text` in the tone's color.
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
    /// A field that stands out.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        let text = text.into();
        Self { text, tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::toned(text, Tone::Usual)
    }
}

/// The rows as text.
pub fn rows<const N: usize>(header: [&str; N], rows: &[[Cell; N]], form: Form) -> String {
    let has_colors = match form {
        Form::Terminal { has_colors } => has_colors,
        Form::Plain => return plain(rows),
    };
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].text.chars().count());
        cells.chain([header[at].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    let header = header.map(Cell::from);
    for row in [&header].into_iter().chain(rows) {
        let mut line = String::new();
        for (at, Cell { text, tone }) in row.iter().enumerate() {
            let shown = if has_colors {
                tone.paint(text)
            } else {
                text.clone()
            };
            let is_last = row[at + 1..].iter().all(|cell| cell.text.is_empty());
            let padding = if is_last {
                0
            } else {
                widths[at] - text.chars().count() + 2
            };
            line += &shown;
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

fn plain<const N: usize>(rows: &[[Cell; N]]) -> String {
    let line = |row: &[Cell; N]| {
        let cells: Vec<_> = row.iter().map(|cell| cell.text.as_str()).collect();
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
            [Cell::from("long"), Cell::from("ok"), Cell::from("")],
        ];
        let header = ["NAME", "STATE", "NOTES"];
        let terminal = |has_colors| rows(header, &cells, Form::Terminal { has_colors });
        assert_eq!(terminal(false), "NAME  STATE  NOTES\na     bad    x\nlong  ok\n");
        assert!(terminal(true).contains("a     \x1b[1;31mbad\x1b[0m    x\n"));
        assert_eq!(rows(header, &cells, Form::Plain), "a\tbad\tx\nlong\tok\t\n");
    }
}
