//! The names of the traps: mistakes that a start does not refuse, but by which it will not do what is meant.

/// Makes the enum [`Rule`] from a list of variants and their words.
macro_rules! rules {
    ($($rule:ident $word:literal,)*) => {
        /// A trap (vassalctl(8), TRAPS).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule {
            $(#[doc = concat!("`", $word, "`")] $rule,)*
        }

        impl Rule {
            /// The words of all traps.
            #[cfg(test)]
            pub const WORDS: &[&str] = &[$($word,)*];

            /// The trap's word.
            pub fn word(self) -> &'static str {
                match self {
                    $(Rule::$rule => $word,)*
                }
            }
        }
    };
}

rules! {
    DeadMount "dead-mount",
    FileDirectory "file-directory",
    FileName "file-name",
    ForeignRoot "foreign-root",
    FuseDevice "fuse-device",
    KeyFile "key-file",
    LowPort "low-port",
    MissingDirectory "missing-directory",
    MissingPlugin "missing-plugin",
    MissingUser "missing-user",
    MountpointDirectory "mountpoint-directory",
    NotRun "not-run",
    PivotWithoutUid "pivot-without-uid",
    SocketDirectory "socket-directory",
    UnionBranch "union-branch",
    UnionChroot "union-chroot",
    UnionDeadlock "union-deadlock",
    UnionOrder "union-order",
    UnknownDirective "unknown-directive",
    UnknownOption "unknown-option",
    UnknownSection "unknown-section",
    UnmountAtExit "unmount-at-exit",
    UnmountedCheck "unmounted-check",
    UsersDirectory "users-directory",
    UsersFile "users-file",
}
