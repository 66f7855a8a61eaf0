//! Finds and replaces references in one value: `$(ENV)`, `@(SOURCE)` and `%(NAME)` (E4, E8).

use std::ops::Range;

use crate::limits::{EXPANSION_BYTES, EXPANSION_STEP};

/// The kind of reference that a pass replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// `$(NAME)`: an environment variable (E5).
    Environment,
    /// `@(SOURCE)`: a file or another source (E6).
    Source,
    /// `%(NAME)`: another entry (E7), or an expression (E9).
    Entry,
}

impl Sign {
    /// The passes, in order (E3).
    pub(crate) const PASSES: [Sign; 3] = [Sign::Environment, Sign::Source, Sign::Entry];

    fn byte(self) -> u8 {
        match self {
            Sign::Environment => b'$',
            Sign::Source => b'@',
            Sign::Entry => b'%',
        }
    }
}

/// How many more bytes all expansions of an evaluation may move.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new() -> Self {
        Budget(EXPANSION_BYTES)
    }

    /// Counts one replacement in a value that is now `length` long. Returns whether the budget was sufficient.
    fn spend(&mut self, length: usize) -> bool {
        match self.0.checked_sub(length.saturating_add(EXPANSION_STEP)) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}

/// Why an expansion was given up.
#[derive(Debug)]
pub(crate) enum Failure<E> {
    /// The budget is used up: the reference grows, or refers to itself in a circle (E8).
    Endless { reference: Vec<u8> },
    /// The lookup has failed, for instance for a missing file in `@()`.
    Lookup(E),
}

/// The range of a reference in a value, and its replacement.
type Replacement = (Range<usize>, Vec<u8>);

#[derive(Clone, Copy)]
enum State {
    Idle,
    /// The first character of a reference was just read.
    Seen,
    /// Within a reference whose name starts at `name`.
    Open {
        name: usize,
        depth: usize,
    },
}

/// Replaces the references of one pass in `value`. `lookup` gets the text between the parentheses and the present
/// value, and returns the replacement, or `None` to leave the reference as it is.
///
/// # Errors
/// The error of `lookup`, or [`Failure::Endless`].
pub(crate) fn expand<E>(
    value: &mut Vec<u8>,
    sign: Sign,
    budget: &mut Budget,
    mut lookup: impl FnMut(&[u8], &[u8]) -> Result<Option<Vec<u8>>, E>,
) -> Result<(), Failure<E>> {
    // The first byte is examined only until something was replaced (E8).
    let mut start = 0;
    while let Some((reference, text)) = next_reference(value, start, sign, &mut lookup)? {
        if !budget.spend(value.len() + text.len()) {
            return Err(Failure::Endless {
                reference: value.get(reference).unwrap_or_default().to_vec(),
            });
        }
        value.splice(reference, text);
        start = 1;
    }
    Ok(())
}

/// The first reference from `start` on that `lookup` can replace, with its replacement.
fn next_reference<E>(
    value: &[u8],
    start: usize,
    sign: Sign,
    lookup: &mut impl FnMut(&[u8], &[u8]) -> Result<Option<Vec<u8>>, E>,
) -> Result<Option<Replacement>, Failure<E>> {
    let mut state = State::Idle;
    for (at, &byte) in value.iter().enumerate().skip(start) {
        state = match (state, byte) {
            (_, byte) if byte == sign.byte() => State::Seen,
            (State::Seen, b'(') => State::Open {
                name: at + 1,
                depth: 0,
            },
            (State::Idle | State::Seen, _) => State::Idle,
            (State::Open { name, depth }, b'(') => State::Open {
                name,
                depth: depth + 1,
            },
            (State::Open { name, depth }, b')') if depth > 0 => State::Open {
                name,
                depth: depth - 1,
            },
            (State::Open { name, .. }, b')') => {
                let wanted = value.get(name..at).unwrap_or_default();
                let found = if wanted.is_empty() {
                    None
                } else {
                    lookup(wanted, value).map_err(Failure::Lookup)?
                };
                if let Some(text) = found {
                    return Ok(Some((name - 2..at + 1, text)));
                }
                State::Idle
            }
            (open @ State::Open { .. }, _) => open,
        };
    }
    Ok(None)
}

/// The first reference of this kind that is left in a value, for warnings.
pub(crate) fn remaining(value: &[u8], sign: Sign) -> Option<&[u8]> {
    let mut answer = |_: &[u8], _: &[u8]| Ok::<_, std::convert::Infallible>(Some(Vec::new()));
    match next_reference(value, 0, sign, &mut answer) {
        Ok(Some((place, _))) => value.get(place),
        Ok(None) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &[u8], _: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        let text: Option<&[u8]> = match name {
            b"foo" => Some(b"bar"),
            b"empty" => Some(b""),
            b"r" => Some(b"s"),
            b"s" => Some(b"T"),
            b"chain" => Some(b"%(foo)"),
            b"self" => Some(b"%(self)"),
            b"grow" => Some(b"x%(grow)"),
            b"k(1)" => Some(b"paren"),
            b"broken" => return Err("no such file"),
            _ => None,
        };
        Ok(text.map(<[u8]>::to_vec))
    }

    fn expanded(text: &str) -> Result<String, Failure<&'static str>> {
        let mut value = text.as_bytes().to_vec();
        expand(&mut value, Sign::Entry, &mut Budget::new(), names)?;
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    #[test]
    fn references_are_replaced_as_uwsgi_replaces_them() {
        const CASES: &[(&str, &str, &str)] = &[
            ("E4 a name", "x%(foo)y%(foo)", "xbarybar"),
            (
                "E4 an unknown name stays, what follows is replaced",
                "1%(nope)%(foo)",
                "1%(nope)bar",
            ),
            ("E4 an empty value is a value", "[%(empty)]", "[]"),
            ("E4 an empty name stays", "%()", "%()"),
            ("E4 an open reference stays", "%(foo", "%(foo"),
            ("E4 the last of several signs counts", "%%(foo)", "%bar"),
            ("E4 parentheses nest", "%(k(1))", "paren"),
            ("E4 references resolve inside out", ".%(%(r))", ".T"),
            ("E4 a sign abandons what is open", ".%(q%(r)", ".%(qs"),
            ("E4 a sign without parenthesis abandons too", "%(f%oo)", "%(f%oo)"),
            ("E8 the first byte is not looked at again", "%(chain)", "%(foo)"),
            ("E8 behind it the chain goes on", ".%(chain)", ".bar"),
            ("E8 nested at the start stops after the inner", "%(%(r))", "%(s)"),
            ("E8 itself at the start stays", "%(self)", "%(self)"),
        ];
        for (rule, text, wanted) in CASES {
            assert_eq!(expanded(text).ok().as_deref(), Some(*wanted), "{rule}: {text}");
        }
    }

    #[test]
    fn a_reference_that_grows_or_turns_in_a_circle_is_given_up() {
        for text in [".%(grow)", ".%(self)"] {
            assert!(matches!(expanded(text), Err(Failure::Endless { .. })), "{text}");
        }
    }

    #[test]
    fn a_failing_lookup_ends_the_expansion() {
        assert!(matches!(
            expanded("%(broken)"),
            Err(Failure::Lookup("no such file"))
        ));
    }

    #[test]
    fn what_is_left_can_be_named() {
        assert_eq!(remaining(b"a $(X) b", Sign::Environment), Some(&b"$(X)"[..]));
        assert_eq!(remaining(b"a $(X) b", Sign::Entry), None);
        assert_eq!(remaining(b"$()", Sign::Environment), None);
    }
}
