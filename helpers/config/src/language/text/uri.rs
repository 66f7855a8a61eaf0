//! The sources of texts: files, and URIs with a scheme (S5, S8).

use crate::limits::FILE_BYTES;
use crate::machine::world::{ReadError, World};

/// The source of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    File(&'a [u8]),
    StandardInput,
    /// `exec://COMMAND`
    Command(&'a [u8]),
    /// `fd://N`
    Descriptor(&'a [u8]),
    /// `http://ADDRESS`
    Address(&'a [u8]),
    /// Another scheme, which uWSGI reads from its own binary or process.
    Inside(&'static str),
}

/// Schemes that only the running uWSGI can answer, with what to say about them.
const INSIDE: [(&[u8], &str); 6] = [
    (b"data://", "data:// reads what was appended to the uWSGI binary"),
    (b"sym://", "sym:// reads a symbol of the uWSGI binary"),
    (b"section://", "section:// reads a section of the uWSGI binary"),
    (b"call://", "call:// calls a function of the uWSGI process"),
    (b"callint://", "callint:// calls a function of the uWSGI process"),
    (b"emperor://", "emperor:// asks the Emperor, which systemd is now"),
];

impl<'a> Source<'a> {
    /// Parses a source. A scheme that is unknown makes it a plain path (S8).
    pub(crate) fn parse(argument: &'a [u8]) -> Self {
        if argument == b"-" {
            return Source::StandardInput;
        }
        if let Some(command) = argument.strip_prefix(b"exec://") {
            return Source::Command(command);
        }
        if let Some(number) = argument.strip_prefix(b"fd://") {
            return Source::Descriptor(number);
        }
        if let Some(address) = argument.strip_prefix(b"http://") {
            return Source::Address(address);
        }
        match INSIDE.iter().find(|(scheme, _)| argument.starts_with(scheme)) {
            Some((_, what)) => Source::Inside(what),
            None => Source::File(argument),
        }
    }

    /// Whether it is a file; for other sources the file's magic variables are unchanged (S8).
    pub(crate) fn is_file(self) -> bool {
        matches!(self, Source::File(_))
    }

    /// Reads the text.
    ///
    /// # Errors
    /// The error of `world`; or that the source does not exist here.
    pub(crate) fn read(self, world: &dyn World) -> Result<Vec<u8>, ReadError> {
        match self {
            Source::File(path) => world.read_file(path, FILE_BYTES),
            Source::StandardInput => world.read_fd(0, FILE_BYTES),
            Source::Command(command) => world.run(command, FILE_BYTES),
            Source::Address(address) => world.fetch(address, FILE_BYTES),
            Source::Inside(why) => Err(ReadError::Refused { why }),
            Source::Descriptor(number) => match u32::try_from(crate::bytes::number::leading_i32(number)) {
                Ok(fd) => world.read_fd(fd, FILE_BYTES),
                Err(_) => Err(ReadError::Refused {
                    why: "fd:// takes the number of a descriptor",
                }),
            },
        }
    }
}

/// Splits `FILE:SECTION` (S5) at the last colon; with a scheme, only a colon after the last slash counts. `FILE:` names
/// no section.
pub(crate) fn split_section(argument: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some((source, section)) = crate::bytes::split::split_last(argument, b':') else {
        return (argument, None);
    };
    let is_scheme = !Source::parse(argument).is_file();
    if is_scheme && section.contains(&b'/') {
        return (argument, None);
    }
    (source, Some(section).filter(|section| !section.is_empty()))
}

/// Removes one final LF or CR, which does not belong to the text of `@()` (E6).
pub(crate) fn without_final_line_end(mut text: Vec<u8>) -> Vec<u8> {
    if let Some(b'\n' | b'\r') = text.last() {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_told_from_paths() {
        const CASES: &[(&str, Source<'static>)] = &[
            ("a.ini", Source::File(b"a.ini")),
            ("-", Source::StandardInput),
            ("exec://cat x", Source::Command(b"cat x")),
            ("fd://3", Source::Descriptor(b"3")),
            ("http://h/x", Source::Address(b"h/x")),
            ("foo://b.ini", Source::File(b"foo://b.ini")),
            ("Exec://x", Source::File(b"Exec://x")),
        ];
        for (argument, wanted) in CASES {
            assert_eq!(Source::parse(argument.as_bytes()), *wanted, "{argument}");
        }
        assert!(matches!(Source::parse(b"data://0"), Source::Inside(_)));
    }

    #[test]
    fn the_last_colon_asks_for_a_section() {
        const CASES: &[(&str, &str, Option<&str>)] = &[
            ("a.ini", "a.ini", None),
            ("a.ini:app", "a.ini", Some("app")),
            ("a.ini:", "a.ini", None),
            ("a:b/c.ini", "a", Some("b/c.ini")),
            ("a:b/c.ini:uwsgi", "a:b/c.ini", Some("uwsgi")),
            (":app", "", Some("app")),
            ("exec://cat ./b.ini:alt", "exec://cat ./b.ini", Some("alt")),
            ("exec://cat a:b/c", "exec://cat a:b/c", None),
        ];
        for (argument, source, section) in CASES {
            let wanted = (source.as_bytes(), section.map(str::as_bytes));
            assert_eq!(split_section(argument.as_bytes()), wanted, "{argument}");
        }
    }

    #[test]
    fn one_final_line_end_is_cut() {
        for (text, wanted) in [
            ("x\n", "x"),
            ("x\r\n", "x\r"),
            ("x\n\n", "x\n"),
            ("x\r", "x"),
            ("x", "x"),
            ("", ""),
        ] {
            assert_eq!(without_final_line_end(text.into()), wanted.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn the_inside_of_another_process_is_not_read() {
        let world = crate::machine::fake::FakeWorld::with(&[]);
        assert!(matches!(
            Source::parse(b"emperor://a.ini").read(&world),
            Err(ReadError::Refused { .. })
        ));
        assert!(matches!(
            Source::parse(b"fd://-1").read(&world),
            Err(ReadError::Refused { .. })
        ));
        assert_eq!(Source::parse(b"fd://7x").read(&world), Ok(b"from 7\n".to_vec()));
    }
}
