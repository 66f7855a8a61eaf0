//! Flags: options that are on or off.

/// Whether `value` switches a flag on. `false`, `off`, `no` (in any case) and exactly `0` do not; everything else does,
/// even the empty value (O5).
pub fn is_on(value: &[u8]) -> bool {
    !(value == b"0"
        || [&b"false"[..], b"off", b"no"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_words_switch_off_and_everything_else_on() {
        for off in ["false", "OFF", "No", "0"] {
            assert!(!is_on(off.as_bytes()), "{off}");
        }
        for on in ["", "true", "1", "00", "none", "disabled"] {
            assert!(is_on(on.as_bytes()), "{on}");
        }
    }
}
