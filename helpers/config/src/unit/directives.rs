//! The directives that a vassal's file adds to its unit. Its sections `[Unit]` and `[Service]`, which uWSGI ignores,
//! are copied into the drop-in (D5), except directives on which vassal's own unit depends. `cgroup-opt` lines are
//! translated, and the capabilities in `cap` lines are added to the unit's bounding set.

use crate::diagnostic::{Diagnostic, Origin};
use crate::language::text::lex;
use crate::options::lookup::find;
use crate::options::row::Kind;
use crate::unit::cgroup;
use crate::unit::values::complaint;
use crate::users::capability;
use vassal_escape::printable;

/// A directive for the drop-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// `Unit` or `Service`.
    pub section: String,
    /// Its name, such as `MemoryMax`.
    pub key: String,
    /// Its value in systemd's syntax.
    pub value: String,
}

/// Directives on which vassal's unit depends. With another value starts, the supervision, or users' FUSE mounts inside
/// the unit would fail (measured for each on systemd 252 and 257).
pub const OURS: &[(&str, &str)] = &[
    ("BusName", "the vassal's type is notify"),
    ("DynamicUser", "use uid = and gid ="),
    ("ExecStart", "use command = in a [vassal] section"),
    ("FileDescriptorStoreMax", "vassal keeps sockets there"),
    ("Group", "use gid ="),
    ("GuessMainPID", "vassal-enter names the main process"),
    ("KillMode", "the app is stopped in order by vassal-watchdog"),
    (
        "NoNewPrivileges",
        "users could mount no FUSE filesystem; the app itself has it anyway",
    ),
    ("NotifyAccess", "only vassal-watchdog speaks for the vassal"),
    ("PIDFile", "vassal-enter names the main process"),
    ("PrivateDevices", "there would be no /dev/fuse"),
    ("PrivatePIDs", "use emperor-use-clone = pid"),
    ("PrivateUsers", "the app could not become its user"),
    (
        "ProtectKernelTunables",
        "a hung FUSE filesystem could not be cut off",
    ),
    ("RemainAfterExit", "a vassal without processes is not running"),
    ("RestrictNamespaces", "vassal-enter makes namespaces"),
    ("RootDirectory", "use chroot = or pivot_root ="),
    ("RootImage", "use chroot = or pivot_root ="),
    ("RuntimeDirectoryPreserve", "it tells a restart from a start"),
    ("Type", "the vassal's type is notify"),
    ("User", "use uid ="),
    ("WatchdogSignal", "a lost vassal is killed at once"),
];

/// The directives in `text`, the content of `file`; and an error for each line that is not a directive, or is one of
/// [`OURS`].
pub fn directives(text: &[u8], file: &[u8]) -> (Vec<Directive>, Vec<Diagnostic>) {
    let mut taken = of_cgroup(&plain_lines(text, b"cgroup-opt"));
    taken.extend(
        plain_lines(text, b"cap")
            .iter()
            .filter_map(|names| of_capabilities(names)),
    );
    let mut errors = Vec::new();
    let written = lex::lines(text)
        .filter(|line| matches!(line.section, b"Unit" | b"Service"))
        .map(|line| {
            let origin = Origin::File {
                name: file.into(),
                line: line.line,
                column: line.column,
            };
            directive(line.section, line.key, line.value).map_err(|(problem, hint)| {
                let message = format!("[{}] {}: {problem}", printable(line.section), printable(line.key));
                let error = Diagnostic::error(Some(origin), message).with_hint(hint);
                error.with_option(line.key)
            })
        });
    // The file's own directives come last, so that they take precedence.
    for line in written {
        match line {
            Ok(directive) => taken.push(directive),
            Err(error) => errors.push(error),
        }
    }
    (taken, errors)
}

/// The directives for these `cgroup-opt` values; values that have none are left out.
pub(crate) fn of_cgroup(options: &[Vec<u8>]) -> Vec<Directive> {
    let directive = |option: &Vec<u8>| {
        let (key, value) = cgroup::directive(option, options).ok()?;
        Some(Directive {
            section: "Service".into(),
            key: key.into(),
            value,
        })
    };
    options.iter().filter_map(directive).collect()
}

/// The directive that adds the capabilities in a `cap` line to the unit's bounding set.
fn of_capabilities(names: &[u8]) -> Option<Directive> {
    let names = capability::known(names);
    (!names.is_empty()).then(|| Directive {
        section: "Service".into(),
        key: "CapabilityBoundingSet".into(),
        value: names.join(" "),
    })
}

/// The values in the lines of `option` outside of all blocks; these do not depend on when the file is read.
fn plain_lines(text: &[u8], option: &[u8]) -> Vec<Vec<u8>> {
    let mut is_in_block = false;
    let mut values = Vec::new();
    for line in lex::lines(text).filter(|line| line.section == b"uwsgi") {
        match find(line.key).map(|row| row.kind) {
            Some(Kind::Opener) => is_in_block = true,
            Some(Kind::End) => is_in_block = false,
            _ if line.key == option && !is_in_block => values.push(line.value.to_vec()),
            _ => {}
        }
    }
    values
}

