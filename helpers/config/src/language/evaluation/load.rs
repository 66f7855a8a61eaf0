//! Reads a configuration file: finds it, replaces its magic variables, and adds its lines one by one (S5 to S8, I1 to
//! I7, M6 to M8).

use std::rc::Rc;

use crate::bytes::replace::TooLong;
use crate::diagnostic::{Diagnostic, Origin, quote};
use crate::language::evaluation::entry::Entry;
use crate::language::evaluation::evaluator::{Evaluator, Outcome};
use crate::language::evaluation::reading::Loader;
use crate::language::expansion::magic::{Magic, Names};
use crate::language::text::lex;
use crate::language::text::source_text::{Joined, Replaced};
use crate::language::text::uri::{Source, split_section};
use crate::limits;
use crate::machine::world::ReadError;
use vassal_escape::printable;

/// The section that is read by default (S1).
const DEFAULT_SECTION: &[u8] = b"uwsgi";

/// A configuration that has been found and read, but not parsed.
struct Opened<'a> {
    name: Rc<[u8]>,
    section: Option<&'a [u8]>,
    text: Vec<u8>,
    /// Whether it also sets the upper case magic variables.
    is_first: bool,
}

impl Evaluator<'_> {
    /// Reads the file that an entry names, and adds its entries.
    pub(crate) fn load(&mut self, argument: &[u8], loader: Loader, origin: &Origin) -> Outcome {
        if loader == Loader::ByEnding {
            self.check_ending(argument, origin)?;
        }
        if self.reading.depth() >= limits::INCLUDE_DEPTH {
            let what = format!(
                "files include each other more than {} deep",
                limits::INCLUDE_DEPTH
            );
            return self.refuse(origin, what);
        }
        let is_by_ending = loader == Loader::ByEnding;
        self.reading.by_ending += usize::from(is_by_ending);
        let opened = self.open(argument, origin)?;
        self.reading.because.push(origin.clone());
        let is_first = opened.is_first;
        self.read_lines(opened, origin)?;
        self.reading.because.pop();
        self.reading.by_ending -= usize::from(is_by_ending);
        if let (true, Some(first)) = (is_first, self.reading.first.as_mut()) {
            // The name has no section only while the file is being read.
            first.argument = argument.to_vec();
        }
        Ok(())
    }

    /// Checks the format, which is the ending of the whole argument (I2). Only INI is supported.
    fn check_ending(&self, argument: &[u8], origin: &Origin) -> Outcome {
        const OTHERS: [&[u8]; 5] = [b".xml", b".yaml", b".yml", b".json", b".js"];
        if argument.ends_with(b".ini") {
            return Ok(());
        }
        let name = quote(argument);
        if OTHERS.iter().any(|ending| argument.ends_with(ending)) {
            return self.refuse(origin, format!("cannot read {name}: only INI files are read"));
        }
        let error = Diagnostic::error(
            Some(origin.clone()),
            format!("cannot tell the format of {name} by its ending"),
        );
        Err(error
            .with_hint("'ini =' reads any file, and takes a section")
            .into())
    }

    /// Reads the text, and sets the magic variables that describe the file.
    fn open<'a>(&mut self, argument: &'a [u8], origin: &Origin) -> Outcome<Opened<'a>> {
        let (named, section) = split_section(argument);
        let is_again = named.is_empty() && !argument.is_empty(); // S7
        let again = self.reading.last.clone();
        let source = match (is_again, &again) {
            (false, _) => named,
            (true, Some(last)) => &last[..],
            (true, None) => {
                return self.refuse(
                    origin,
                    format!("{} names no file, and none was read yet", quote(argument)),
                );
            }
        };
        let text = match self.found(source, is_again, section) {
            Ok(text) => text,
            Err(ReadError::Directory) => Vec::new(), // I4
            Err(reason) => return self.refuse(origin, format!("cannot read {}: {reason}", quote(source))),
        };
        self.account(text.len(), origin)?;
        let keeps_names = !is_again && !Source::parse(source).is_file();
        let is_first = self.reading.by_ending == 0 && self.reading.first.is_none() && !keeps_names;
        if is_first {
            self.reading.first = Some(self.reading.current.clone());
        }
        let name = Rc::from(source);
        self.reading.last = Some(source.to_vec());
        Ok(Opened {
            name,
            section,
            text,
            is_first,
        })
    }

    /// Reads the text and updates the magic variables: all of them for a file (M6), only `%x` for another section (S7),
    /// only `%o` otherwise.
    fn found(&mut self, source: &[u8], is_again: bool, section: Option<&[u8]>) -> Result<Vec<u8>, ReadError> {
        let parsed = Source::parse(source);
        if is_again {
            self.reading.current.argument = Vec::new();
            self.reading.current.section = section.unwrap_or_default().to_vec();
        } else if parsed.is_file() {
            self.reading.current = Names::of_file(self.world, source, section);
        } else {
            self.reading.current.argument = source.to_vec();
        }
        parsed.read(self.world)
    }

    /// Replaces the magic variables in the text, and adds the lines of the section.
    fn read_lines(&mut self, opened: Opened<'_>, origin: &Origin) -> Outcome {
        let mut joined = Joined::default();
        self.inject(&mut joined, &self.reading.before.clone(), origin)?;
        joined.push(&opened.name, &opened.text);
        self.inject(&mut joined, &self.reading.after.clone(), origin)?;
        let text = self.replaced(joined, origin)?;
        let section = opened.section.unwrap_or(DEFAULT_SECTION);
        let mut is_empty = true;
        for line in lex::lines(text.bytes()).filter(|line| line.section == section) {
            is_empty = false;
            let origin = text.origin(line.offset).unwrap_or_else(|| origin.clone());
            self.add(Entry::new(line.key.to_vec(), Some(line.value.to_vec()), origin))?;
        }
        if is_empty {
            let what = format!(
                "there is nothing in section [{}] of {}",
                printable(section),
                quote(&opened.name)
            );
            self.warn(Diagnostic::warning(Some(origin.clone()), what)); // S6
        }
        self.warn_of_open_block();
        Ok(())
    }

    fn inject(&mut self, joined: &mut Joined, sources: &[Vec<u8>], origin: &Origin) -> Outcome {
        for source in sources {
            let text = self.read_source(source, origin)?;
            joined.push(&Rc::from(&source[..]), &text);
        }
        Ok(())
    }

    fn replaced(&self, joined: Joined, origin: &Origin) -> Outcome<Replaced> {
        let unset = Names::default();
        let first = self.reading.first.as_ref().unwrap_or(&unset);
        let magic = Magic {
            world: self.world,
            current: &self.reading.current,
            first,
        };
        let mut text = Replaced::new(joined);
        match text.replace(|rest| magic.step(rest)) {
            Ok(()) => Ok(text),
            Err(TooLong) => self.refuse(origin, "the text becomes too long with magic variables replaced"),
        }
    }

    /// Reads a text that is not a configuration: for `@(...)` or `inject-before`. A directory counts as empty.
    pub(crate) fn read_source(&mut self, source: &[u8], origin: &Origin) -> Outcome<Vec<u8>> {
        match Source::parse(source).read(self.world) {
            Ok(text) => {
                self.account(text.len(), origin)?;
                Ok(text)
            }
            Err(reason) => self.refuse(origin, format!("cannot read {}: {reason}", quote(source))),
        }
    }

    /// Counts a text against the limits.
    pub(crate) fn account(&mut self, bytes: usize, origin: &Origin) -> Outcome {
        self.reading.files += 1;
        self.reading.bytes += bytes;
        if self.reading.files > limits::FILES {
            return self.refuse(origin, format!("more than {} files are read", limits::FILES));
        }
        if self.reading.bytes > limits::TEXT_BYTES {
            return self.refuse(origin, format!("more than {} bytes are read", limits::TEXT_BYTES));
        }
        Ok(())
    }

    /// Warns about a block that a file opens and does not end: it continues after the file (C4), which is rarely meant.
    fn warn_of_open_block(&mut self) {
        let Some(block) = self
            .block
            .as_ref()
            .filter(|block| block.depth == self.reading.depth())
        else {
            return;
        };
        let what = format!(
            "{} has no end in this file, and goes on behind it",
            quote(&block.opener)
        );
        self.warn(Diagnostic::warning(Some(block.origin.clone()), what));
    }
}

#[cfg(test)]
mod tests;
