//! The names of capabilities(7) in `cap` and `emperor-cap`.

use crate::diagnostic::Diagnostic;
use crate::language::evaluation::entry::Entry;
use std::collections::BTreeSet;
use vassal_escape::printable;

/// The names, in the order of their numbers.
const NAMES: [&[u8]; 41] = [
    b"chown",
    b"dac_override",
    b"dac_read_search",
    b"fowner",
    b"fsetid",
    b"kill",
    b"setgid",
    b"setuid",
    b"setpcap",
    b"linux_immutable",
    b"net_bind_service",
    b"net_broadcast",
    b"net_admin",
    b"net_raw",
    b"ipc_lock",
    b"ipc_owner",
    b"sys_module",
    b"sys_rawio",
    b"sys_chroot",
    b"sys_ptrace",
    b"sys_pacct",
    b"sys_admin",
    b"sys_boot",
    b"sys_nice",
    b"sys_resource",
    b"sys_time",
    b"sys_tty_config",
    b"mknod",
    b"lease",
    b"audit_write",
    b"audit_control",
    b"setfcap",
    b"mac_override",
    b"mac_admin",
    b"syslog",
    b"wake_alarm",
    b"block_suspend",
    b"audit_read",
    b"perfmon",
    b"bpf",
    b"checkpoint_restore",
];

const NAMED: &str = "names are those of capabilities(7), in lower case and without cap_";

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The capabilities in `entry`, separated by commas; and warnings about unknown words, which uWSGI ignores.
    ///
    /// # Errors
    /// When there is no capability at all, which uWSGI refuses as well.
    pub fn parse(entry: &Entry) -> Result<(Self, Vec<Diagnostic>), Diagnostic> {
        let mut set = 0;
        let mut unknown = Vec::new();
        let option = printable(&entry.key);
        for word in words(entry.value.as_deref().unwrap_or_default()) {
            match number(word) {
                Some(number) => set |= 1 << number,
                None => {
                    let message = format!("{option}: unknown capability '{}', ignoring", printable(word));
                    unknown.push(Diagnostic::warning(Some(entry.origin.clone()), message).with_hint(NAMED));
                }
            }
        }
        if set == 0 {
            let message = format!("{option}: no capability in it");
            return Err(Diagnostic::error(Some(entry.origin.clone()), message).with_hint(NAMED));
        }
        Ok((Self(set), unknown))
    }

    /// One bit for each capability, the lowest for number 0.
    pub fn bits(self) -> u64 {
        self.0
    }
}

/// The capabilities in a list separated by commas, by systemd's names.
pub(crate) fn known(list: &[u8]) -> Vec<String> {
    let numbers: BTreeSet<usize> = words(list).filter_map(number).collect();
    let name = |number: usize| format!("CAP_{}", printable(NAMES[number])).to_ascii_uppercase();
    numbers.into_iter().map(name).collect()
}

fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| matches!(byte, b',' | b' '))
        .filter(|word| !word.is_empty())
}

fn number(word: &[u8]) -> Option<usize> {
    let named = NAMES.iter().position(|name| *name == word);
    named.or_else(|| {
        let number = std::str::from_utf8(word).ok()?.parse().ok()?;
        (number < NAMES.len()).then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Origin;

    fn parse(words: &str) -> Result<(Capabilities, Vec<Diagnostic>), Diagnostic> {
        Capabilities::parse(&Entry::new(
            b"cap".to_vec(),
            Some(words.into()),
            Origin::CommandLine,
        ))
    }

    #[test]
    fn names_have_the_kernels_numbers() {
        let (set, unknown) = parse("chown,net_bind_service, bpf,7").unwrap();
        assert_eq!(set.bits(), 1 | 1 << 10 | 1 << 39 | 1 << 7);
        assert!(unknown.is_empty());
    }

    #[test]
    fn an_unknown_name_is_told_and_a_list_of_them_is_none() {
        let (set, unknown) = parse("cap_chown,kill").unwrap();
        assert_eq!((set.bits(), unknown.len()), (1 << 5, 1));
        assert!(unknown[0].to_string().contains("unknown capability 'cap_chown'"));
        assert!(parse("cap_chown,99").is_err());
        assert!(parse("").is_err());
    }
}
