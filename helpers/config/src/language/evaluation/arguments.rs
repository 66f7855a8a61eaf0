//! Arguments, as getopt_long(3) reads them for uWSGI (A1, A3).

use crate::bytes::split::split_once;
use crate::diagnostic::quote;
use crate::language::evaluation::custom::Customs;
use crate::options::lookup;
use crate::options::plugins::Plugins;
use crate::options::row::Argument;
use crate::options::table::OPTIONS;

/// What one step along the arguments finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// An option under its full name; a flag given without a value has none.
    Option { name: Vec<u8>, value: Option<Vec<u8>> },
    /// A bare file name (A3).
    Operand(Vec<u8>),
}

/// The names a command line may use at this point: those of declared options and plugins grow while it is read.
pub(crate) struct Vocabulary<'a> {
    pub(crate) plugins: &'a Plugins,
    pub(crate) customs: &'a Customs,
}

impl Vocabulary<'_> {
    fn names(&self) -> impl Iterator<Item = (&[u8], Argument)> {
        let core = OPTIONS.iter().map(|row| (row.name.as_bytes(), row.argument));
        let plugins = self
            .plugins
            .options()
            .map(|row| (row.name.as_bytes(), row.argument));
        let customs = self.customs.names().map(|name| (name, Argument::Required));
        core.chain(plugins).chain(customs)
    }

    /// The full name of what was written: exactly that, or the only one that starts so.
    fn find(&self, written: &[u8]) -> Result<(Vec<u8>, Argument), String> {
        if let Some(row) = lookup::find(written) {
            return Ok((written.to_vec(), row.argument));
        }
        if let Some((name, argument)) = self.names().find(|(name, _)| *name == written) {
            return Ok((name.to_vec(), argument));
        }
        let mut candidates = self.names().filter(|(name, _)| name.starts_with(written));
        match (candidates.next(), candidates.next()) {
            (Some((name, argument)), None) => Ok((name.to_vec(), argument)),
            (Some(_), Some(_)) => Err(format!("option {} is ambiguous", quoted_long(written))),
            (None, _) => Err(format!("there is no option {}", quoted_long(written))),
        }
    }
}

fn quoted_long(name: &[u8]) -> String {
    quote(&[b"--", name].concat())
}

/// The arguments and how far they were read.
pub(crate) struct Words<'a> {
    rest: std::slice::Iter<'a, Vec<u8>>,
    /// What is left of a word of short letters.
    letters: &'a [u8],
    /// `--` was met.
    only_operands: bool,
}

impl<'a> Words<'a> {
    pub(crate) fn new(arguments: &'a [Vec<u8>]) -> Self {
        Words {
            rest: arguments.iter(),
            letters: b"",
            only_operands: false,
        }
    }

    /// The next option or operand; nothing at the end.
    ///
    /// # Errors
    /// What getopt would complain of.
    pub(crate) fn next(&mut self, vocabulary: &Vocabulary<'_>) -> Result<Option<Word>, String> {
        if !self.letters.is_empty() {
            return self.letter().map(Some);
        }
        let Some(word) = self.rest.next() else {
            return Ok(None);
        };
        match &word[..] {
            operand if self.only_operands => Ok(Some(Word::Operand(operand.to_vec()))),
            b"--" => {
                self.only_operands = true;
                self.next(vocabulary)
            }
            [b'-', b'-', long @ ..] => self.long(long, vocabulary).map(Some),
            [b'-', letters @ ..] if !letters.is_empty() => {
                self.letters = letters;
                self.letter().map(Some)
            }
            operand => Ok(Some(Word::Operand(operand.to_vec()))),
        }
    }

    fn long(&mut self, written: &[u8], vocabulary: &Vocabulary<'_>) -> Result<Word, String> {
        let (written, attached) = match split_once(written, b'=') {
            Some((name, value)) => (name, Some(value.to_vec())),
            None => (written, None),
        };
        let (name, argument) = vocabulary.find(written)?;
        let value = match (argument, attached) {
            (Argument::None, Some(_)) => {
                return Err(format!("option {} takes no argument", quoted_long(&name)));
            }
            (Argument::Required, None) => Some(self.argument(&quoted_long(&name))?),
            (_, attached) => attached,
        };
        Ok(Word::Option { name, value })
    }

    /// One of several letters in a word; an argument is the rest of the word, or the next.
    fn letter(&mut self) -> Result<Word, String> {
        let (&letter, attached) = self.letters.split_first().unwrap_or((&b'-', b""));
        self.letters = attached;
        let written = quote(&[b'-', letter]);
        let row = lookup::find_letter(letter).ok_or_else(|| format!("there is no option {written}"))?;
        let value = match row.argument {
            Argument::None => None,
            Argument::Required if attached.is_empty() => Some(self.argument(&written)?),
            Argument::Optional if attached.is_empty() => None,
            Argument::Required | Argument::Optional => {
                self.letters = b"";
                Some(attached.to_vec())
            }
        };
        Ok(Word::Option {
            name: row.name.into(),
            value,
        })
    }

    fn argument(&mut self, option: &str) -> Result<Vec<u8>, String> {
        self.rest
            .next()
            .cloned()
            .ok_or_else(|| format!("option {option} needs an argument"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::evaluation::custom::Custom;

    /// What the words are, shown as one line.
    fn shown(arguments: &str) -> String {
        let arguments: Vec<Vec<u8>> = arguments
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        let mut customs = Customs::default();
        customs.declare(Custom::parse(b"site=set=a=$1").expect("has a ="));
        let plugins = Plugins::default();
        let vocabulary = Vocabulary {
            plugins: &plugins,
            customs: &customs,
        };
        let mut words = Words::new(&arguments);
        let mut found = Vec::new();
        loop {
            match words.next(&vocabulary) {
                Ok(None) => return found.join(" "),
                Ok(Some(Word::Operand(operand))) => {
                    found.push(format!("<{}>", String::from_utf8_lossy(&operand)))
                }
                Ok(Some(Word::Option { name, value })) => {
                    let value = value.map(|value| format!("={}", String::from_utf8_lossy(&value)));
                    found.push(format!(
                        "{}{}",
                        String::from_utf8_lossy(&name),
                        value.unwrap_or_default()
                    ));
                }
                Err(error) => return error,
            }
        }
    }

    #[test]
    fn arguments_are_read_as_getopt_reads_them() {
        const CASES: &[(&str, &str)] = &[
            ("--socket :1 --ini=a.ini x", "socket=:1 ini=a.ini <x>"),
            ("-M -p 3 -p4", "master processes=3 processes=4"),
            ("-MTp 3", "master enable-threads processes=3"),
            ("-C660 -C 660", "chmod-socket=660 chmod-socket <660>"),
            ("--max-req 5", "max-requests=5"),
            ("--ini -- --master", "ini=-- master"),
            ("-- --master", "<--master>"),
            ("- [x", "<-> <[x>"),
            ("--set a=b --set=c=d", "set=a=b set=c=d"),
            ("--site=x", "site=x"),
            ("--endif --mule", "endif mule"),
            ("--xm 5", "option '--xm' is ambiguous"),
            ("--foo", "there is no option '--foo'"),
            ("-Z", "there is no option '-Z'"),
            ("--master=1", "option '--master' takes no argument"),
            ("--ini", "option '--ini' needs an argument"),
            ("-p", "option '-p' needs an argument"),
            ("--site", "option '--site' needs an argument"),
            ("--psgi x", "there is no option '--psgi'"),
        ];
        for (arguments, wanted) in CASES {
            assert_eq!(shown(arguments), *wanted, "{arguments}");
        }
    }
}
