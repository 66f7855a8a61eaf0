//! `if-hostname-match`: whether a regular expression matches the host's name (C9).
//!
//! uWSGI uses PCRE. Expressions for host names are simple enough for a matcher that takes linear time. Other
//! expressions are refused: a wrong decision could execute the block of another host.

use regex_lite::RegexBuilder;

/// The longest pattern; host names have at most 64 bytes.
const PATTERN_BYTES: usize = 1024;

/// The largest compiled pattern. The pattern is compiled for every line of a block (C2), so this has to be cheap.
const COMPILED_BYTES: usize = 128 << 10;

/// Syntax that only PCRE has, or that means something else in PCRE: look-around, atomic groups, recursion, comments,
/// quoting, `\K`, and quantifiers of quantifiers.
const PCRE_ONLY: [&str; 22] = [
    "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?R", "(?(", "(?#", "(?|", "(?&", "(?+", "(*", "\\Q", "\\K", "\\G",
    "\\R", "\\h", "\\k", "\\g", "\\X", "\\c", "\\N",
];

/// Errors of the matcher that are errors in PCRE as well; uWSGI treats such a pattern as matching (tried on 2.0.21).
const WRONG_FOR_BOTH: [&str; 7] = [
    "found open group without closing ')'",
    "expected closing ')', but got end of pattern",
    "found closing ')' without matching '('",
    "non-empty character class has no closing bracket",
    "found unclosed character class",
    "uncounted repetition operator must be applied to a sub-expression",
    "saw start of escape sequence, but saw end of pattern before it finished",
];

/// The result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Matches,
    Differs,
    /// The pattern is not a regular expression, which counts as a match.
    Invalid,
    /// Only PCRE could decide.
    Undecided,
}

/// Searches the pattern in the name.
pub(crate) fn ask(pattern: &[u8], name: &[u8]) -> Answer {
    let (Ok(pattern), Ok(name)) = (std::str::from_utf8(pattern), std::str::from_utf8(name)) else {
        return Answer::Undecided;
    };
    if pattern.len() > PATTERN_BYTES || needs_pcre(pattern) {
        return Answer::Undecided;
    }
    match RegexBuilder::new(pattern).size_limit(COMPILED_BYTES).build() {
        Ok(regex) if regex.is_match(name) => Answer::Matches,
        Ok(_) => Answer::Differs,
        Err(error) if WRONG_FOR_BOTH.contains(&error.to_string().as_str()) => Answer::Invalid,
        Err(_) => Answer::Undecided,
    }
}

fn needs_pcre(pattern: &str) -> bool {
    let has_word = PCRE_ONLY.iter().any(|word| pattern.contains(word));
    let is_reference = |pair: &[u8]| matches!(pair, [b'\\', b'1'..=b'9']);
    let is_doubled = |pair: &[u8]| {
        matches!(
            pair,
            [b'*' | b'+' | b'?' | b'}', b'*' | b'+'] | [b'*' | b'+' | b'?', b'{']
        )
    };
    has_word
        || pattern
            .as_bytes()
            .windows(2)
            .any(|pair| is_reference(pair) || is_doubled(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_answered_as_uwsgi_answers_them() {
        // Each was tried on 2.0.21, on a host named vm.
        const CASES: &[(&str, Answer)] = &[
            ("x|", Answer::Matches),
            ("(?i)VM", Answer::Matches),
            ("\\x76", Answer::Matches),
            ("[[:alpha:]]m", Answer::Matches),
            ("$", Answer::Matches),
            ("\\Avm\\z", Answer::Matches),
            ("\\w+\\b", Answer::Matches),
            ("VM", Answer::Differs),
            ("\\d", Answer::Differs),
            ("v m", Answer::Differs),
            ("(", Answer::Invalid),
            ("[a", Answer::Invalid),
            ("*", Answer::Invalid),
            ("\\", Answer::Invalid),
        ];
        for (pattern, wanted) in CASES {
            assert_eq!(ask(pattern.as_bytes(), b"vm"), *wanted, "{pattern}");
        }
    }

    #[test]
    fn what_only_pcre_decides_is_not_decided() {
        let long = "a".repeat(PATTERN_BYTES + 1);
        for pattern in [
            "^(?!web)",
            "(a)\\1",
            "(?<=x)y",
            "a++",
            "a**",
            "a{2",
            "\\Qx\\E",
            "(?#c)",
            "((.{1,99}){1,99}){1,99}",
            &long,
        ] {
            assert_eq!(ask(pattern.as_bytes(), b"vm"), Answer::Undecided, "{pattern}");
        }
        assert_eq!(ask(b"\xff", b"vm"), Answer::Undecided);
    }
}
