//! Magic variables, such as `%n`, in the text of a file (M1 to M8).

use crate::machine::world::World;
use std::cell::OnceCell;

/// The values of the variables that describe a file (M2, M6); empty until a file was named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// `%o`
    pub(crate) argument: Vec<u8>,
    /// `%x`
    pub(crate) section: Vec<u8>,
    /// The path of the file, as it was named; `None` until a file was named.
    file: Option<Vec<u8>>,
    /// What only the filesystem knows; it is looked up at the first variable that needs it, which most files do not have.
    place: OnceCell<Place>,
    /// `%b`. uWSGI determines it together with the variables of the first file.
    binary: Vec<u8>,
}

/// Where a file is.
#[derive(Clone, Debug, Default)]
struct Place {
    /// `%p`. All variables except `%o`, `%x` and `%i` are parts of it.
    path: Vec<u8>,
    inode: Option<u64>,
}

impl Place {
    /// Where the file at `argument` is, by the rules of M6. A file that has gone since it was read keeps its path as
    /// written.
    fn of(world: &dyn World, argument: &[u8]) -> Self {
        let as_written = || match argument {
            [b'/', ..] => argument.to_vec(),
            _ => [world.current_dir(), b"/", argument].concat(),
        };
        let path = match world.is_symlink(argument) {
            true => as_written(),
            false => world.realpath(argument).unwrap_or_else(|_| as_written()),
        };
        let inode = world.inode(argument);
        Place { path, inode }
    }
}

impl Names {
    /// The variables of the file `argument`.
    pub(crate) fn of_file(world: &dyn World, argument: &[u8], section: Option<&[u8]>) -> Self {
        Names {
            argument: argument.to_vec(),
            section: section.unwrap_or_default().to_vec(),
            file: Some(argument.to_vec()),
            place: OnceCell::new(),
            binary: world.binary().to_vec(),
        }
    }

    /// The value of a lower case variable; `None` if the letter is not one.
    fn text(&self, letter: u8, world: &dyn World) -> Option<Vec<u8>> {
        let find = || self.file.as_ref().map(|file| Place::of(world, file));
        let place = || self.place.get_or_init(|| find().unwrap_or_default());
        Some(match letter {
            b'o' => self.argument.clone(),
            b'x' => self.section.clone(),
            b'b' => self.binary.clone(),
            b'i' => place()
                .inode
                .map(|inode| inode.to_string().into_bytes())
                .unwrap_or_default(),
            b'p' | b's' | b'n' | b'e' | b'd' | b'c' | b'0'..=b'9' | b'j' => place().part(letter)?,
            _ => return None,
        })
    }
}

impl Place {
    /// The part of the path that a variable stands for; `None` if the letter is not such a variable.
    fn part(&self, letter: u8) -> Option<Vec<u8>> {
        Some(match letter {
            b'p' => self.path.clone(),
            b's' => self.file().to_vec(),
            b'n' => self.stem_and_extension().0.to_vec(),
            b'e' => self.stem_and_extension().1.to_vec(),
            b'd' => self.directory().to_vec(),
            b'c' => self.components().last().unwrap_or_default().to_vec(),
            b'0'..=b'9' => self
                .components()
                .nth(usize::from(letter - b'0'))
                .unwrap_or_default()
                .to_vec(),
            b'j' => self.hash(),
            _ => return None,
        })
    }

    /// The path up to and including its last `/`.
    fn directory(&self) -> &[u8] {
        let end = self
            .path
            .iter()
            .rposition(|&byte| byte == b'/')
            .map_or(0, |at| at + 1);
        self.path.get(..end).unwrap_or_default()
    }

    fn file(&self) -> &[u8] {
        self.path.get(self.directory().len()..).unwrap_or_default()
    }

    fn stem_and_extension(&self) -> (&[u8], &[u8]) {
        crate::bytes::split::split_last(self.file(), b'.').unwrap_or((self.file(), b""))
    }

    /// The names of the directories in the path, from the root.
    fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.directory()
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
    }

    /// `%j` (M2): djb33 of the path, with the bytes of the number in ascending order.
    fn hash(&self) -> Vec<u8> {
        if self.path.is_empty() {
            return Vec::new();
        }
        let hash = self
            .path
            .iter()
            .fold(5381_u32, |hash, &byte| hash.wrapping_mul(33) ^ u32::from(byte));
        hash.to_le_bytes()
            .iter()
            .flat_map(|byte| format!("{byte:02X}").into_bytes())
            .collect()
    }
}

/// All variables for one text.
pub(crate) struct Magic<'a> {
    pub(crate) world: &'a dyn World,
    /// `%n` and the other lower case variables.
    pub(crate) current: &'a Names,
    /// `%N` and the other upper case variables (M7).
    pub(crate) first: &'a Names,
}

