//! The words for mount flags (ACT-7, ACT-9), with the numbers of mount(2) and umount(2).

/// Flags of mount(2), as that page numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MountFlags(u64);

/// `MS_RDONLY`
pub const RDONLY: u64 = 1;
/// `MS_REMOUNT`
pub const REMOUNT: u64 = 32;
/// `MS_BIND`
pub const BIND: u64 = 4096;
/// `MS_MOVE`
pub const MOVE: u64 = 8192;
/// `MS_UNBINDABLE`, `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`: a change of propagation.
pub const PROPAGATION: u64 = 1 << 17 | 1 << 18 | 1 << 19 | 1 << 20;

/// Every word, with its number. `defaults`, `relatime`, `slave` and `unbindable` are ours: uWSGI 2.0 exits on them.
const MOUNT_WORDS: &[(&[u8], u64)] = &[
    (b"bind", BIND),
    (b"defaults", 0),
    (b"dirsync", 128),
    (b"mandlock", 64),
    (b"move", MOVE),
    (b"noatime", 1024),
    (b"nodev", 4),
    (b"noexec", 8),
    (b"nosuid", 2),
    (b"private", 1 << 18),
    (b"rdonly", RDONLY),
    (b"readonly", RDONLY),
    (b"ro", RDONLY),
    (b"rec", 16384),
    (b"recursive", 16384),
    (b"relatime", 1 << 21),
    (b"remount", REMOUNT),
    (b"shared", 1 << 20),
    (b"slave", 1 << 19),
    (b"sync", 16),
    (b"unbindable", 1 << 17),
];

/// Every word for a mount, for messages.
pub fn words() -> String {
    let words: Vec<_> = MOUNT_WORDS
        .iter()
        .map(|(word, _)| word.escape_ascii().to_string())
        .collect();
    words.join(", ")
}

impl MountFlags {
    /// A comma list of words.
    ///
    /// # Errors
    /// The first word that is none.
    pub fn parse(words: &[u8]) -> Result<Self, &[u8]> {
        let mut flags = 0;
        for word in words.split(|byte| *byte == b',').filter(|word| !word.is_empty()) {
            flags |= MOUNT_WORDS
                .iter()
                .find(|(known, _)| *known == word)
                .map(|(_, bits)| bits)
                .ok_or(word)?;
        }
        Ok(Self(flags))
    }

    /// The number for mount(2).
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Whether the mount takes two steps: a new bind mount ignores every other flag (ACT-8), so `bind,ro` needs a
    /// remount, which is done for the user here.
    pub fn needs_remount(self) -> bool {
        let beside = self.0 & !(BIND | 16384 | PROPAGATION);
        self.0 & BIND != 0 && self.0 & REMOUNT == 0 && beside != 0
    }
}

/// How umount(2) is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UmountFlags {
    /// Everything mounted below goes first.
    pub recursive: bool,
    /// `MNT_DETACH`: out of sight now, gone when nobody uses it.
    pub detach: bool,
    /// `MNT_FORCE`.
    pub force: bool,
}

impl UmountFlags {
    /// A comma list of `rec`, `recursive`, `detach`, `force`. (In uWSGI the words of mount(2) are taken too and mean
    /// something else by accident of their numbers, ACT-10; here they are refused.)
    ///
    /// # Errors
    /// The first word that is none.
    pub fn parse(words: &[u8]) -> Result<Self, &[u8]> {
        let mut flags = Self::default();
        for word in words.split(|byte| *byte == b',').filter(|word| !word.is_empty()) {
            match word {
                b"rec" | b"recursive" => flags.recursive = true,
                b"detach" => flags.detach = true,
                b"force" => flags.force = true,
                _ => return Err(word),
            }
        }
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_mount() {
        assert_eq!(
            MountFlags::parse(b"rec,private").map(MountFlags::bits),
            Ok(16384 | 1 << 18)
        );
        assert_eq!(MountFlags::parse(b"").map(MountFlags::bits), Ok(0));
        assert_eq!(MountFlags::parse(b"bind,rw"), Err(&b"rw"[..]));
    }

    #[test]
    fn a_read_only_bind_takes_two_steps() {
        let needs = |words: &'static [u8]| MountFlags::parse(words).unwrap().needs_remount();
        assert_eq!(
            [
                needs(b"bind,ro"),
                needs(b"bind"),
                needs(b"rec,bind"),
                needs(b"remount,bind,ro")
            ],
            [true, false, false, false]
        );
    }
}
