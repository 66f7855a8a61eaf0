//! The places of vassals' files: the values of `emperor`, each a directory or a pattern of paths (EMP-1). Every program
//! finds the vassals' files, and the file of a given name, by the functions of this module.

use crate::diagnostic::{Diagnostic, Origin};
use crate::emperor::name::{ENDING, VassalName};
use crate::language::expansion::glob;
use crate::machine::system::System;
use crate::machine::world::{ReadError, World};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vassal_escape::printable;

/// How many names in directories a pattern may be compared with: a thousand directories with a thousand vassals each.
const NAMES: usize = 1_000_000;

/// errno(3), as in [`ReadError::Failed`].
const ENOENT: i32 = 2;
/// ENOTDIR: a name on the way is not a directory.
const ENOTDIR: i32 = 20;

/// The value of one `emperor` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// All vassals' files in this directory.
    Directory(Vec<u8>),
    /// All vassals' files whose path matches: `/srv/*/uwsgi.ini`, or a single file.
    Pattern(Vec<u8>),
}

impl Place {
    /// Parses `value`. A relative path is relative to `chdir`, if that is given.
    ///
    /// # Errors
    /// A source that is neither a directory nor a pattern; a relative path without a `chdir`.
    pub fn parse(value: &[u8], chdir: Option<&[u8]>, origin: &Origin) -> Result<Self, Diagnostic> {
        let refusal = |message: String, hint: String| {
            Err(Diagnostic::error(Some(origin.clone()), message).with_hint(hint))
        };
        let shown = printable(value);
        let (scheme, path) = match value.windows(3).position(|window| window == b"://") {
            Some(at) => (&value[..at], &value[at + 3..]),
            None => (&b""[..], value),
        };
        if !matches!(scheme, b"" | b"dir" | b"glob") {
            return refusal(
                format!("emperor = {shown}: only directories are read"),
                "name a directory of INI files, or a pattern such as /srv/*/vassal.ini".to_owned(),
            );
        }
        let start = chdir.filter(|directory| directory.first() == Some(&b'/'));
        let path = match (path.first(), start) {
            (Some(b'/'), _) => path.to_vec(),
            (Some(_), Some(start)) => [start, b"/", path].concat(),
            (None, _) | (_, None) => {
                let line = printable(path);
                return refusal(
                    format!("emperor = {shown}: not an absolute path"),
                    format!(
                        "begin it with '/': the Emperor takes it from the directory it is started in, '/' for a \
                         service, so write 'emperor = /{line}'; or name that directory: 'chdir = /DIRECTORY'"
                    ),
                );
            }
        };
        let is_pattern = match scheme {
            b"dir" => false,
            b"glob" => true,
            _ => path.ends_with(ENDING) || path.split(|byte| *byte == b'/').any(glob::is_pattern),
        };
        Ok(match is_pattern {
            true => Place::Pattern(path),
            false => Place::Directory(path),
        })
    }

    /// The path as written, without a scheme.
    pub fn path(&self) -> &[u8] {
        match self {
            Place::Directory(path) | Place::Pattern(path) => path,
        }
    }

    /// The paths of all directory entries in this place, sorted, whatever their names are. They are below `root`, which
    /// is not part of the paths.
    ///
    /// # Errors
    /// A directory that cannot be read. A missing one is no error, because it may be mounted later.
    pub fn files(&self, root: &Path) -> Result<Vec<Vec<u8>>, ReadError> {
        let world = world(root);
        let pattern = match self {
            Place::Pattern(pattern) if !world.is_dir(relative(pattern)) => pattern,
            // A directory, even if its name looks like a pattern (EMP-1, measured).
            Place::Pattern(directory) | Place::Directory(directory) => return list(directory, &world),
        };
        let mut names = NAMES;
        let found = glob::existing(relative(pattern), &world, &mut names);
        let found = found.ok_or(ReadError::Refused {
            why: "the pattern looks at more than 1000000 names",
        })?;
        // A match that ends with '/' is a directory.
        let files = found.into_iter().filter(|path| !path.ends_with(b"/"));
        Ok(files.map(|path| [b"/", &path[..]].concat()).collect())
    }

    /// The existing directories that [`Place::files`] reads, and those above them. A new, changed or removed entry in
    /// one of them can change the result.
    pub fn directories(&self, root: &Path) -> Vec<Vec<u8>> {
        let world = world(root);
        let pattern = match self {
            Place::Pattern(pattern) if !world.is_dir(relative(pattern)) => pattern,
            Place::Pattern(directory) | Place::Directory(directory) => return vec![directory.clone()],
        };
        let components: Vec<&[u8]> = relative(pattern).split(|byte| *byte == b'/').collect();
        let mut names = NAMES;
        let mut found = Vec::new();
        for length in 1..components.len() {
            let prefix = [components[..length].join(&b'/').as_slice(), b"/"].concat();
            let existing = glob::existing(&prefix, &world, &mut names).unwrap_or_default();
            found.extend(existing.into_iter().map(|path| [b"/", &path[..]].concat()));
        }
        found
    }

    /// Whether the place is a directory that does not exist, below `root`. A pattern without matches is not missing.
    pub fn is_missing(&self, root: &Path) -> bool {
        match self {
            Place::Directory(path) => !root.join(OsStr::from_bytes(relative(path))).is_dir(),
            Place::Pattern(_) => false,
        }
    }

