//! Formats findings for people: the line, a marker below it, and a hint.

use crate::reading::finding::{Finding, Level, Place, shown};
use annotate_snippets::{AnnotationKind, Element, Group, Level as Title, Origin, Renderer, Snippet};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use vassal_config::limits::FILE_BYTES;
use vassal_config::machine::system::System;
use vassal_config::machine::world::World;
use vassal_escape::printable;

/// The most of a line that is shown.
const LONGEST: usize = 300;

/// Formats `finding` about `file`.
pub fn render(finding: &Finding, file: &str, colors: bool) -> String {
    let level = match finding.level {
        Level::Error => Title::ERROR,
        Level::Warning => Title::WARNING,
        Level::Note => Title::NOTE,
    };
    let title = level.primary_title(finding.message.as_str());
    let title = match finding.rule {
        Some(rule) => title.id(rule.word()),
        None => title,
    };
    let mut group = Group::with_title(title);
    group = match &finding.place {
        Some(place) => group.element(quoted(place)),
        // Most messages without a place contain the file's name themselves.
        None if file.is_empty() || finding.message.contains(file) => group,
        None => group.element(Origin::path(file)),
    };
    if let Some(hint) = &finding.hint {
        group = group.element(Title::HELP.message(hint.as_str()));
    }
    let renderer = if colors {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&[group]) + "\n\n"
}

/// The marked line at `place`; only the place if the line cannot be read.
fn quoted(place: &Place) -> Element<'static> {
    let path = shown(&place.path);
    let number = place.line as usize;
    let Some((text, from)) = line(place) else {
        return Element::from(Origin::path(path).line(number).char_column(place.column as usize));
    };
    let to = text.len();
    let mark = AnnotationKind::Primary.span(from.min(to)..to);
    Element::from(
        Snippet::source(text)
            .path(path)
            .line_start(number)
            .annotation(mark),
    )
}

/// The text of a line without control characters, and the offset in it at which the place begins.
fn line(place: &Place) -> Option<(String, usize)> {
    let world = System::new([].into(), PathBuf::from("/")).without_sources();
    let path = std::path::absolute(&place.path).ok()?.into_os_string().into_vec();
    let text = world.read_file(&path, FILE_BYTES).ok()?;
    let line = text
        .split(|byte| *byte == b'\n')
        .nth(place.line.checked_sub(1)? as usize)?;
    let line = line.trim_ascii_end();
    let shortened = line.get(..LONGEST).unwrap_or(line);
    let blanks: Vec<u8> = shortened
        .iter()
        .map(|byte| if *byte == b'\t' { b' ' } else { *byte })
        .collect();
    let before = blanks.get(..(place.column as usize).checked_sub(1)?)?;
    let (before, whole) = (printable(before), printable(&blanks));
    (before.len() < whole.len()).then_some((whole, before.len()))
}
