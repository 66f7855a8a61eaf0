//! Parses small files of the system: the list of processors and the hosts file.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// How many numbers a list such as `0-3,5` contains; `None` if it is malformed.
pub(crate) fn count_ranges(list: &str) -> Option<usize> {
    list.trim().split(',').try_fold(0_usize, |count, range| {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let (low, high) = (low.parse::<usize>().ok()?, high.parse::<usize>().ok()?);
        Some(count + high.checked_sub(low)? + 1)
    })
}

/// The IPv4 address of a host: the name itself if it is an address, otherwise the one in a hosts file.
pub(crate) fn address_of(hosts: &[u8], host: &[u8]) -> Option<Vec<u8>> {
    if parse::<Ipv4Addr>(host).is_some() {
        return Some(host.to_vec());
    }
    hosts.split(|&byte| byte == b'\n').find_map(|line| {
        let line = line.split(|&byte| byte == b'#').next()?;
        let mut words = line
            .split(|byte| byte.is_ascii_whitespace())
            .filter(|word| !word.is_empty());
        let address = words
            .next()
            .filter(|address| parse::<Ipv4Addr>(address).is_some())?;
        words
            .any(|name| name.eq_ignore_ascii_case(host))
            .then(|| address.to_vec())
    })
}

fn parse<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted() {
        for (list, wanted) in [
            ("0-1\n", Some(2)),
            ("0", Some(1)),
            ("0-3,5,7-8", Some(7)),
            ("", None),
            ("3-1", None),
        ] {
            assert_eq!(count_ranges(list), wanted, "{list:?}");
        }
    }

    #[test]
    fn hosts_have_addresses() {
        let hosts = b"::1 localhost ip6\n127.0.0.1\tlocalhost me # you\n";
        assert_eq!(address_of(hosts, b"LOCALHOST"), Some(b"127.0.0.1".to_vec()));
        assert_eq!(address_of(hosts, b"10.1.2.3"), Some(b"10.1.2.3".to_vec()));
        assert_eq!(address_of(hosts, b"you"), None);
    }
}
