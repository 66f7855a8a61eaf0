//! Values that uWSGI refuses when it applies them (O6, O7), and options that never let it become a server.

use crate::bytes::number::leading_i32;
use crate::machine::world::World;
use crate::options::id::Id;
use crate::options::row::{Kind, OptionRow};

/// The namespaces `unshare` and its like know (NS-1).
const NAMESPACES: [&[u8]; 12] = [
    b"fs", b"mount", b"mnt", b"ns", b"ipc", b"uts", b"pid", b"net", b"user", b"files", b"io", b"sysvsem",
];

/// The capabilities `cap` knows by name (T4): those of Linux 3.0.
const CAPABILITIES: [&[u8]; 36] = [
    b"audit_control",
    b"audit_write",
    b"chown",
    b"dac_override",
    b"dac_read_search",
    b"fowner",
    b"fsetid",
    b"ipc_lock",
    b"ipc_owner",
    b"kill",
    b"lease",
    b"linux_immutable",
    b"mac_admin",
    b"mac_override",
    b"mknod",
    b"net_admin",
    b"net_bind_service",
    b"net_broadcast",
    b"net_raw",
    b"setfcap",
    b"setgid",
    b"setpcap",
    b"setuid",
    b"sys_admin",
    b"sys_boot",
    b"sys_chroot",
    b"sys_module",
    b"sys_nice",
    b"sys_pacct",
    b"sys_ptrace",
    b"sys_rawio",
    b"sys_resource",
    b"sys_time",
    b"sys_tty_config",
    b"syslog",
    b"wake_alarm",
];

/// Whether the option makes uWSGI act on something else and end at once, whatever its value (sweep over all options, X10).
pub(crate) fn ends_the_process(row: &OptionRow) -> bool {
    const ENDS: [Id; 16] = [
        Id::Stop,
        Id::Reload,
        Id::Pause,
        Id::Suspend,
        Id::Resume,
        Id::ConnectAndRead,
        Id::Extract,
        Id::Signal,
        Id::Help,
        Id::Version,
        Id::PrintSym,
        Id::BinaryAppendData,
        Id::Cflags,
        Id::DotH,
        Id::ConfigPy,
        Id::BuildPlugin,
    ];
    row.id.is_some_and(|id| ENDS.contains(&id))
}

/// Checks a value that is about to be applied.
///
/// # Errors
/// What the option takes instead, to go between its name and the value in a message.
pub(crate) fn check(row: &OptionRow, value: &[u8], world: &dyn World) -> Result<(), &'static str> {
    if row.kind == Kind::Natural && leading_i32(value) < 0 {
        return Err("takes a number that is not negative");
    }
    let is_sound = match row.id {
        Some(Id::ChmodSocket) => value == b"1" || is_mode(value),
        Some(Id::LogfileChmod) => is_mode(value),
        Some(Id::Unshare | Id::Unshare2 | Id::EmperorUseClone) => {
            items(value).all(|name| NAMESPACES.contains(&name))
        }
        Some(Id::Cap | Id::EmperorCap) => items(value).any(is_capability),
        Some(Id::ImmediateUid) => is_other_than_root(value, world.user_id(value)),
        Some(Id::ImmediateGid) => is_other_than_root(value, world.group_id(value)),
        Some(id) if id == Id::SharedSocket || LISTENING.contains(&id) => !value.is_empty(),
        _ => true,
    };
    if is_sound { Ok(()) } else { Err(wanted(row.id)) }
}

fn wanted(id: Option<Id>) -> &'static str {
    match id {
        Some(Id::ChmodSocket) => "takes three octal digits or 1",
        Some(Id::LogfileChmod) => "takes three octal digits",
        Some(Id::Unshare | Id::Unshare2 | Id::EmperorUseClone) => {
            "takes names of namespaces, with commas and without blanks: fs, ipc, uts, pid, net, user, ..."
        }
        Some(Id::Cap | Id::EmperorCap) => {
            "takes names of capabilities without 'cap_', with commas and without blanks"
        }
        Some(Id::ImmediateUid) => "takes a user other than root",
        Some(Id::ImmediateGid) => "takes a group other than root",
        _ => "takes an address",
    }
}

fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').filter(|item| !item.is_empty())
}

fn is_mode(value: &[u8]) -> bool {
    value.len() == 3 && value.iter().all(|digit| (b'0'..=b'7').contains(digit))
}

/// A name, or a number; unknown ones are only warned of, as long as one is known (T4).
fn is_capability(item: &[u8]) -> bool {
    item.iter().all(u8::is_ascii_digit) || CAPABILITIES.contains(&item)
}

/// A number other than 0, or a name that stands for one.
fn is_other_than_root(value: &[u8], named: Option<u32>) -> bool {
    if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
        return leading_i32(value) != 0;
    }
    named.is_some_and(|id| id != 0)
}

/// Options whose value is an address to listen on and nothing else.
pub const LISTENING: [Id; 10] = [
    Id::Socket,
    Id::UwsgiSocket,
    Id::HttpSocket,
    Id::Http11Socket,
    Id::FastcgiSocket,
    Id::FastcgiNphSocket,
    Id::ScgiSocket,
    Id::ScgiNphSocket,
    Id::RawSocket,
    Id::PuwsgiSocket,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fake::FakeWorld;
    use crate::options::lookup::find;

    #[test]
    fn values_are_refused_as_the_binary_refuses_them() {
        // Each was tried on 2.0.21 (X10 and more of the kind).
        const CASES: &[(&str, &str, bool)] = &[
            ("processes", "-1", false),
            ("processes", "abc", true),
            ("processes", "4294967295", false),
            ("prio", "-5", true),
            ("limit-post", "-1", true),
            ("chmod-socket", "660", true),
            ("chmod-socket", "1", true),
            ("chmod", "0660", false),
            ("chmod-socket", "888", false),
            ("chmod-socket", "", false),
            ("logfile-chmod", "1", false),
            ("unshare", "pid,net", true),
            ("unshare", "", true),
            ("unshare", "pid, net", false),
            ("unshare", "PID", false),
            ("emperor-use-clone", "fs,pid", true),
            ("emperor-use-clone", "cgroup", false),
            ("cap", "net_bind_service,12,chown", true),
            ("cap", "nope,net_raw", true),
            ("cap", "cap_net_raw", false),
            ("cap", "", false),
            ("cap", "-1", false),
            ("vassal-cap", "nope", false),
            ("socket", "", false),
            ("http-socket", "", false),
            ("socket", ":0", true),
            ("immediate-uid", "www-data", true),
            ("immediate-uid", "33", true),
            ("immediate-uid", "nosuch", false),
            ("immediate-gid", "0", false),
            ("immediate-gid", "", false),
            ("chdir", "", true),
        ];
        let world = FakeWorld::with(&[]);
        for (name, value, wanted) in CASES {
            let row = find(name.as_bytes()).expect("in the table");
            assert_eq!(
                check(row, value.as_bytes(), &world).is_ok(),
                *wanted,
                "{name} = {value}"
            );
        }
    }

    #[test]
    fn an_option_that_ends_the_process_is_known_by_all_its_names() {
        let ends = |name: &[u8]| ends_the_process(find(name).unwrap());
        assert!(ends(b"stop") && ends(b"print-sym") && ends(b"print-symbol") && !ends(b"exit"));
    }
}
