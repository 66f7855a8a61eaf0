//! A [`World`] made of constants, for the tests of all crates and for fuzzing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::machine::world::{Open, ReadError, World};

/// Files by name (relative to the working directory `/w`), an environment, and fixed values for everything else.
#[derive(Clone, Debug, Default)]
pub struct FakeWorld {
    /// The files.
    pub files: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The environment, in its order.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// The result of [`World::open_files`].
    pub open: Vec<Open>,
}

impl FakeWorld {
    /// A world with these files and an empty environment.
    #[must_use]
    pub fn with(files: &[(&str, &str)]) -> Self {
        let file = |world: Self, (name, text): &(&str, &str)| world.file(name.as_bytes(), text.as_bytes());
        files.iter().fold(Self::default(), file)
    }

    /// The same world with one more file.
    #[must_use]
    pub fn file(mut self, name: &[u8], text: &[u8]) -> Self {
        self.files.insert(name.to_vec(), text.to_vec());
        self
    }

    /// The same world with one more variable in its environment.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn missing<T>() -> Result<T, ReadError> {
        Err(ReadError::Failed { errno: 2 })
    }
}

impl World for FakeWorld {
    fn read_file(&self, path: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        match self.files.get(path) {
            Some(text) if text.len() > limit => Err(ReadError::TooLarge { limit }),
            Some(text) => Ok(text.clone()),
            None => Self::missing(),
        }
    }
    fn open_files(&self) -> Vec<Open> {
        self.open.clone()
    }
    fn list_dir(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let prefix = [path, b"/"].concat();
        let mut names: Vec<Vec<u8>> = self
            .files
            .keys()
            .filter_map(|name| {
                if path == b"." {
                    Some(&name[..])
                } else {
                    name.strip_prefix(&prefix[..])
                }
            })
            .map(|rest| {
                rest.split(|&byte| byte == b'/')
                    .next()
                    .unwrap_or_default()
                    .to_vec()
            })
            .collect();
        names.dedup();
        if names.is_empty() {
            Self::missing()
        } else {
            Ok(names)
        }
    }
    fn is_readable(&self, path: &[u8]) -> bool {
        self.is_file(path) || self.is_dir(path)
    }
    fn is_file(&self, path: &[u8]) -> bool {
        self.files.contains_key(path)
    }
    fn is_dir(&self, path: &[u8]) -> bool {
        self.list_dir(path).is_ok()
    }
    fn is_symlink(&self, _: &[u8]) -> bool {
        false
    }
    fn inode(&self, path: &[u8]) -> Option<u64> {
        self.is_file(path).then_some(42)
    }
    fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, ReadError> {
        if self.is_readable(path) {
            Ok([b"/w/", path].concat())
        } else {
            Self::missing()
        }
    }
    fn environment(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.environment
    }
    fn current_dir(&self) -> &[u8] {
        b"/w"
    }
    fn hostname(&self) -> Vec<u8> {
        b"fixed-host".to_vec()
    }
    fn uid(&self) -> u32 {
        0
    }
    fn gid(&self) -> u32 {
        7
    }
    fn user_name(&self, uid: u32) -> Option<Vec<u8>> {
        (uid == 0).then(|| b"root".to_vec())
    }
    fn group_name(&self, gid: u32) -> Option<Vec<u8>> {
        (gid == 0).then(|| b"root".to_vec())
    }
    fn user_id(&self, name: &[u8]) -> Option<u32> {
        (name == b"www-data").then_some(33)
    }
    fn group_id(&self, name: &[u8]) -> Option<u32> {
        (name == b"www-data").then_some(33)
    }
    fn cpus(&self) -> usize {
        3
    }
    fn start_time(&self) -> Duration {
        Duration::from_micros(1_700_000_000_000_123)
    }
    fn version(&self) -> &[u8] {
        b"2.0.21"
    }
    fn binary(&self) -> &[u8] {
        b"/usr/bin/uwsgi"
    }
    fn plugin_dir(&self) -> &[u8] {
        b"/plugins"
    }
    fn run(&self, command: &[u8], _: usize) -> Result<Vec<u8>, ReadError> {
        Ok([b"ran ", command, b"\n"].concat())
    }
    fn read_fd(&self, fd: u32, _: usize) -> Result<Vec<u8>, ReadError> {
        Ok(format!("from {fd}\n").into_bytes())
    }
    fn fetch(&self, _: &[u8], _: usize) -> Result<Vec<u8>, ReadError> {
        Err(ReadError::Refused {
            why: "this world has no network",
        })
    }
    fn resolve(&self, host: &[u8]) -> Result<Vec<u8>, ReadError> {
        if host == b"localhost" {
            Ok(b"127.0.0.1".to_vec())
        } else {
            Self::missing()
        }
    }
}
