//! Formats aligned columns.

/// Formats rows; they are indented by two spaces, and so are columns separated.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            line += &format!("  {cell:<width$}", width = width(at));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_nothing_trails() {
        let rows = [["a", "b\u{e9}", ""], ["long", "x", "end"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "  a     b\u{e9}\n  long  x   end\n");
    }
}
