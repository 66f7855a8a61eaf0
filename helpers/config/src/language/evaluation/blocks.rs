//! A block: `if-...` or `for...` until an end word (C1, C4). What it does to its lines is in `run_block`.

use crate::diagnostic::Origin;
use crate::options::lookup;
use crate::options::row::Kind;

/// A block that is open.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) test: Test,
    /// The opener's value, raw (E2).
    pub(crate) argument: Vec<u8>,
    pub(crate) opener: Vec<u8>,
    pub(crate) origin: Origin,
    /// How many files were being read when it was opened.
    pub(crate) depth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    If(Condition),
    IfNot(Condition),
    For(Loop),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Entry,
    Variable,
    Exists,
    File,
    Directory,
    Plugin,
    Hostname,
    HostnameMatch,
    Reload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loop {
    Words,
    Glob,
    Times,
    Lines,
}

/// Whether the word opens a block.
pub(crate) fn is_opener(key: &[u8]) -> bool {
    lookup::find(key).is_some_and(|row| row.kind == Kind::Opener)
}

/// Whether the word ends one; `end` does although it is no option (C4).
pub(crate) fn is_end(key: &[u8]) -> bool {
    key == b"end" || lookup::find(key).is_some_and(|row| row.kind == Kind::End)
}

impl Test {
    /// What an opener tests, by its canonical name (C1).
    fn parse(canonical: &str) -> Option<Test> {
        let loops = match canonical {
            "for" => Some(Loop::Words),
            "for-glob" => Some(Loop::Glob),
            "for-times" => Some(Loop::Times),
            "for-readline" => Some(Loop::Lines),
            _ => None,
        };
        if let Some(kind) = loops {
            return Some(Test::For(kind));
        }
        let condition = canonical.strip_prefix("if-")?;
        match condition.strip_prefix("not-") {
            Some(negated) => Condition::parse(negated).map(Test::IfNot),
            None => Condition::parse(condition).map(Test::If),
        }
    }
}

impl Condition {
    fn parse(name: &str) -> Option<Condition> {
        Some(match name {
            "opt" => Condition::Entry,
            "env" => Condition::Variable,
            "exists" => Condition::Exists,
            "file" => Condition::File,
            "dir" => Condition::Directory,
            "plugin" => Condition::Plugin,
            "hostname" => Condition::Hostname,
            "hostname-match" => Condition::HostnameMatch,
            "reload" => Condition::Reload,
            _ => return None,
        })
    }
}

impl Block {
    /// Opens a block; nothing when the name opens none.
    pub(crate) fn open(
        canonical: &str,
        opener: &[u8],
        argument: &[u8],
        origin: &Origin,
        depth: usize,
    ) -> Option<Block> {
        let test = Test::parse(canonical)?;
        Some(Block {
            test,
            argument: argument.to_vec(),
            opener: opener.to_vec(),
            origin: origin.clone(),
            depth,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::table::OPTIONS;

    #[test]
    fn every_opener_of_the_table_is_understood() {
        for row in OPTIONS.iter().filter(|row| row.kind == Kind::Opener) {
            assert!(Test::parse(row.canonical).is_some(), "{}", row.name);
        }
        assert_eq!(
            Test::parse("if-not-hostname-match"),
            Some(Test::IfNot(Condition::HostnameMatch))
        );
        assert_eq!(Test::parse("foreach"), None);
    }

    #[test]
    fn end_words_end_and_else_does_not() {
        for word in ["end", "endif", "end-if", "endfor", "end-for"] {
            assert!(is_end(word.as_bytes()), "{word}");
        }
        assert!(!is_end(b"else"));
        assert!(is_opener(b"ifdir") && !is_opener(b"if-uid"));
    }
}
