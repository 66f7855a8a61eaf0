//! Which names a configuration may use: `blacklist` and `whitelist` (U4).

use std::collections::HashSet;

/// Names in lower case.
pub(crate) type NameSet = HashSet<Vec<u8>>;

/// The names in a `blacklist` or `whitelist`: separated by blanks, compared without regard to case (U4).
pub(crate) fn names_of(value: &[u8]) -> NameSet {
    value
        .split(|&byte| byte == b' ')
        .map(<[u8]>::to_ascii_lowercase)
        .collect()
}

/// Which names may be added (U4).
#[derive(Debug, Default)]
pub(crate) struct Permissions {
    pub(crate) blacklist: Option<NameSet>,
    pub(crate) whitelist: Option<NameSet>,
}

impl Permissions {
    /// The list that forbids the key, if one does.
    pub(crate) fn forbidding(&self, key: &[u8]) -> Option<&'static str> {
        let key = key.to_ascii_lowercase();
        if self.blacklist.as_ref().is_some_and(|names| names.contains(&key)) {
            return Some("blacklist");
        }
        self.whitelist
            .as_ref()
            .is_some_and(|names| !names.contains(&key))
            .then_some("whitelist")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_compare_without_case_and_split_at_blanks_only() {
        let permissions = Permissions {
            blacklist: Some(names_of(b"SOCKET a\tb")),
            whitelist: None,
        };
        assert_eq!(permissions.forbidding(b"socket"), Some("blacklist"));
        assert_eq!(permissions.forbidding(b"a"), None);
        let permissions = Permissions {
            blacklist: None,
            whitelist: Some(names_of(b"A end-whitelist")),
        };
        assert_eq!(permissions.forbidding(b"a"), None);
        assert_eq!(permissions.forbidding(b"b"), Some("whitelist"));
        assert_eq!(Permissions::default().forbidding(b""), None);
    }
}
