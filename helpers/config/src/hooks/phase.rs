//! The phases of a vassal's start and end, and the options for hooks in them.

use std::fmt;

/// A phase, in the order in which they happen (section ORD; measured: in-jail is before pivot_root).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// From emperor.ini: as root in the host's namespaces, while the vassal waits.
    AsEmperor,
    /// From emperor.ini: the first step in the new namespaces.
    AsVassal,
    /// The vassal's umask and environment, before its first hook.
    Settings,
    /// As root, as soon as the configuration has been read.
    Asap,
    /// Files that root opens or reads for the app: log, pidfile, envdir.
    Files,
    /// As root, before the root directory changes.
    PreJail,
    /// As root, also before the root directory changes.
    InJail,
    /// `unshare`
    Unshare,
    /// As root, after `unshare`.
    PostJail,
    /// `chroot` and `pivot_root`.
    Jail,
    /// `wait-for-interface` and similar options.
    UnshareAgain,
    /// As root, after the change of the root directory.
    Wait,
    /// As root, in the new root directory.
    AsRoot,
    /// As the vassal's user, right before the app.
    AsUser,
    /// As the vassal's user, after the app has ended; not at a reload.
    AsUserAtexit,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::AsEmperor => "as-emperor",
            Phase::AsVassal => "as-vassal",
            Phase::Settings => "settings",
            Phase::Asap => "asap",
            Phase::Files => "files",
            Phase::PreJail => "pre-jail",
            Phase::InJail => "in-jail",
            Phase::Unshare => "unshare",
            Phase::PostJail => "post-jail",
            Phase::Jail => "jail",
            Phase::UnshareAgain => "unshare2",
            Phase::Wait => "wait",
            Phase::AsRoot => "as-root",
            Phase::AsUser => "as-user",
            Phase::AsUserAtexit => "as-user-atexit",
        })
    }
}

/// The kinds of hook options, in the order in which they run within a phase (ORD-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookKind {
    /// `hook-PHASE = ACTION:ARGUMENT`
    Hook,
    /// `mount-PHASE = FSTYPE SOURCE TARGET [FLAGS [DATA]]`
    Mount,
    /// `umount-PHASE = TARGET [FLAGS]`
    Umount,
    /// `exec-PHASE = SHELL COMMAND`
    Exec,
    /// `call-PHASE = SYMBOL [ARGUMENT]`
    Call,
}

/// The kind and phase of a hook option; `None` for any other option, and for hooks that run inside uWSGI.
pub fn hook_option(key: &[u8]) -> Option<(HookKind, Phase)> {
    const KINDS: [(&[u8], HookKind); 5] = [
        (b"hook-", HookKind::Hook),
        (b"mount-", HookKind::Mount),
        (b"umount-", HookKind::Umount),
        (b"exec-", HookKind::Exec),
        (b"call-", HookKind::Call),
    ];
    let (prefix, kind) = KINDS.into_iter().find(|(prefix, _)| key.starts_with(prefix))?;
    let phase = match &key[prefix.len()..] {
        b"as-emperor" => Phase::AsEmperor,
        b"as-vassal" => Phase::AsVassal,
        b"asap" => Phase::Asap,
        b"pre-jail" => Phase::PreJail,
        b"in-jail" => Phase::InJail,
        b"post-jail" => Phase::PostJail,
        b"as-root" => Phase::AsRoot,
        b"as-user" => Phase::AsUser,
        b"as-user-atexit" => Phase::AsUserAtexit,
        _ => return None,
    };
    // uWSGI has no mount or umount options for phases of the user; such a name is only a placeholder.
    let user_mount = matches!(kind, HookKind::Mount | HookKind::Umount) && phase >= Phase::AsUser;
    (!user_mount).then_some((kind, phase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_of_ours_are_told_from_those_of_uwsgi_and_from_placeholders() {
        type Case = (&'static [u8], Option<(HookKind, Phase)>);
        const CASES: &[Case] = &[
            (b"hook-pre-jail", Some((HookKind::Hook, Phase::PreJail))),
            (
                b"exec-as-user-atexit",
                Some((HookKind::Exec, Phase::AsUserAtexit)),
            ),
            (b"umount-as-root", Some((HookKind::Umount, Phase::AsRoot))),
            (b"hook-post-fork", None),
            (b"mount-as-user", None),
            (b"mount-check", None),
            (b"hook_asap", None),
        ];
        for (key, expected) in CASES {
            assert_eq!(hook_option(key), *expected, "{}", String::from_utf8_lossy(key));
        }
    }
}
