//! Who takes an option: the programs of vassal, or the uWSGI they start.

use crate::phase::{Phase, hook_option};

/// Who takes an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// vassal-enter does it; uWSGI does not see it.
    Enter,
    /// vassal-watchdog does it; uWSGI does not see it.
    Watchdog,
    /// A word of the configuration language: it has had its effect when the file was evaluated.
    Language,
    /// uWSGI does it, as it is not root's work. Also every key that is no option: apps read them (`uwsgi.opt`).
    Uwsgi,
    /// It cannot be done, for this reason; leaving it out silently would change what the file means.
    Refused(&'static str),
    /// It has no effect in uWSGI either, for this reason.
    NeverRuns(&'static str),
}

const LANGUAGE: &[&[u8]] = &[
    b"blacklist",
    b"config",
    b"declare-option",
    b"declare-option2",
    b"end",
    b"end-blacklist",
    b"end-for",
    b"end-if",
    b"end-whitelist",
    b"endfor",
    b"endif",
    b"fallback-config",
    b"include",
    b"inherit",
    b"ini",
    b"inject-after",
    b"inject-before",
    b"resolve",
    b"set",
    b"set-ph",
    b"set-placeholder",
    b"strict",
    b"whitelist",
];

const OPENERS: &[&[u8]] = &[
    b"for",
    b"for-glob",
    b"for-readline",
    b"for-times",
    b"if-dir",
    b"if-directory",
    b"if-env",
    b"if-exists",
    b"if-file",
    b"if-hostname",
    b"if-hostname-match",
    b"if-not-dir",
    b"if-not-env",
    b"if-not-exists",
    b"if-not-file",
    b"if-not-hostname",
    b"if-not-hostname-match",
    b"if-not-opt",
    b"if-not-plugin",
    b"if-not-reload",
    b"if-opt",
    b"if-plugin",
    b"if-reload",
    b"ifdir",
    b"ifenv",
    b"ifexists",
    b"ifplugin",
];

const BY_ENTER: &[&[u8]] = &[
    b"uid",
    b"gid",
    b"add-gid",
    b"no-initgroups",
    b"pivot_root",
    b"pivot-root",
    b"chroot",
];

const BY_WATCHDOG: &[&[u8]] = &[
    b"mountpoint-check",
    b"mount-check",
    b"check-mountpoint",
    b"check-mount",
];

const NEEDS_ROOT: &str = "needs root in uWSGI, which does not have it here, and vassal does not do it yet";
const EMPERORS: &str =
    "is not supported: namespaces are the emperor's, for all vassals (emperor-use-clone in emperor.ini)";
const NEVER_JAILED: &str = "runs only after unshare=, which is not used here (ORD-2)";

/// Options that only root can do, so that passing them on would drop them silently.
const REFUSED: &[(&[u8], &str)] = &[
    (b"unshare", EMPERORS),
    (b"unshare2", EMPERORS),
    (b"setns", NEEDS_ROOT),
    (b"setns-socket", NEEDS_ROOT),
    (b"setns-preopen", NEEDS_ROOT),
    (b"ns", NEEDS_ROOT),
    (b"namespace", NEEDS_ROOT),
    (b"ns-net", NEEDS_ROOT),
    (b"namespace-net", NEEDS_ROOT),
    (b"namespace-keep-mount", NEEDS_ROOT),
    (b"jailed", NEEDS_ROOT),
    (b"cap", NEEDS_ROOT),
    (b"cgroup", NEEDS_ROOT),
    (b"cgroup-opt", NEEDS_ROOT),
    (b"refork", NEEDS_ROOT),
    (b"re-fork", NEEDS_ROOT),
    (b"refork-as-root", NEEDS_ROOT),
    (b"re-fork-as-root", NEEDS_ROOT),
    (b"refork-post-jail", NEEDS_ROOT),
    (b"re-fork-post-jail", NEEDS_ROOT),
    (b"privileged-binary-patch", NEEDS_ROOT),
    (b"privileged-binary-patch-arg", NEEDS_ROOT),
    (b"unprivileged-binary-patch", NEEDS_ROOT),
    (b"unprivileged-binary-patch-arg", NEEDS_ROOT),
    (b"master-as-root", NEEDS_ROOT),
    (b"drop-after-init", NEEDS_ROOT),
    (b"drop-after-apps", NEEDS_ROOT),
    (b"immediate-uid", NEEDS_ROOT),
    (b"immediate-gid", NEEDS_ROOT),
    (b"wait-for-fs", NEEDS_ROOT),
    (b"wait-for-file", NEEDS_ROOT),
    (b"wait-for-dir", NEEDS_ROOT),
    (b"wait-for-mountpoint", NEEDS_ROOT),
    (b"wait-for-interface", NEEDS_ROOT),
    (b"wait-interface", NEEDS_ROOT),
    (b"wait-for-iface", NEEDS_ROOT),
    (b"wait-iface", NEEDS_ROOT),
    (b"xml", "reads another format than INI, which vassal does not"),
    (
        b"xmlconfig",
        "reads another format than INI, which vassal does not",
    ),
    (b"yaml", "reads another format than INI, which vassal does not"),
    (b"yml", "reads another format than INI, which vassal does not"),
    (b"json", "reads another format than INI, which vassal does not"),
    (b"js", "reads another format than INI, which vassal does not"),
];

/// Who takes the option `key`.
pub fn taker(key: &[u8]) -> Taker {
    if let Some((_, reason)) = REFUSED.iter().find(|(name, _)| *name == key) {
        return Taker::Refused(reason);
    }
    match hook_option(key) {
        Some((_, Phase::AsVassal)) => return Taker::NeverRuns("belongs in the emperor's file"),
        Some(_) => return Taker::Enter,
        None => {}
    }
    if [&b"hook-"[..], b"mount-", b"umount-", b"exec-", b"call-"]
        .iter()
        .any(|kind| key == [kind, &b"post-jail"[..]].concat())
    {
        return Taker::NeverRuns(NEVER_JAILED);
    }
    if BY_ENTER.contains(&key) {
        Taker::Enter
    } else if BY_WATCHDOG.contains(&key) {
        Taker::Watchdog
    } else if LANGUAGE.contains(&key) || OPENERS.contains(&key) {
        Taker::Language
    } else {
        Taker::Uwsgi
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_of_the_scenario_has_its_taker() {
        const CASES: &[(&[u8], Taker)] = &[
            (b"uid", Taker::Enter),
            (b"if-not-reload", Taker::Language),
            (b"exec-as-user", Taker::Enter),
            (b"endif", Taker::Language),
            (b"http-socket", Taker::Uwsgi),
            (b"psgi", Taker::Uwsgi),
            (b"mountpoint-check", Taker::Watchdog),
            (b"plugins-dir", Taker::Uwsgi),
            (b"hook-pre-jail", Taker::Enter),
            (b"pivot_root", Taker::Enter),
            (b"exec-as-user-atexit", Taker::Enter),
            (b"hook-post-jail", Taker::NeverRuns(NEVER_JAILED)),
            (b"unshare", Taker::Refused(EMPERORS)),
        ];
        for (key, expected) in CASES {
            assert_eq!(taker(key), *expected, "{}", key.escape_ascii());
        }
    }
}
