//! Executes a block: determines the rounds in which a line of its body is added (C2 to C13).

use crate::bytes::number;
use crate::bytes::split::split_once;
use crate::diagnostic::{Diagnostic, quote};
use crate::language::evaluation::blocks::{Block, Condition, Loop, Test};
use crate::language::evaluation::evaluator::{Evaluator, Outcome};
use crate::language::expansion::glob;
use crate::language::text::hostname;
use crate::language::text::hostname::Answer;
use crate::limits;
use crate::machine::world::ReadError;

/// The contexts of a block's rounds; a body line is added once for each.
pub(crate) enum Rounds {
    /// A condition: one round, with or without a context, or none.
    Once(std::option::IntoIter<Option<Vec<u8>>>),
    /// A loop over texts.
    Each(std::vec::IntoIter<Vec<u8>>),
    /// `for-times`.
    Count(std::ops::RangeInclusive<i32>),
}

impl Iterator for Rounds {
    type Item = Option<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Rounds::Once(context) => context.next(),
            Rounds::Each(contexts) => contexts.next().map(Some),
            Rounds::Count(numbers) => numbers.next().map(|number| Some(number.to_string().into_bytes())),
        }
    }
}

impl Block {
    /// Evaluates the block for a line of its body (C2).
    pub(crate) fn rounds(&self, evaluator: &mut Evaluator<'_>) -> Outcome<Rounds> {
        let (condition, wanted) = match self.test {
            Test::If(condition) => (condition, true),
            Test::IfNot(condition) => (condition, false),
            Test::For(kind) => return self.loop_rounds(kind, evaluator),
        };
        let (holds, context) = self.judge(condition, evaluator)?;
        Ok(Rounds::Once((holds == wanted).then_some(context).into_iter()))
    }

    /// Whether a condition is true, and the value of `%(_)`, also for the negated condition.
    fn judge(&self, condition: Condition, evaluator: &mut Evaluator<'_>) -> Outcome<(bool, Option<Vec<u8>>)> {
        let argument = &self.argument[..];
        let world = evaluator.world;
        let holds = match condition {
            Condition::Entry => return Ok(compare(argument, |name| evaluator.list.value(name))),
            Condition::Variable => return Ok(compare(argument, |name| evaluator.variable(name))),
            // The environment of the start: early-envdir has no influence here (C8).
            Condition::Reload => {
                return Ok((
                    world
                        .environment()
                        .iter()
                        .any(|(name, _)| name == b"UWSGI_RELOADS"),
                    None,
                ));
            }
            Condition::Exists => world.is_readable(argument),
            Condition::File => world.is_file(argument),
            Condition::Directory => world.is_dir(argument),
            Condition::Plugin => evaluator.plugins.is_loaded(argument),
            Condition::Hostname => world.hostname() == argument,
            Condition::HostnameMatch => self.matches_hostname(evaluator)?,
        };
        Ok((holds, Some(argument.to_vec())))
    }

    /// As in 2.0.21; 2.0.28 never matches, by mistake (C9).
    fn matches_hostname(&self, evaluator: &mut Evaluator<'_>) -> Outcome<bool> {
        match hostname::ask(&self.argument, &evaluator.world.hostname()) {
            Answer::Matches => Ok(true),
            Answer::Differs => Ok(false),
            Answer::Invalid => {
                let what = format!(
                    "{} is no regular expression, and so matches every host",
                    quote(&self.argument)
                );
                evaluator.warn(Diagnostic::warning(Some(self.origin.clone()), what));
                Ok(true)
            }
            Answer::Undecided => {
                let what = format!(
                    "cannot decide whether {} matches this host",
                    quote(&self.argument)
                );
                let hint = match std::str::from_utf8(&self.argument) {
                    Ok(_) => "this matcher knows no look-around, back references and the like",
                    Err(_) => "it is not UTF-8",
                };
                Err(Diagnostic::error(Some(self.origin.clone()), what)
                    .with_hint(hint)
                    .into())
            }
        }
    }

    fn loop_rounds(&self, kind: Loop, evaluator: &mut Evaluator<'_>) -> Outcome<Rounds> {
        let contexts: Vec<Vec<u8>> = match kind {
            Loop::Times => return Ok(Rounds::Count(1..=number::leading_i32(&self.argument))),
            Loop::Words => {
                let words = self
                    .argument
                    .split(|&byte| byte == b' ')
                    .filter(|word| !word.is_empty());
                words.map(<[u8]>::to_vec).collect()
            }
            Loop::Glob => self.glob(evaluator)?,
            Loop::Lines => self.lines(evaluator)?,
        };
        Ok(Rounds::Each(contexts.into_iter()))
    }

    fn glob(&self, evaluator: &mut Evaluator<'_>) -> Outcome<Vec<Vec<u8>>> {
        match glob::matches(&self.argument, evaluator.world, &mut evaluator.glob_names) {
            Some(found) => Ok(found),
            None => {
                let what = format!(
                    "{} looks at more than {} names",
                    quote(&self.opener),
                    limits::GLOB_NAMES
                );
                evaluator.refuse(&self.origin, what)
            }
        }
    }

    /// The lines for `for-readline`; if the file cannot be read, that is only logged (C12).
    fn lines(&self, evaluator: &mut Evaluator<'_>) -> Outcome<Vec<Vec<u8>>> {
        match evaluator.world.read_file(&self.argument, limits::FILE_BYTES) {
            Ok(text) => {
                evaluator.account(text.len(), &self.origin)?;
                Ok(text
                    .split_inclusive(|&byte| byte == b'\n')
                    .flat_map(pieces)
                    .collect())
            }
            Err(ReadError::Directory) => Ok(Vec::new()),
            Err(reason) => {
                let what = format!("cannot read {}: {reason}, skipping", quote(&self.argument));
                evaluator.warn(Diagnostic::warning(Some(self.origin.clone()), what));
                Ok(Vec::new())
            }
        }
    }
}

/// Compares `NAME` or `NAME=VALUE` with the present value (C5, C6), which becomes the context.
fn compare<'v>(argument: &[u8], value: impl Fn(&[u8]) -> Option<&'v [u8]>) -> (bool, Option<Vec<u8>>) {
    let (name, wanted) = match split_once(argument, b'=') {
        Some((name, wanted)) => (name, Some(wanted)),
        None => (argument, None),
    };
    let found = value(name);
    let holds = found.is_some_and(|found| wanted.is_none_or(|wanted| wanted == found));
    (holds, found.map(<[u8]>::to_vec))
}

/// Splits a line as `for-readline` does: into pieces if it is long, each without CR and LF at its end, and ended by a
/// NUL (C12).
fn pieces(line: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    line.chunks(limits::READLINE_PIECE).map(|piece| {
        let text = piece.split(|&byte| byte == 0).next().unwrap_or_default();
        let end = text
            .iter()
            .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
            .map_or(0, |last| last + 1);
        text.get(..end).unwrap_or_default().to_vec()
    })
}

#[cfg(test)]
mod tests;
