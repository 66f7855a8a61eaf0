//! Numbers as C reads them from text: blanks, a sign, digits, and junk after them ignored (O6, E9).

/// strtoll(3) with base 10: the leading integer, 0 without one, saturating.
pub(crate) fn leading_i64(text: &[u8]) -> i64 {
    let start = text
        .iter()
        .position(|&byte| !is_c_space(byte))
        .unwrap_or(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let (negative, digits) = match rest {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let mut value: i64 = 0;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        let digit = i64::from(digit - b'0');
        let shifted = value.saturating_mul(10);
        value = if negative {
            shifted.saturating_sub(digit)
        } else {
            shifted.saturating_add(digit)
        };
    }
    value
}

/// atoi(3) as glibc has it: strtol(3), of which the low 32 bits count.
pub(crate) fn leading_i32(text: &[u8]) -> i32 {
    let low = leading_i64(text) & i64::from(u32::MAX);
    let low = u32::try_from(low).unwrap_or_default();
    i32::from_ne_bytes(low.to_ne_bytes())
}

/// isspace(3) in the C locale.
fn is_c_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leading_integer_is_read_as_c_does() {
        const CASES: &[(&str, i64)] = &[
            ("", 0),
            ("abc", 0),
            ("12abc", 12),
            (" \t\n-7 ", -7),
            ("+4", 4),
            ("--4", 0),
            ("0x10", 0),
            ("9223372036854775808", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-99999999999999999999", i64::MIN),
        ];
        for (text, wanted) in CASES {
            assert_eq!(leading_i64(text.as_bytes()), *wanted, "{text:?}");
        }
    }

    #[test]
    fn an_int_keeps_the_low_half() {
        // Each seen as `processes = ...` accepted or refused by 2.0.21 (X10).
        const CASES: &[(&str, i32)] = &[
            ("4294967297", 1),
            ("4294967295", -1),
            ("2147483648", i32::MIN),
            ("99999999999999999999", -1),
            ("-99999999999999999999", 0),
        ];
        for (text, wanted) in CASES {
            assert_eq!(leading_i32(text.as_bytes()), *wanted, "{text:?}");
        }
    }
}
