//! Parses the names of namespaces in `emperor-use-clone`, `unshare` and `unshare2` (NS-1).

use crate::diagnostic::Diagnostic;
use crate::language::evaluation::entry::Entry;
use vassal_escape::printable;

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Mounts.
    Mount,
    /// Processes.
    Pid,
    /// System V IPC objects and POSIX message queues.
    Ipc,
    /// The host name.
    Uts,
    /// Network interfaces.
    Net,
}

impl Namespace {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Mount, Self::Pid, Self::Ipc, Self::Uts, Self::Net];

    /// Its name in a configuration; `fs` has aliases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mount => "fs",
            Self::Pid => "pid",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Net => "net",
        }
    }

    fn of_name(name: &[u8]) -> Option<Self> {
        let name = match name {
            b"ns" | b"mount" | b"mnt" => b"fs",
            name => name,
        };
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }
}

/// A set of namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// `fs` (also `ns`, `mount`, `mnt`): own mounts.
    pub mount: bool,
    /// `pid`: own processes.
    pub pid: bool,
    /// `ipc`: own System V IPC objects and POSIX message queues.
    pub ipc: bool,
    /// `uts`: own host name.
    pub uts: bool,
    /// `net`: own network interfaces.
    pub net: bool,
}

impl Namespaces {
    /// Adds the names in `entry`, separated by commas.
    ///
    /// # Errors
    /// An unknown name; or `user`, which is refused.
    pub fn add(&mut self, entry: &Entry) -> Result<(), Diagnostic> {
        let words = entry.value.as_deref().unwrap_or_default();
        let words = words.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let refuse = |message: String, hint: &str| {
            let option = printable(&entry.key);
            let message = format!("{option}: {message}");
            Err(Diagnostic::error(Some(entry.origin.clone()), message).with_hint(hint))
        };
        for word in words.filter(|word| !word.is_empty()) {
            match (Namespace::of_name(word), word) {
                (Some(kind), _) => *self.flag(kind) = true,
                (None, b"user") => {
                    let message = "a vassal in a user namespace is not supported";
                    return refuse(message.into(), "leave 'user' out");
                }
                (None, _) => {
                    let message = format!("unknown namespace '{}'", printable(word));
                    return refuse(message, "known are fs, pid, ipc, uts and net");
                }
            }
        }
        Ok(())
    }

    fn flag(&mut self, kind: Namespace) -> &mut bool {
        match kind {
            Namespace::Mount => &mut self.mount,
            Namespace::Pid => &mut self.pid,
            Namespace::Ipc => &mut self.ipc,
            Namespace::Uts => &mut self.uts,
            Namespace::Net => &mut self.net,
        }
    }

    /// Whether the set contains `kind`.
    pub fn has(mut self, kind: Namespace) -> bool {
        *self.flag(kind)
    }

    /// The kinds in the set, in the order of [`Namespace::ALL`].
    pub fn kinds(self) -> impl Iterator<Item = Namespace> {
        Namespace::ALL.into_iter().filter(move |kind| self.has(*kind))
    }

    /// The namespaces of `self` that are not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        self.kinds().filter(|kind| !other.has(*kind)).collect()
    }

    /// The namespaces of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        self.kinds().chain(other.kinds()).collect()
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl FromIterator<Namespace> for Namespaces {
    fn from_iter<I: IntoIterator<Item = Namespace>>(kinds: I) -> Self {
        let mut all = Self::default();
        for kind in kinds {
            *all.flag(kind) = true;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Origin;

    fn parse(words: &str) -> Result<Namespaces, Diagnostic> {
        let entry = Entry::new(
            b"unshare".to_vec(),
            Some(words.into()),
            Origin::File {
                name: b"u.ini".as_slice().into(),
                line: 2,
                column: 1,
            },
        );
        let mut namespaces = Namespaces::default();
        namespaces.add(&entry).map(|()| namespaces)
    }

    #[test]
    fn every_name_of_a_namespace_is_understood() {
        let all = parse("fs, pid,ipc,,uts,net").unwrap();
        assert_eq!(
            all.without(parse("mnt,pid").unwrap()),
            parse("ipc,uts,net").unwrap()
        );
        assert_eq!(
            parse("ipc").unwrap().with(parse("uts").unwrap()),
            parse("uts,ipc").unwrap()
        );
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_none_is_refused_where_it_stands() {
        for words in ["fs,user", "time"] {
            let error = parse(words).unwrap_err().to_string();
            assert!(error.starts_with("u.ini:2: unshare: "), "{error}");
        }
    }
}
