//! Directories, by their path on the machine that is examined and by their path here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A directory on the machine below a root directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The machine's root directory: absolute, without links.
    pub root: PathBuf,
    /// The directory as it was named by the user, for display.
    pub shown: PathBuf,
    /// The directory as an absolute path here.
    pub directory: PathBuf,
}

impl Location {
    /// The directory `shown`, a path that is valid here.
    pub fn new(root: &Path, shown: &Path) -> Self {
        let own = if shown.as_os_str().is_empty() {
            Path::new(".")
        } else {
            shown
        };
        Location {
            root: root.to_path_buf(),
            shown: shown.to_path_buf(),
            directory: absolute(own, root),
        }
    }

    /// The directory's path on its machine.
    pub fn inside(&self) -> PathBuf {
        self.inside_of(&self.directory)
    }

    /// The path on the machine below the root, of a path here.
    pub fn inside_of(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.root) {
            Ok(rest) => Path::new("/").join(rest),
            Err(_) => path.to_path_buf(),
        }
    }

    /// A path from a file, as it can be opened here.
    pub fn outside(&self, path: &[u8]) -> PathBuf {
        self.reached(path, &self.directory)
    }

    /// A path from a file, for display.
    pub fn shown(&self, path: &[u8]) -> PathBuf {
        self.reached(path, &self.shown)
    }

    fn reached(&self, path: &[u8], directory: &Path) -> PathBuf {
        let path = Path::new(OsStr::from_bytes(path));
        if path.is_absolute() && !path.starts_with(&self.directory) {
            below(&self.root, path)
        } else {
            directory.join(path)
        }
    }
}

/// Links in a directory's path are kept, because a start keeps them, too.
fn absolute(path: &Path, root: &Path) -> PathBuf {
    let named = std::path::absolute(path).ok();
    let has_parent = |path: &Path| path.components().any(|part| part == Component::ParentDir);
    match named.filter(|named| named.starts_with(root) && !has_parent(named)) {
        Some(named) => named,
        None => path.canonicalize().unwrap_or_else(|_| path.to_path_buf()),
    }
}

/// An absolute path of the machine below `root`, as it can be opened here.
pub fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(shown: &str) -> Location {
        Location::new(Path::new("/image"), Path::new(shown))
    }

    #[test]
    fn a_path_of_the_machine_is_reached_below_its_root() {
        let vassals = location("/image/etc/uwsgi/vassals");
        assert_eq!(vassals.inside(), Path::new("/etc/uwsgi/vassals"));
        let cases = [
            ("u.ini", "/image/etc/uwsgi/vassals/u.ini"),
            ("/etc/common.ini", "/image/etc/common.ini"),
            ("/image/etc/uwsgi/vassals/u.ini", "/image/etc/uwsgi/vassals/u.ini"),
        ];
        for (path, wanted) in cases {
            assert_eq!(vassals.outside(path.as_bytes()), Path::new(wanted), "{path}");
        }
    }

    #[test]
    fn a_directory_beside_the_machine_keeps_its_own_name() {
        let git = location("/proc");
        assert_eq!(git.inside(), Path::new("/proc"));
        assert_eq!(git.outside(b"u.ini"), Path::new("/proc/u.ini"));
        assert_eq!(
            git.outside(b"/etc/common.ini"),
            Path::new("/image/etc/common.ini")
        );
    }

    #[test]
    fn what_is_shown_is_as_it_was_named() {
        let here = location("");
        assert_eq!(here.shown(b"u.ini"), Path::new("u.ini"));
        assert_eq!(location("../v").shown(b"u.ini"), Path::new("../v/u.ini"));
    }
}
