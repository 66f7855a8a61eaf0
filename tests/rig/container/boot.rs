//! Booting a machine: the options.

use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::container::layer::Layer;
use crate::container::machine::Machine;
use crate::container::rootfs;
use crate::container::stage::{Planned, Stage};
use crate::container::startup;
use crate::container::sweep;
use crate::failure::Failure;
use crate::inside::files::Owner;
use crate::suite::Suite;

/// The device node /dev/fuse of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FuseNode {
    /// Mode 0666, as udev makes it on a host.
    Everyone,
    /// Mode 0600, as the kernel makes it: users cannot mount (SEED-2).
    RootOnly,
    /// No node.
    Absent,
}

/// A machine to be booted.
pub struct Boot {
    suite: Suite,
    layers: Vec<Layer>,
    fuse: FuseNode,
    copy_on_write: bool,
    emperor: bool,
    planned: Vec<Planned>,
}

/// Keeps the emperor away, which would start each vassal as soon as a test writes its file.
const NO_EMPEROR: &str = "[Unit]\nConditionPathExists=/run/vassal-emperor-wanted\n";

impl Boot {
    /// The plain machine of a suite.
    pub fn of(suite: Suite) -> Boot {
        Boot {
            suite,
            layers: Vec::new(),
            fuse: FuseNode::Everyone,
            copy_on_write: false,
            emperor: false,
            planned: Vec::new(),
        }
    }

    /// Lets vassal-emperor.service run, which follows the vassals' files. Without this a test starts its vassals itself.
    #[must_use]
    pub fn emperor(mut self) -> Boot {
        self.emperor = true;
        self
    }

    /// Puts a layer over the root and over the layers given before.
    #[must_use]
    pub fn layer(mut self, layer: &Layer) -> Boot {
        self.layers.insert(0, layer.clone());
        self
    }

    /// Chooses the device node; [`FuseNode::Everyone`] otherwise.
    #[must_use]
    pub fn fuse_node(mut self, node: FuseNode) -> Boot {
        self.fuse = node;
        self
    }

    /// Adds the layout of the seed's copy-on-write scenario: /ns/precise (a whole Debian with uwsgi, /.old_root,
    /// /opt/uwsgi/plugins and /var/www/myapp.pl), the empty /ns/cow/user001 to user003, and /ufs; plain directories of the root,
    /// as there. For an overlay of the kernel, put the writable ones on [`fixtures::cow_on_tmpfs`](crate::fixtures::cow_on_tmpfs).
    #[must_use]
    pub fn copy_on_write(mut self) -> Boot {
        self.copy_on_write = true;
        self
    }

    /// Adds a file that is there before systemd starts.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>, mode: u32, owner: Owner) -> Boot {
        let (path, bytes) = (path.as_ref().to_owned(), Some(bytes.as_ref().to_vec()));
        self.planned.push(Planned {
            path,
            bytes,
            mode,
            owner,
        });
        self
    }

    /// Adds a directory that is there before systemd starts.
    #[must_use]
    pub fn directory(mut self, path: impl AsRef<Path>, mode: u32, owner: Owner) -> Boot {
        self.planned.push(Planned {
            path: path.as_ref().to_owned(),
            bytes: None,
            mode,
            owner,
        });
        self
    }

    /// Boots and waits until the machine's systemd has finished starting up.
    ///
    /// # Errors
    ///
    /// When the host cannot boot machines, or this one does not come up; nothing is left of it then.
    pub fn start(self) -> Result<Machine, Failure> {
        if !Uid::effective().is_root() {
            return Err(Failure::NotRoot);
        }
        sweep::sweep()?;
        startup::start(self.suite, |place| self.stage(place))
    }

    fn stage(mut self, place: PathBuf) -> Result<Stage, Failure> {
        let mode = match self.fuse {
            FuseNode::Everyone => Some("0666"),
            FuseNode::RootOnly => Some("0600"),
            FuseNode::Absent => None,
        };
        if !self.emperor {
            let path = "/etc/systemd/system/vassal-emperor.service.d/absent.conf";
            self = self.file(path, NO_EMPEROR, 0o644, Owner::ROOT);
        }
        if let Some(mode) = mode {
            // Not bound by nspawn: a node is no mount point on a host either.
            let line = format!("c /dev/fuse {mode} root root - 10:229\n");
            self = self.file("/etc/tmpfiles.d/fuse-node.conf", line, 0o644, Owner::ROOT);
        }
        Ok(Stage {
            place,
            debian: rootfs::ensure(self.suite)?.path,
            layers: self.layers.iter().map(|layer| layer.path().to_owned()).collect(),
            copy_on_write: self.copy_on_write,
            planned: self.planned,
        })
    }
}
