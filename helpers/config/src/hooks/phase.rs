//! The phases of a vassal's start and end, and the options that put hooks into them.

use std::fmt;

/// A phase, in the order in which they happen (section ORD; measured: in-jail comes before pivot_root).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// From the emperor's file: in the host's namespaces, as root, while the vassal waits.
    AsEmperor,
    /// From the emperor's file: first thing in the new namespaces.
    AsVassal,
    /// What the vassal's file says of the umask and the environment, before the first of its hooks.
    Settings,
    /// As soon as the configuration is read, as root.
    Asap,
    /// The files that root opens or reads for the app: log, number of the process, envdir.
    Files,
    /// As root, before the root directory changes.
    PreJail,
    /// As root, still before the root directory changes.
    InJail,
    /// `unshare`
    Unshare,
    /// As root, after `unshare`.
    PostJail,
    /// `chroot` and `pivot_root`.
    Jail,
    /// `unshare2`
    UnshareAgain,
    /// `wait-for-interface` and its like.
    Wait,
    /// As root, in the new root directory.
    AsRoot,
    /// As the vassal's user, right before the app.
    AsUser,
    /// As the vassal's user, after the app has ended; never at a reload.
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

/// The five kinds of hook options, in the order in which they run inside one phase (ORD-1).
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

/// The kind and phase of an option that is a hook of ours; `None` for any other option, hooks that run inside uWSGI
/// included.
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
    // uWSGI has no mount or umount options for the user's phases; such a key is a placeholder like any other.
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
