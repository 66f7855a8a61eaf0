//! Small files of the system, read as text: who is who, and how many processors there are.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// The users and groups of one root directory.
#[derive(Debug, Default, Clone)]
pub struct Accounts {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

/// A user, as a line of passwd(5) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: Vec<u8>,
    /// The user's id.
    pub uid: u32,
    /// The id of the user's own group.
    pub gid: u32,
}

impl Accounts {
    /// The accounts of the texts of passwd(5) and group(5). A line that is not as those pages say is none.
    pub fn from_text(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            passwd: passwd.to_vec(),
            group: group.to_vec(),
        }
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.passwd.is_empty() && self.group.is_empty()
    }

    /// The first user of that name.
    pub fn user(&self, name: &[u8]) -> Option<User> {
        self.users().find(|user| user.name == name)
    }

    /// The first user with that id.
    pub fn user_of(&self, uid: u32) -> Option<User> {
        self.users().find(|user| user.uid == uid)
    }

    /// The id of the first group of that name.
    pub fn group(&self, name: &[u8]) -> Option<u32> {
        let mut groups = self.groups();
        groups.find(|(group, ..)| *group == name).map(|(_, gid, _)| gid)
    }

    /// The name of the first group with that id.
    pub fn group_of(&self, gid: u32) -> Option<Vec<u8>> {
        let mut groups = self.groups();
        groups
            .find(|(_, known, _)| *known == gid)
            .map(|(name, ..)| name.to_vec())
    }

    /// The groups that list `user` as a member, and `own`: what initgroups(3) sets.
    pub fn groups_of(&self, user: &[u8], own: u32) -> Vec<u32> {
        let is_member = |members: &[u8]| members.split(|byte| *byte == b',').any(|member| member == user);
        let mut groups = vec![own];
        for (_, gid, members) in self.groups() {
            if is_member(members) && !groups.contains(&gid) {
                groups.push(gid);
            }
        }
        groups
    }

    fn users(&self) -> impl Iterator<Item = User> + '_ {
        self.passwd.split(|byte| *byte == b'\n').filter_map(|line| {
            let fields: Vec<_> = line.split(|byte| *byte == b':').collect();
            let [name, _, uid, gid, _, _, ..] = fields[..] else {
                return None;
            };
            Some(User {
                name: name.to_vec(),
                uid: parse(uid)?,
                gid: parse(gid)?,
            })
        })
    }

    fn groups(&self) -> impl Iterator<Item = (&[u8], u32, &[u8])> + '_ {
        self.group.split(|byte| *byte == b'\n').filter_map(|line| {
            let fields: Vec<_> = line.split(|byte| *byte == b':').collect();
            let [name, _, gid, members] = fields[..] else {
                return None;
            };
            Some((name, parse(gid)?, members))
        })
    }
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

    fn accounts() -> Accounts {
        Accounts::from_text(
            b"root:x:0:0:root:/root:/bin/sh\n# x\n\nbroken\nuser001:x:20001:20001::/home/user001:/bin/sh\n:x:5:5\n",
            b"root:x:0:\nuser001:x:20001:\nweb:x:33:www,user001\nother:x:34:user0011\n",
        )
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let number = |user: User| (user.uid, user.gid);
        assert_eq!(accounts().user(b"user001").map(number), Some((20001, 20001)));
        let name = |user: User| user.name;
        assert_eq!(accounts().user_of(20001).map(name), Some(b"user001".to_vec()));
        assert_eq!(accounts().user(b"broken"), None);
        assert_eq!(accounts().user_of(5), None);
        assert_eq!(accounts().group_of(33), Some(b"web".to_vec()));
    }

    #[test]
    fn membership_is_by_whole_name() {
        assert_eq!(accounts().groups_of(b"user001", 20001), vec![20001, 33]);
        assert_eq!(accounts().group(b"web"), Some(33));
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
