//! Formats words as a paragraph.

/// The words of `text` in lines of at most `width` characters, each indented by `indent` spaces. A longer word has a
/// line of its own.
pub fn paragraph(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
        .iter()
        .map(|line| format!("{:indent$}{line}\n", ""))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_at_the_margin() {
        assert_eq!(paragraph("one two  three", 2, 9), "  one two\n  three\n");
        assert_eq!(
            paragraph("one incomprehensible", 1, 8),
            " one\n incomprehensible\n"
        );
        assert_eq!(paragraph("all of it", 0, usize::MAX), "all of it\n");
        assert_eq!(paragraph("", 4, 80), "");
    }
}