    /// The path of the file of `name` in this place; `None` if there is none.
    ///
    /// # Errors
    /// A directory that cannot be searched.
    pub fn file_of(&self, name: &VassalName, root: &Path) -> Result<Option<PathBuf>, ReadError> {
        let file = name.file();
        let (directory, last) = split(self.path());
        let candidate = match self {
            Place::Directory(directory) => [directory, &b"/"[..], &file].concat(),
            // The directory is no pattern, so only one path is possible.
            Place::Pattern(pattern)
                if !directory.split(|byte| *byte == b'/').any(glob::is_pattern)
                    && !world(root).is_dir(relative(pattern)) =>
            {
                if !glob::is_match(last, &file) {
                    return Ok(None);
                }
                [directory, &b"/"[..], &file].concat()
            }
            Place::Pattern(_) => {
                let files = self.files(root)?;
                let is_named = |path: &&Vec<u8>| split(path).1 == file;
                match files.iter().find(is_named) {
                    Some(path) => path.clone(),
                    None => return Ok(None),
                }
            }
        };
        let path = root.join(OsStr::from_bytes(relative(&candidate)));
        match path.symlink_metadata() {
            Ok(_) => Ok(Some(PathBuf::from(OsStr::from_bytes(&candidate)))),
            Err(error) => match ReadError::from_io(&error) {
                ReadError::Failed {
                    errno: ENOENT | ENOTDIR,
                } => Ok(None),
                error => Err(error),
            },
        }
    }
}

/// The files of one directory.
fn list(directory: &[u8], world: &System) -> Result<Vec<Vec<u8>>, ReadError> {
    let below = match relative(directory) {
        b"" => b".",
        below => below,
    };
    let mut names = match world.list_dir(below) {
        Err(ReadError::Failed { errno: ENOENT }) => return Ok(Vec::new()),
        names => names?,
    };
    names.sort();
    let path = |name: Vec<u8>| [directory, b"/", &name].concat();
    Ok(names.into_iter().map(path).collect())
}

fn world(root: &Path) -> System {
    System::new([].into(), root.to_path_buf()).without_sources()
}

/// A path on the machine, relative to the root directory.
fn relative(path: &[u8]) -> &[u8] {
    let slashes = path.iter().take_while(|byte| **byte == b'/').count();
    &path[slashes..]
}

/// The directory of a path, and its last component.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(value: &str, chdir: Option<&str>) -> Result<Place, Diagnostic> {
        Place::parse(value.as_bytes(), chdir.map(str::as_bytes), &Origin::CommandLine)
    }

    #[test]
    fn a_value_is_a_directory_or_a_pattern() {
        const CASES: &[(&str, &str, bool)] = &[
            ("/etc/uwsgi/vassals", "/etc/uwsgi/vassals", false),
            ("dir:///etc/[x]", "/etc/[x]", false),
            ("/etc/uwsgi/vassals/*.ini", "/etc/uwsgi/vassals/*.ini", true),
            ("glob:///srv/*/app.ini", "/srv/*/app.ini", true),
            ("/etc/uwsgi/one.ini", "/etc/uwsgi/one.ini", true),
        ];
        for (value, path, is_pattern) in CASES {
            let found = place(value, None).unwrap();
            assert_eq!(found.path(), path.as_bytes(), "{value}");
            assert_eq!(matches!(found, Place::Pattern(_)), *is_pattern, "{value}");
        }
        assert!(place("pg://localhost", None).is_err());
    }

    #[test]
    fn a_relative_path_begins_at_chdir_or_is_refused_with_the_line_to_write() {
        let found = place("vassals/*.ini", Some("/etc/uwsgi")).unwrap();
        assert_eq!(found, Place::Pattern(b"/etc/uwsgi/vassals/*.ini".to_vec()));
        for chdir in [None, Some("etc")] {
            let error = place("vassals", chdir).unwrap_err().to_string();
            assert!(error.contains("'emperor = /vassals'"), "{error}");
        }
    }

    #[test]
    fn a_vassals_file_is_where_it_is_listed() {
        let root = std::env::temp_dir().join(format!("vassal-place-{}", std::process::id()));
        for directory in ["srv/a/b.ini", "srv/c"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        for file in [
            "srv/a/one.ini",
            "srv/a/two.conf",
            "srv/c/three.ini",
            "srv/a/b.ini/in.ini",
        ] {
            std::fs::write(root.join(file), "").unwrap();
        }
        const CASES: &[(&str, &[&str], &str, Option<&str>)] = &[
            ("/srv/a/*.ini", &["/srv/a/one.ini"], "one", Some("/srv/a/one.ini")),
            (
                "/srv/*/*.ini",
                &["/srv/a/one.ini", "/srv/c/three.ini"],
                "three",
                Some("/srv/c/three.ini"),
            ),
            ("/srv/a/o*", &["/srv/a/one.ini"], "two", None),
            (
                "/srv/a/one.ini",
                &["/srv/a/one.ini"],
                "one",
                Some("/srv/a/one.ini"),
            ),
            (
                "/srv/a/b.ini",
                &["/srv/a/b.ini/in.ini"],
                "in",
                Some("/srv/a/b.ini/in.ini"),
            ),
            ("/srv/c", &["/srv/c/three.ini"], "three", Some("/srv/c/three.ini")),
            ("/nowhere", &[], "three", None),
            ("/nowhere/*", &[], "three", None),
        ];
        for (value, files, name, file) in CASES {
            let place = place(value, None).unwrap();
            let found = place.files(&root).unwrap();
            let found: Vec<_> = found.iter().map(|path| String::from_utf8_lossy(path)).collect();
            assert_eq!(found, *files, "{value}");
            let name = VassalName::parse(name.as_bytes()).unwrap();
            assert_eq!(
                place.file_of(&name, &root).unwrap(),
                file.map(PathBuf::from),
                "{value}"
            );
        }
        std::fs::remove_dir_all(&root).unwrap();
    }
}
