//! The words for mount flags (ACT-7, ACT-9), with the numbers of mount(2) and umount(2).

/// Flags of mount(2), as that page numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MountFlags(u64);

/// `MS_NOSUID`
pub const NOSUID: u64 = 2;
/// `MS_NODEV`
pub const NODEV: u64 = 4;
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

/// Pseudo-flags that cancel `nosuid` and `nodev`; mount(2) has no flags for these.
const SUID: u64 = 1 << 40;
const DEV: u64 = 1 << 41;

/// All words, with their numbers. uWSGI 2.0 does not know `defaults`, `dev`, `relatime`, `slave`, `suid` and
/// `unbindable`, and exits on them.
pub const MOUNT_WORDS: &[(&str, u64)] = &[
    ("bind", BIND),
    ("defaults", 0),
    ("dev", DEV),
    ("dirsync", 128),
    ("mandlock", 64),
    ("move", MOVE),
    ("noatime", 1024),
    ("nodev", NODEV),
    ("noexec", 8),
    ("nosuid", NOSUID),
    ("private", 1 << 18),
    ("rdonly", RDONLY),
    ("readonly", RDONLY),
    ("ro", RDONLY),
    ("rec", 16384),
    ("recursive", 16384),
    ("relatime", 1 << 21),
    ("remount", REMOUNT),
    ("shared", 1 << 20),
    ("slave", 1 << 19),
    ("suid", SUID),
    ("sync", 16),
    ("unbindable", 1 << 17),
];

/// All words for a mount, for messages.
pub fn words() -> String {
    let words: Vec<_> = MOUNT_WORDS.iter().map(|(word, _)| *word).collect();
    words.join(", ")
}

impl MountFlags {
    /// Parses words separated by commas.
    ///
    /// # Errors
    /// The first unknown word.
    pub fn parse(words: &[u8]) -> Result<Self, &[u8]> {
        let mut flags = 0;
        for word in words.split(|byte| *byte == b',').filter(|word| !word.is_empty()) {
            flags |= MOUNT_WORDS
                .iter()
                .find(|(known, _)| known.as_bytes() == word)
                .map(|(_, bits)| bits)
                .ok_or(word)?;
        }
        Ok(Self(flags))
    }

    /// The number for mount(2), as written.
    pub fn bits(self) -> u64 {
        self.0 & !(SUID | DEV)
    }

    /// Whether the flags ask for a new filesystem, rather than for showing, moving or changing one that is mounted
    /// already.
    pub fn mounts_filesystem(self) -> bool {
        self.0 & (BIND | MOVE | REMOUNT | PROPAGATION) == 0
    }

    /// The flags for a new filesystem of type `fstype`: `nosuid` and `nodev` are added unless the line says `suid` or
    /// `dev`, or the filesystem consists of devices.
    pub fn bits_of_new(self, fstype: &[u8]) -> u64 {
        let is_of_devices = matches!(fstype, b"devpts" | b"devtmpfs");
        let suid = if self.0 & SUID == 0 { NOSUID } else { 0 };
        let dev = if self.0 & DEV == 0 && !is_of_devices {
            NODEV
        } else {
            0
        };
        self.bits() | suid | dev
    }

    /// Whether a bind mount gets other flags than its source.
    pub fn changes_bind(self) -> bool {
        self.0 & !(BIND | 16384 | PROPAGATION) != 0
    }

    /// The flags as a number to be stored; see [`MountFlags::restored`].
    pub fn stored(self) -> u64 {
        self.0
    }

    /// The flags of a number from [`MountFlags::stored`].
    pub fn restored(number: u64) -> Self {
        Self(number)
    }

    /// The flags that a bind mount must lose; otherwise it has those of its source.
    pub fn lifted(self) -> u64 {
        let of = |flag, lifts| if self.0 & flag == 0 { 0 } else { lifts };
        of(SUID, NOSUID) | of(DEV, NODEV)
    }
}

/// The flags of an unmount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UmountFlags {
    /// Everything mounted below is unmounted first.
    pub recursive: bool,
    /// `MNT_DETACH`: detached now, removed when it is no longer used.
    pub detach: bool,
    /// `MNT_FORCE`.
    pub force: bool,
}

/// Sets the flag of a word.
type Set = fn(&mut UmountFlags);

/// All words for an unmount, with the flags that they set.
pub const UMOUNT_WORDS: &[(&str, Set)] = &[
    ("rec", |flags| flags.recursive = true),
    ("recursive", |flags| flags.recursive = true),
    ("detach", |flags| flags.detach = true),
    ("force", |flags| flags.force = true),
];

impl UmountFlags {
    /// Parses `rec`, `recursive`, `detach` and `force`, separated by commas. (uWSGI also accepts the words for
    /// mount(2), whose numbers happen to mean something else here, ACT-10; here they are refused.)
    ///
    /// # Errors
    /// The first unknown word.
    pub fn parse(words: &[u8]) -> Result<Self, &[u8]> {
        let mut flags = Self::default();
        for word in words.split(|byte| *byte == b',').filter(|word| !word.is_empty()) {
            let known = UMOUNT_WORDS.iter().find(|(known, _)| known.as_bytes() == word);
            let (_, set) = known.ok_or(word)?;
            set(&mut flags);
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
    fn a_new_filesystem_is_nosuid_and_nodev_unless_the_line_says_otherwise() {
        const CASES: &[(&str, &str, u64)] = &[
            ("tmpfs", "", NOSUID | NODEV),
            ("tmpfs", "suid", NODEV),
            ("tmpfs", "dev,ro", NOSUID | RDONLY),
            ("devpts", "", NOSUID),
            ("devpts", "nodev,suid", NODEV),
        ];
        for (fstype, words, expected) in CASES {
            let flags = MountFlags::parse(words.as_bytes()).unwrap();
            assert_eq!(
                flags.bits_of_new(fstype.as_bytes()),
                *expected,
                "{fstype} {words}"
            );
        }
        let bind = MountFlags::parse(b"bind,dev").unwrap();
        assert_eq!((bind.bits(), bind.lifted()), (BIND, NODEV));
        assert!(!bind.mounts_filesystem());
    }
}
