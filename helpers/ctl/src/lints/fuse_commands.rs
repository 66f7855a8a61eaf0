//! Parses the shell commands of hooks as far as that is possible without a shell: programs, their words, and what FUSE
//! programs mount.

use vassal_config::hooks::action::Action;
use vassal_config::vassal::plan::Operation;

/// Programs that mount with FUSE; the last absolute path among their words is the mountpoint.
const FUSE: [&[u8]; 26] = [
    b"archivemount",
    b"bindfs",
    b"ceph-fuse",
    b"cryfs",
    b"curlftpfs",
    b"encfs",
    b"fuse-overlayfs",
    b"fuse-zip",
    b"fuse2fs",
    b"fuseiso",
    b"gcsfuse",
    b"glusterfs",
    b"gocryptfs",
    b"goofys",
    b"lxcfs",
    b"mergerfs",
    b"mount-zip",
    b"ntfs-3g",
    b"ratarmount",
    b"s3fs",
    b"squashfuse",
    b"squashfuse_ll",
    b"sshfs",
    b"unionfs",
    b"unionfs-fuse",
    b"zip-fuse",
];

/// Of these, programs that show several directories as one.
const UNIONS: [&[u8]; 4] = [b"fuse-overlayfs", b"mergerfs", b"unionfs", b"unionfs-fuse"];

/// Programs that mount nothing, or only what their words name.
const PLAIN: [&[u8]; 22] = [
    b"[",
    b"cat",
    b"chmod",
    b"chown",
    b"cp",
    b"echo",
    b"fusermount",
    b"fusermount3",
    b"id",
    b"install",
    b"ln",
    b"logger",
    b"ls",
    b"mkdir",
    b"printf",
    b"rm",
    b"rmdir",
    b"sleep",
    b"test",
    b"touch",
    b"true",
    b"umount",
];

/// Words that may come before the program's name.
const WRAPPERS: [&[u8]; 5] = [b"exec", b"env", b"nice", b"setsid", b"sudo"];

/// A program and its words, from a shell command.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// The program's name, without its directory.
    pub program: Vec<u8>,
    /// Its arguments.
    pub words: Vec<Vec<u8>>,
}

/// The mount of a FUSE program.
#[derive(Debug)]
pub struct FuseMount<'a> {
    /// The step that runs the program.
    pub operation: &'a Operation,
    /// The program.
    pub program: Vec<u8>,
    /// Its mountpoint.
    pub mountpoint: Vec<u8>,
    options: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

/// A branch of a union.
#[derive(Debug, PartialEq, Eq)]
pub struct Branch {
    /// The path as written.
    pub written: Vec<u8>,
    /// The path on the host.
    pub path: Vec<u8>,
    /// Whether files can be created in it.
    pub is_writable: bool,
}

impl Command {
    /// Whether it is a FUSE program.
    pub fn is_fuse(&self) -> bool {
        FUSE.contains(&self.program.as_slice())
    }
}

/// Whether it is known what the program mounts.
pub fn is_known(program: &[u8]) -> bool {
    FUSE.contains(&program) || PLAIN.contains(&program)
}

/// The programs of a step, if that is a shell command.
pub fn commands(operation: &Operation) -> Vec<Command> {
    let text = match &operation.action {
        Action::Exec { command, failure: _ } => command,
        _ => return Vec::new(),
    };
    let pieces = text.split(|byte| b";|&\n".contains(byte));
    pieces.filter_map(parse).collect()
}

fn parse(text: &[u8]) -> Option<Command> {
    let is_quote = |byte: &u8| b"'\"".contains(byte);
    let words = text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let words = words.map(|word| {
        word.iter()
            .copied()
            .filter(|byte| !is_quote(byte))
            .collect::<Vec<u8>>()
    });
    let mut words = words.skip_while(|word| {
        let is_variable = word.contains(&b'=') && !word.starts_with(b"-");
        is_variable || WRAPPERS.contains(&word.as_slice())
    });
    let program = words.next()?;
    let name = program.rsplit(|byte| *byte == b'/').next()?;
    Some(Command {
        program: name.to_vec(),
        words: words.collect(),
    })
}

/// The mounts of FUSE programs in `operations`, in order.
pub fn fuse_mounts(operations: &[Operation]) -> Vec<FuseMount<'_>> {
    let all = operations.iter().flat_map(|operation| {
        commands(operation)
            .into_iter()
            .map(move |command| (operation, command))
    });
    all.filter_map(|(operation, command)| FuseMount::of(operation, command))
        .collect()
}