fn directive(section: &[u8], key: &[u8], value: &[u8]) -> Result<Directive, (&'static str, &'static str)> {
    let is_name = !key.is_empty()
        && key
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if !is_name {
        return Err(("not a systemd directive", "see systemd.directives(7)"));
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
    let (Ok(section), Ok(key), Ok(value)) = (text(section), text(key), text(value)) else {
        return Err(("not UTF-8", "systemd reads no other encoding"));
    };
    if value.chars().any(char::is_control) || value.ends_with('\\') {
        return Err((
            "a directive is one line here",
            "leave control characters and a '\\' at the end out",
        ));
    }
    match OURS.iter().find(|(ours, _)| *ours == key) {
        Some((_, instead)) => Err(("vassal sets this itself", instead)),
        None if key == "ProtectSystem" && value == "strict" => {
            Err(("users could mount no FUSE filesystem", "use ProtectSystem=full"))
        }
        None => match complaint(&key, &value) {
            Some(complaint) => Err(complaint),
            None => Ok(Directive { section, key, value }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_taken_as_written_and_other_sections_left() {
        let text =
            b"[uwsgi]\nuid = u\n[Service]\nMemoryMax = 1G\nEnvironment=\"A=b c\"\n[Unit]\nAfter=x.service\n";
        let (taken, errors) = directives(text, b"u.ini");
        assert!(errors.is_empty(), "{errors:?}");
        let lines: Vec<_> = taken
            .iter()
            .map(|d| format!("[{}]{}={}", d.section, d.key, d.value))
            .collect();
        assert_eq!(
            lines,
            [
                "[Service]MemoryMax=1G",
                "[Service]Environment=\"A=b c\"",
                "[Unit]After=x.service"
            ]
        );
    }

    #[test]
    fn a_limit_of_a_control_group_is_a_directive_unless_it_depends_on_something() {
        let text = b"[uwsgi]\ncgroup-opt = memory.max=1G\nif-env = X\ncgroup-opt = pids.max=1\nendif =\n\
            cgroup-opt = cpuset.cpus=%k\n[Service]\nMemoryMax=2G\n";
        let (taken, errors) = directives(text, b"u.ini");
        assert!(errors.is_empty(), "{errors:?}");
        let lines: Vec<_> = taken.iter().map(|d| format!("{}={}", d.key, d.value)).collect();
        assert_eq!(lines, ["MemoryMax=1G", "MemoryMax=2G"]);
    }

    #[test]
    fn a_capability_of_the_apps_is_in_the_units_bounding_set() {
        let text = b"[uwsgi]\ncap = sys_nice,fly,12\nif-env = X\ncap = sys_time\nendif =\ncap = fly\n";
        let (taken, errors) = directives(text, b"u.ini");
        assert!(errors.is_empty(), "{errors:?}");
        let lines: Vec<_> = taken.iter().map(|d| format!("{}={}", d.key, d.value)).collect();
        assert_eq!(lines, ["CapabilityBoundingSet=CAP_NET_ADMIN CAP_SYS_NICE"]);
    }

    #[test]
    fn what_would_break_the_unit_is_refused_where_it_stands() {
        const CASES: &[(&[u8], &str)] = &[
            (
                b"[Service]\nUser = x\n",
                "u.ini:2: [Service] User: vassal sets this itself",
            ),
            (
                b"[Service]\nMemoryMax = 1\\\n",
                "u.ini:2: [Service] MemoryMax: a directive is one line",
            ),
            (
                b"[Service]\nTasksMax=1\nMemoryMax = 100MB\n",
                "u.ini:3: [Service] MemoryMax: systemd reads no amount of memory in it",
            ),
            (
                b"[Unit]\nA b = c\n",
                "u.ini:2: [Unit] A b: not a systemd directive",
            ),
        ];
        for (text, message) in CASES {
            let (taken, errors) = directives(text, b"u.ini");
            assert!(taken.iter().all(|each| each.key == "TasksMax"), "{taken:?}");
            let [error] = errors.as_slice() else {
                panic!("{errors:?}");
            };
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_line_that_is_refused_takes_no_limit_away() {
        let text = b"[Service]\nMemoryMax=1G\nUser=x\nTasksMax=5\n";
        let (taken, errors) = directives(text, b"u.ini");
        let lines: Vec<_> = taken.iter().map(|d| format!("{}={}", d.key, d.value)).collect();
        assert_eq!(lines, ["MemoryMax=1G", "TasksMax=5"]);
        assert_eq!(errors.len(), 1);
    }
}
