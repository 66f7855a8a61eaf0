//! A machine that never changes: some files, an environment, and the same answer each time.

use std::time::Duration;
use vassal_config::machine::world::{ReadError, World};

/// The files and variables a configuration may ask for.
#[derive(Clone, Default)]
pub struct Constant {
    /// Files by name, relative to the working directory.
    pub files: Vec<(Vec<u8>, Vec<u8>)>,
    /// The environment.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Constant {
    /// The same machine with one more file.
    #[must_use]
    pub fn with_file(mut self, name: &[u8], text: &[u8]) -> Self {
        self.files.push((name.to_vec(), text.to_vec()));
        self
    }

    /// The same machine with one more variable.
    #[must_use]
    pub fn with_variable(mut self, name: &[u8], value: &[u8]) -> Self {
        self.environment.push((name.to_vec(), value.to_vec()));
        self
    }

    fn file(&self, path: &[u8]) -> Option<&[u8]> {
        let found = self.files.iter().find(|(name, _)| name == path);
        found.map(|(_, text)| text.as_slice())
    }
}

fn missing<T>() -> Result<T, ReadError> {
    Err(ReadError::Failed { errno: 2 })
}

fn refused<T>() -> Result<T, ReadError> {
    Err(ReadError::Refused {
        why: "this machine has none",
    })
}

impl World for Constant {
    fn read_file(&self, path: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        match self.file(path) {
            Some(text) if text.len() > limit => Err(ReadError::TooLarge { limit }),
            Some(text) => Ok(text.to_vec()),
            None if self.is_dir(path) => Err(ReadError::Directory),
            None => missing(),
        }
    }
    fn list_dir(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        if self.is_dir(path) {
            Ok(self.files.iter().map(|(name, _)| name.clone()).collect())
        } else {
            missing()
        }
    }
    fn is_readable(&self, path: &[u8]) -> bool {
        self.is_file(path) || self.is_dir(path)
    }
    fn is_file(&self, path: &[u8]) -> bool {
        self.file(path).is_some()
    }
    fn is_dir(&self, path: &[u8]) -> bool {
        matches!(path, b"." | b"./" | b"/w" | b"/w/")
    }
    fn is_symlink(&self, path: &[u8]) -> bool {
        path == b"link.ini"
    }
    fn inode(&self, path: &[u8]) -> Option<u64> {
        self.is_readable(path).then_some(42)
    }
    fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, ReadError> {
        if self.is_readable(path) {
            Ok([b"/w/", path].concat())
        } else {
            missing()
        }
    }
    fn environment(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.environment
    }
    fn current_dir(&self) -> &[u8] {
        b"/w"
    }
    fn hostname(&self) -> Vec<u8> {
        b"host".to_vec()
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
        2
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
    fn run(&self, command: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        let said = [command, b"\n"].concat();
        if said.len() > limit {
            Err(ReadError::TooLarge { limit })
        } else {
            Ok(said)
        }
    }
    fn read_fd(&self, _: u32, _: usize) -> Result<Vec<u8>, ReadError> {
        refused()
    }
    fn fetch(&self, _: &[u8], _: usize) -> Result<Vec<u8>, ReadError> {
        refused()
    }
    fn resolve(&self, host: &[u8]) -> Result<Vec<u8>, ReadError> {
        if host == b"localhost" {
            Ok(b"127.0.0.1".to_vec())
        } else {
            missing()
        }
    }
}