impl<'a> FuseMount<'a> {
    fn of(operation: &'a Operation, command: Command) -> Option<Self> {
        let Command { program, words } = command;
        if !FUSE.contains(&program.as_slice()) {
            return None;
        }
        let (mut options, mut left) = (Vec::new(), Vec::new());
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let list = match word.strip_prefix(b"-o") {
                Some(b"") => words.next().unwrap_or_default(),
                Some(list) => list.to_vec(),
                None => {
                    left.push(word);
                    continue;
                }
            };
            options.extend(list.split(|byte| *byte == b',').map(<[u8]>::to_vec));
        }
        let mountpoint = left.iter().rev().find(|word| word.starts_with(b"/"))?;
        Some(FuseMount {
            operation,
            program,
            mountpoint: without_slash(mountpoint),
            options,
            words: left,
        })
    }

    /// Whether it shows several directories as one.
    pub fn is_union(&self) -> bool {
        UNIONS.contains(&self.program.as_slice())
    }

    /// The value of an `-o` option; empty for an option without a value.
    pub fn option(&self, name: &[u8]) -> Option<&[u8]> {
        let mut found = self.options.iter().filter_map(|option| option.strip_prefix(name));
        found.find_map(|rest| match rest {
            [] => Some(rest),
            [b'=', value @ ..] => Some(value),
            _ => None,
        })
    }

    /// The branches of a union, the uppermost first.
    pub fn branches(&self) -> Vec<Branch> {
        if !self.is_union() {
            return Vec::new();
        }
        if self.program == b"fuse-overlayfs" {
            let option = |name: &[u8]| self.option(name).unwrap_or_default().to_vec();
            return overlay(&option(b"upperdir"), &option(b"lowerdir"));
        }
        let Some(list) = self.words.iter().rev().nth(1) else {
            return Vec::new();
        };
        let chroot = self.option(b"chroot").unwrap_or_default();
        let branch = |word: &[u8]| {
            let (path, mode) = match word.iter().position(|byte| *byte == b'=') {
                Some(at) => (&word[..at], &word[at + 1..]),
                None => (word, &b"RO"[..]),
            };
            Branch {
                written: path.to_vec(),
                path: [chroot, path].concat(),
                is_writable: mode.eq_ignore_ascii_case(b"RW"),
            }
        };
        let words = list.split(|byte| *byte == b':').filter(|word| !word.is_empty());
        words.map(branch).collect()
    }
}

/// The branches of an overlay.
pub fn overlay(upper: &[u8], lower: &[u8]) -> Vec<Branch> {
    let branch = |path: &[u8], is_writable| Branch {
        written: path.to_vec(),
        path: path.to_vec(),
        is_writable,
    };
    let lower = lower.split(|byte| *byte == b':').map(|path| branch(path, false));
    let all = [branch(upper, true)].into_iter().chain(lower);
    all.filter(|branch| !branch.path.is_empty()).collect()
}

/// A path without trailing slashes.
pub fn without_slash(path: &[u8]) -> Vec<u8> {
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(1, |last| last + 1);
    path.get(..end).unwrap_or(path).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vassal_config::hooks::action::OnFailure;
    use vassal_config::hooks::phase::Phase;

    fn step(command: &str) -> Operation {
        Operation {
            phase: Phase::AsUser,
            kind: None,
            action: Action::Exec {
                command: command.into(),
                failure: OnFailure::Fatal,
            },
            option: Vec::new(),
            text: Vec::new(),
            origin: None,
        }
    }

    #[test]
    fn the_mountpoint_of_a_fuse_program_is_its_last_absolute_path() {
        const CASES: &[(&str, Option<&str>)] = &[
            ("fuse-zip -r /var/www/app001.zip /app", Some("/app")),
            ("exec nice /usr/bin/fuse-zip '/a.zip' \"/app/\"", Some("/app")),
            ("sshfs host:/srv /mnt -o ro,uid=1", Some("/mnt")),
            ("sshfs host:/srv /mnt -oro -o /not/this", Some("/mnt")),
            (
                "mkdir -p /app && LANG=C fuse-zip /a.zip /app; echo /x",
                Some("/app"),
            ),
            ("bindfs / /", Some("/")),
            ("echo fuse-zip /a.zip /app", None),
            ("fuse-zip", None),
            ("", None),
        ];
        for (text, wanted) in CASES {
            let steps = [step(text)];
            let mounts = fuse_mounts(&steps);
            let found = mounts.first().map(|mount| mount.mountpoint.as_slice());
            assert_eq!(found, wanted.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn branches_are_where_the_daemon_looks_for_them() {
        let steps = [
            step("unionfs-fuse -ocow,chroot=/ns /precise=RO:/cow/u=rw:/more /ufs"),
            step("fuse-overlayfs -o lowerdir=/a:/b -o upperdir=/c,workdir=/d /ufs"),
            step("fuse-zip /a.zip /app"),
        ];
        let shown = |mount: &FuseMount<'_>| -> Vec<String> {
            let branches = mount.branches();
            let branch = |branch: &Branch| format!("{} {}", branch.path.escape_ascii(), branch.is_writable);
            branches.iter().map(branch).collect()
        };
        let all: Vec<_> = fuse_mounts(&steps).iter().map(shown).collect();
        let union = ["/ns/precise false", "/ns/cow/u true", "/ns/more false"];
        assert_eq!(all, [&union[..], &["/c true", "/a false", "/b false"], &[]]);
    }
}
