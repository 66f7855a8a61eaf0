//! Replaces text within a text, for `%(_)` (C3) and `$1` (K1).

use crate::limits::VALUE_BYTES;

/// The result would be longer than any value may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// `text` with every `wanted` replaced, from left to right. Replaced text is not searched again.
///
/// # Errors
/// The result is longer than a value may be.
pub(crate) fn replaced(text: &[u8], wanted: &[u8], by: &[u8]) -> Result<Vec<u8>, TooLong> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        match rest.strip_prefix(wanted) {
            Some(after) => {
                result.extend_from_slice(by);
                rest = after;
            }
            None => {
                result.push(byte);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        if result.len() > VALUE_BYTES {
            return Err(TooLong);
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_not_looked_at() {
        assert_eq!(
            replaced(b"a%(_)b%(_)", b"%(_)", b"[%(_)]"),
            Ok(b"a[%(_)]b[%(_)]".to_vec())
        );
        assert_eq!(replaced(b"%(_", b"%(_)", b"x"), Ok(b"%(_".to_vec()));
    }

    #[test]
    fn a_result_has_a_limit() {
        assert_eq!(
            replaced(&b"%(_)".repeat(1000), b"%(_)", &[b'x'; 10_000]),
            Err(TooLong)
        );
    }
}
