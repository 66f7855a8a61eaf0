//! The machine a case was recorded on: files are those of the case, everything else is what `meta.json` tells.

use std::time::Duration;

use vassal_config::machine::system::System;
use vassal_config::machine::world::{ReadError, World};

pub struct Machine {
    /// Reads from the directory the case lies in.
    pub system: System,
    /// That directory, its real path.
    pub here: Vec<u8>,
    /// Where it was when the case was recorded.
    pub there: Vec<u8>,
    pub hostname: Vec<u8>,
    pub cpus: usize,
    pub uid: u32,
    pub gid: u32,
    pub user: Vec<u8>,
    pub group: Vec<u8>,
    pub version: Vec<u8>,
}

impl Machine {
    /// A path of the case as it is here.
    fn inward(&self, path: &[u8]) -> Vec<u8> {
        moved(path, &self.there, &self.here)
    }
}

/// A path with one leading directory replaced by another.
fn moved(path: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match path.strip_prefix(from) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => [to, rest].concat(),
        _ => path.to_vec(),
    }
}

impl World for Machine {
    fn read_file(&self, path: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        self.system.read_file(&self.inward(path), limit)
    }
    fn list_dir(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        self.system.list_dir(&self.inward(path))
    }
    fn is_readable(&self, path: &[u8]) -> bool {
        self.system.is_readable(&self.inward(path))
    }
    fn is_file(&self, path: &[u8]) -> bool {
        // The one plugin the corpus loads; uWSGI need not be installed where the corpus runs.
        path == b"/usr/lib/uwsgi/plugins/psgi_plugin.so" || self.system.is_file(&self.inward(path))
    }
    fn is_dir(&self, path: &[u8]) -> bool {
        self.system.is_dir(&self.inward(path))
    }
    fn is_symlink(&self, path: &[u8]) -> bool {
        self.system.is_symlink(&self.inward(path))
    }
    fn inode(&self, path: &[u8]) -> Option<u64> {
        self.system.inode(&self.inward(path))
    }
    fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, ReadError> {
        let real = self.system.realpath(&self.inward(path))?;
        Ok(moved(&real, &self.here, &self.there))
    }
    fn environment(&self) -> &[(Vec<u8>, Vec<u8>)] {
        self.system.environment()
    }
    fn current_dir(&self) -> &[u8] {
        &self.there
    }
    fn hostname(&self) -> Vec<u8> {
        self.hostname.clone()
    }
    fn uid(&self) -> u32 {
        self.uid
    }
    fn gid(&self) -> u32 {
        self.gid
    }
    fn user_name(&self, uid: u32) -> Option<Vec<u8>> {
        (uid == self.uid).then(|| self.user.clone())
    }
    fn group_name(&self, gid: u32) -> Option<Vec<u8>> {
        (gid == self.gid).then(|| self.group.clone())
    }
    fn user_id(&self, name: &[u8]) -> Option<u32> {
        (name == self.user).then_some(self.uid)
    }
    fn group_id(&self, name: &[u8]) -> Option<u32> {
        (name == self.group).then_some(self.gid)
    }
    fn cpus(&self) -> usize {
        self.cpus
    }
    fn start_time(&self) -> Duration {
        self.system.start_time()
    }
    fn version(&self) -> &[u8] {
        &self.version
    }
    fn binary(&self) -> &[u8] {
        self.system.binary()
    }
    fn plugin_dir(&self) -> &[u8] {
        b"/usr/lib/uwsgi/plugins"
    }
    fn run(&self, command: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        self.system.run(command, limit)
    }
    fn read_fd(&self, fd: u32, limit: usize) -> Result<Vec<u8>, ReadError> {
        self.system.read_fd(fd, limit)
    }
    fn fetch(&self, address: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        self.system.fetch(address, limit)
    }
    fn resolve(&self, host: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.system.resolve(host)
    }
}