impl Magic<'_> {
    /// The replacement for the beginning of `rest`, in the form that
    /// [`crate::language::text::source_text::Replaced::replace`] needs. `%(` is no variable (M2) and is copied, so that
    /// its parenthesis is not examined again. An unknown byte is removed together with its `%` (M3), even a line end or
    /// a NUL (M5).
    pub(crate) fn step(&self, rest: &[u8]) -> Option<(usize, Vec<u8>)> {
        match rest {
            [b'%', letter, ..] => Some((2, self.text(*letter).unwrap_or_default())),
            [b'%'] => Some((1, Vec::new())),
            _ => None,
        }
    }

    fn text(&self, letter: u8) -> Option<Vec<u8>> {
        let number = |number: u64| Some(number.to_string().into_bytes());
        let world = self.world;
        match letter {
            b'%' => Some(b"%".to_vec()),
            b'(' => Some(b"%(".to_vec()),
            b'[' => Some(b"\x1b".to_vec()),
            b'v' => Some(world.current_dir().to_vec()),
            b'h' => Some(world.hostname()),
            b'u' => number(u64::from(world.uid())),
            b'g' => number(u64::from(world.gid())),
            b'U' => world
                .user_name(world.uid())
                .or_else(|| number(u64::from(world.uid()))),
            b'G' => world
                .group_name(world.gid())
                .or_else(|| number(u64::from(world.gid()))),
            b'k' => Some(world.cpus().to_string().into_bytes()),
            b'V' => Some(world.version().to_vec()),
            b't' => number(world.start_time().as_secs()),
            b'T' => Some(world.start_time().as_micros().to_string().into_bytes()),
            b'O' | b'P' | b'S' | b'D' | b'C' | b'E' | b'N' | b'X' | b'I' | b'J' => {
                self.first.text(letter.to_ascii_lowercase(), world)
            }
            _ => self.current.text(letter, world),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::text::source_text::{Joined, Replaced};
    use crate::machine::fake::FakeWorld;

    fn replaced(text: &[u8]) -> String {
        replaced_in(b"sub/my.app.ini", text)
    }

    fn replaced_in(file: &[u8], text: &[u8]) -> String {
        let world = FakeWorld::with(&[("sub/my.app.ini", "")]);
        let current = Names::of_file(&world, file, Some(b"sec"));
        let magic = Magic {
            world: &world,
            current: &current,
            first: &Names::default(),
        };
        let mut joined = Joined::default();
        joined.push(&std::rc::Rc::from(&b"x"[..]), text);
        let mut replaced = Replaced::new(joined);
        assert_eq!(replaced.replace(|rest| magic.step(rest)), Ok(()));
        String::from_utf8_lossy(replaced.bytes()).into_owned()
    }

    #[test]
    fn variables_are_replaced_in_one_pass() {
        const CASES: &[(&str, &str)] = &[
            ("%o %x %s %n %e", "sub/my.app.ini sec my.app.ini my.app ini"),
            ("%p %d %c %0 %1 [%2]", "/w/sub/my.app.ini /w/sub/ sub w sub []"),
            ("%N%O[%X]", "[]"),
            ("%i %v %h %k %V", "42 /w fixed-host 3 2.0.21"),
            ("%u:%U %g:%G", "0:root 7:7"),
            ("%t %T", "1700000000 1700000000000123"),
            ("%[%b", "\u{1b}/usr/bin/uwsgi"),
            ("100%% %%n %%%n", "100% %n %my.app"),
            ("%(n) %%(n) %((", "%(n) %(n) %(("),
            ("100% sure %z", "100sure "),
            ("a%\nb%\0c%\r\nd%", "abc\nd"),
        ];
        for (text, wanted) in CASES {
            assert_eq!(replaced(text.as_bytes()), *wanted, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_is_gone_since_it_was_read_keeps_its_names() {
        assert_eq!(
            replaced_in(b"sub/gone.ini", b"%p %n %c"),
            "/w/sub/gone.ini gone sub"
        );
        assert_eq!(replaced_in(b"/srv/gone.ini", b"%d%s"), "/srv/gone.ini");
    }

    #[test]
    fn an_unknown_variable_takes_one_byte_not_one_character() {
        assert_eq!(replaced("%ä".as_bytes()), "\u{fffd}");
    }

    #[test]
    fn the_hash_is_the_one_uwsgi_prints() {
        // X11
        let place = Place {
            path: b"/srv/corpus/x/y/case.ini".to_vec(),
            inode: None,
        };
        assert_eq!(place.part(b'j').as_deref(), Some(&b"60B9D90E"[..]));
    }
}
