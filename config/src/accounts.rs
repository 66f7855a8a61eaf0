//! Small files of the system, read as text: who is who, and how many processors there are.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// The name with that number in `/etc/passwd` or `/etc/group`.
pub fn name_of(file: &[u8], id: u32) -> Option<Vec<u8>> {
    accounts(file)
        .find(|&(_, known)| known == id)
        .map(|(name, _)| name.to_vec())
}

/// The number of that name.
pub fn id_of(file: &[u8], name: &[u8]) -> Option<u32> {
    accounts(file).find(|&(known, _)| known == name).map(|(_, id)| id)
}

/// The groups of the user with that number: its own of `/etc/passwd`, and those of `/etc/group` that list its name.
pub fn groups_of(passwd: &[u8], group: &[u8], uid: u32) -> Vec<u32> {
    let Some(name) = name_of(passwd, uid) else {
        return Vec::new();
    };
    let fields =
        |line: &'_ [u8]| -> Vec<Vec<u8>> { line.split(|&byte| byte == b':').map(<[u8]>::to_vec).collect() };
    let lines =
        |file: &'_ [u8]| -> Vec<Vec<Vec<u8>>> { file.split(|&byte| byte == b'\n').map(fields).collect() };
    let of_user = lines(passwd)
        .into_iter()
        .find(|fields| fields.first() == Some(&name));
    let own = of_user.and_then(|fields| parse(fields.get(3)?));
    let lists = |fields: &Vec<Vec<u8>>| {
        let members = fields.get(3)?;
        let is_member = members.split(|&byte| byte == b',').any(|member| member == name);
        is_member.then(|| parse(fields.get(2)?)).flatten()
    };
    own.into_iter()
        .chain(lines(group).iter().filter_map(lists))
        .collect()
}

/// Name and number of each line: the first and third of the fields between colons.
fn accounts(file: &[u8]) -> impl Iterator<Item = (&[u8], u32)> {
    file.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let id = parse(fields.nth(1)?)?;
        Some((name, id))
    })
}

/// The real id in `/proc/self/status`, on the line of that name.
pub(crate) fn real_id(status: &[u8], field: &str) -> Option<u32> {
    let mut lines = status.split(|&byte| byte == b'\n');
    let ids = lines.find_map(|line| line.strip_prefix(field.as_bytes()))?;
    parse(ids.trim_ascii().split(|byte| byte.is_ascii_whitespace()).next()?)
}

/// How many numbers a list such as `0-3,5` holds; nothing when it is not such a list.
pub(crate) fn count_ranges(list: &str) -> Option<usize> {
    list.trim().split(',').try_fold(0_usize, |count, range| {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let (low, high) = (low.parse::<usize>().ok()?, high.parse::<usize>().ok()?);
        Some(count + high.checked_sub(low)? + 1)
    })
}

/// The IPv4 address of a host: the text itself when it is one, else what a hosts file says.
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
    fn a_users_groups_are_its_own_and_those_that_list_it() {
        let passwd = b"root:x:0:0::/:\ndeploy:x:1000:1001::/:\n";
        let group = b"root:x:0:\nops:x:50:x,deploy\nother:x:51:deployer\n";
        assert_eq!(groups_of(passwd, group, 1000), [1001, 50]);
        assert_eq!(groups_of(passwd, group, 7), []);
    }

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\n# x\n\nbroken\nwww-data:x:33:33::/var/www:\n:x:5:5\n";

    #[test]
    fn accounts_are_found_by_name_and_number() {
        assert_eq!(name_of(PASSWD, 33), Some(b"www-data".to_vec()));
        assert_eq!(id_of(PASSWD, b"root"), Some(0));
        assert_eq!(name_of(PASSWD, 5), None);
        assert_eq!(id_of(PASSWD, b"broken"), None);
    }

    #[test]
    fn the_real_id_is_the_first_of_four() {
        let status = b"Name:\tx\nUid:\t7\t8\t9\t10\nGid:\t1\t2\t3\t4\n";
        assert_eq!(real_id(status, "Uid:"), Some(7));
        assert_eq!(real_id(status, "Gid:"), Some(1));
        assert_eq!(real_id(b"", "Uid:"), None);
    }

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
