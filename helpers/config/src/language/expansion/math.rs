//! Arithmetic in references: `%(base + 1)`, tokens from left to right without precedence (E9).

use crate::bytes::number::leading_i64;
use crate::bytes::replace::TooLong;
use crate::limits::VALUE_BYTES;

#[derive(Clone, Copy)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Operator {
    fn parse(token: &[u8]) -> Option<Operator> {
        match token {
            b"+" => Some(Operator::Add),
            b"-" => Some(Operator::Subtract),
            b"*" => Some(Operator::Multiply),
            b"/" => Some(Operator::Divide),
            _ => None,
        }
    }

    /// `++` and `--` add and subtract 1.
    fn parse_step(token: &[u8]) -> Option<Operator> {
        match token {
            b"++" => Some(Operator::Add),
            b"--" => Some(Operator::Subtract),
            _ => None,
        }
    }

    fn compute(self, left: &[u8], right: &[u8]) -> Vec<u8> {
        let (left, right) = (leading_i64(left), leading_i64(right));
        let result = match self {
            Operator::Add => left.wrapping_add(right),
            Operator::Subtract => left.wrapping_sub(right),
            Operator::Multiply => left.wrapping_mul(right),
            Operator::Divide if right == 0 => 0,
            Operator::Divide => left.wrapping_div(right),
        };
        result.to_string().into_bytes()
    }
}

/// The value of an expression; `value` looks up names. `None` if it consists only of operators and blanks, in which
/// case the reference is left as it is (E9).
///
/// # Errors
/// The result is longer than a value may be.
pub(crate) fn evaluate<'v>(
    expression: &[u8],
    value: impl Fn(&[u8]) -> Option<&'v [u8]>,
) -> Result<Option<Vec<u8>>, TooLong> {
    let mut result: Option<Vec<u8>> = None;
    let mut pending: Option<Operator> = None;
    for token in expression
        .split(|&byte| byte == b' ')
        .filter(|token| !token.is_empty())
    {
        if let Some(operator) = Operator::parse(token) {
            pending = Some(operator);
            continue;
        }
        if let Some(step) = Operator::parse_step(token) {
            pending = None;
            result = result.map(|left| step.compute(&left, b"1"));
            continue;
        }
        let operand = if token.iter().all(u8::is_ascii_digit) {
            token
        } else {
            value(token).unwrap_or_default()
        };
        result = match (result, pending.take()) {
            (None, None) => Some(operand.to_vec()),
            (left, Some(operator)) => Some(operator.compute(&left.unwrap_or_default(), operand)),
            (Some(left), None) if left.len() + operand.len() > VALUE_BYTES => return Err(TooLong),
            (Some(mut left), None) => {
                left.extend_from_slice(operand);
                Some(left)
            }
        };
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &[u8]) -> Option<&'static [u8]> {
        match name {
            b"foo" => Some(b"17"),
            b"bar" => Some(b"30"),
            b"str" => Some(b"12abc"),
            _ => None,
        }
    }

    #[test]
    fn expressions_have_no_precedence() {
        const CASES: &[(&str, Option<&str>)] = &[
            ("foo + bar + 3 * 2", Some("100")),
            ("foo bar ++", Some("1731")),
            ("foo - bar", Some("-13")),
            ("0 - 7 / 2", Some("-3")),
            ("foo / 0", Some("0")),
            ("nope + 1", Some("1")),
            ("-5 + 3", Some("3")),
            ("str + 1", Some("13")),
            ("9223372036854775807 + 1", Some("-9223372036854775808")),
            ("007 ", Some("007")),
            ("foo +", Some("17")),
            ("+ foo", Some("17")),
            ("++ foo", Some("17")),
            // The rest was found by random expressions on 2.0.21.
            ("- 5", Some("-5")),
            ("* 5 2", Some("02")),
            ("5 + ++ 3", Some("63")),
            ("- ++ 5", Some("5")),
            ("nope ++", Some("1")),
            ("5 + - 3", Some("2")),
            ("5 +- 3", Some("53")),
            ("nope nope", Some("")),
            (" ", None),
            ("+ ++ ", None),
        ];
        for (expression, wanted) in CASES {
            let found = evaluate(expression.as_bytes(), value).expect("is short");
            assert_eq!(found.as_deref(), wanted.map(str::as_bytes), "{expression:?}");
        }
    }

    #[test]
    fn a_result_has_a_limit() {
        let long = vec![b'x'; 1000];
        let expression = b"a ".repeat(VALUE_BYTES / 1000 + 1);
        assert_eq!(evaluate(&expression, |_| Some(&long)), Err(TooLong));
    }
}
