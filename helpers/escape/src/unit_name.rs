//! The instance in the name of a unit (systemd.unit(5), "STRING ESCAPING").

/// Undoes [`escape`]: turns a unit's instance (systemd's `%i`) into the name it stands for. systemd's own `%I` cannot
/// be used: it replaces each '-' by '/', and a name that is not UTF-8 would become a property of the unit, which D-Bus
/// cannot carry.
pub fn unescape(instance: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(instance.len());
    let mut rest = instance;
    while let [first, tail @ ..] = rest {
        let escaped = tail.strip_prefix(b"x").and_then(|digits| digits.get(..2));
        let byte = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (first, byte) {
            (b'\\', Some(byte)) => {
                name.push(byte);
                rest = &tail[3..];
            }
            (first, _) => {
                name.push(*first);
                rest = tail;
            }
        }
    }
    name
}

/// Escapes a name for use as a unit's instance: backslashes and all bytes that a unit's name cannot have become `\xNN`.
/// Unlike systemd-escape(1) this keeps '-', which there means the '/' of a path: vassals' names contain no '/', and
/// people type `vassal@my-app`.
pub fn escape(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, byte) in name.iter().enumerate() {
        match byte {
            b'.' if at == 0 => out.push_str("\\x2e"),
            b':' | b'_' | b'.' | b'-' | b'@' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                out.push(char::from(*byte));
            }
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_the_name_it_was_made_of() {
        let every_byte: Vec<u8> = (1..=255).collect();
        for name in [&b"user001"[..], b"a-b", b"my app", b"a\\x41b", &every_byte] {
            assert_eq!(unescape(escape(name).as_bytes()), name);
        }
        assert_eq!(unescape(b"a-b"), b"a-b");
        assert_eq!(unescape(b"a\\x4"), b"a\\x4");
    }
}
