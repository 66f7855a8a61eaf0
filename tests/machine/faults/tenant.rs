//! The vassals: each has one filesystem, and the app that reads it.

use vassal_tests::{Machine, Owner, Suite, fixtures};

/// What serves a mountpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// libfuse 2, one thread.
    FuseZip,
    /// libfuse 2, many threads; Debian 12.
    Unionfs,
    /// libfuse 3; Debian 13.
    FuseOverlayfs,
    /// Ours: tests/src/bin/faultfs.
    Faultfs,
    /// The kernel.
    Overlay,
}

impl Daemon {
    /// Those that a suite has.
    pub fn of(suite: Suite) -> [Daemon; 4] {
        let union = match suite {
            Suite::Bookworm => Daemon::Unionfs,
            Suite::Trixie => Daemon::FuseOverlayfs,
        };
        [Daemon::FuseZip, union, Daemon::Faultfs, Daemon::Overlay]
    }

    /// The name of its process.
    pub fn process(self) -> &'static str {
        match self {
            Daemon::FuseZip => "fuse-zip",
            Daemon::Unionfs => "unionfs-fuse",
            Daemon::FuseOverlayfs => "fuse-overlayfs",
            Daemon::Faultfs => "faultfs",
            Daemon::Overlay => "overlay",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Daemon::FuseZip => "zip",
            Daemon::Unionfs => "union",
            Daemon::FuseOverlayfs => "fuseoverlay",
            Daemon::Faultfs => "fault",
            Daemon::Overlay => "overlay",
        }
    }
}

/// Whose a mount is. The app is user001 in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounter {
    /// root, with allow_other.
    Root,
    /// user001, without.
    User,
}

/// What the files come from that a daemon serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// A directory.
    Directory,
    /// faultfs, so that the daemon itself can be made to wait for ever while it answers a request.
    Faultfs,
}

/// A vassal.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// What serves its mountpoint.
    pub daemon: Daemon,
    /// Whose that is.
    pub mounter: Mounter,
    /// What is below it.
    pub below: Below,
    /// Its name.
    pub name: String,
    /// Where its app listens.
    pub port: u16,
}

impl Tenant {
    /// A tenant named for what it has.
    pub fn new(daemon: Daemon, mounter: Mounter, below: Below, port: u16) -> Tenant {
        let whose = match mounter {
            Mounter::Root => "root",
            Mounter::User => "user",
        };
        let on = match below {
            Below::Directory => "",
            Below::Faultfs => "onfault",
        };
        let name = format!("{}{on}{whose}", daemon.word());
        Tenant {
            daemon,
            mounter,
            below,
            name,
            port,
        }
    }

    /// Its unit.
    pub fn unit(&self) -> String {
        format!("vassal@{}.service", self.name)
    }

    /// Its mountpoint.
    pub fn mountpoint(&self) -> String {
        format!("/mnt/{}", self.name)
    }

    /// Its directory: what it mounts, and where a test leaves word.
    pub fn home(&self) -> String {
        format!("/srv/{}", self.name)
    }

    /// The file that has the next start's daemon killed right after it has mounted.
    pub fn mark(&self) -> String {
        format!("{}/kill", self.home())
    }

    /// The file whose existence stops the reads of the archive.
    pub fn stop(&self) -> String {
        format!("{}/app.zip.stop", self.home())
    }

    /// Puts everything but its file into the machine.
    pub fn furnish(&self, machine: &Machine) {
        let (home, mounter) = (self.home(), self.mountpoint());
        let owner = match self.mounter {
            Mounter::Root => Owner::ROOT,
            Mounter::User => Owner::USER001,
        };
        fixtures::mountpoint(machine, mounter, owner);
        for directory in ["", "/low", "/lower", "/up", "/work", "/below"] {
            machine.make_dir(format!("{home}{directory}"), 0o755, Owner::USER001);
        }
        machine.write(format!("{home}/low/ok"), "ok\n", 0o644, Owner::USER001);
        if self.daemon == Daemon::FuseZip {
            machine.must_sh(&format!(
                "cd {home}/low && head --bytes=300000 /dev/urandom >big && \
                 python3 -m zipfile -c ../app.zip ok big && chmod 644 ../app.zip"
            ));
        }
    }

    /// Its file. `extra` are lines of `[vassal]`.
    pub fn text(&self, extra: &str) -> String {
        let Tenant { port, .. } = self;
        let (mountpoint, mark) = (self.mountpoint(), self.mark());
        let (phase, mount) = self.mount();
        let below = self.mount_below();
        let kill = match self.daemon {
            Daemon::Overlay => String::new(),
            _ => format!(
                "exec-{phase} = test ! -e {mark} || {{ rm {mark} && pkill -9 {}; }}\n",
                self.daemon.process()
            ),
        };
        format!(
            "[uwsgi]\nuid = user001\ngid = user001\n{below}{mount}\n{kill}mountpoint-check = {mountpoint}\n\
             [vassal]\ncommand = exec /usr/local/bin/faultfs-app --http {port}\nready = 127.0.0.1:{port}\n{extra}"
        )
    }

    /// Its file, with a faultfs that takes so many milliseconds for each request.
    pub fn slow_text(&self, delay: u32, extra: &str) -> String {
        self.text(extra)
            .replace("= faultfs ", &format!("= faultfs --delay {delay} "))
    }

    /// The lines that mount what is below.
    fn mount_below(&self) -> String {
        let (home, stop) = (self.home(), self.stop());
        let owner = match self.mounter {
            Mounter::Root => 0,
            Mounter::User => 20001,
        };
        let backing = match self.daemon {
            Daemon::FuseZip => format!("--backing {home}/app.zip "),
            Daemon::Unionfs | Daemon::FuseOverlayfs | Daemon::Faultfs | Daemon::Overlay => String::new(),
        };
        match self.below {
            Below::Directory => String::new(),
            Below::Faultfs => {
                format!("exec-as-root = rm -f {stop} && faultfs --owner {owner} {backing}{home}/below\n")
            }
        }
    }

    /// The phase in which it mounts, and the line that does.
    fn mount(&self) -> (&'static str, String) {
        let (home, at) = (self.home(), self.mountpoint());
        let phase = match self.mounter {
            Mounter::Root => "as-root",
            Mounter::User => "as-user",
        };
        let others = match self.mounter {
            Mounter::Root => ",allow_other",
            Mounter::User => "",
        };
        let (low, archive) = match self.below {
            Below::Directory => ("low", "app.zip"),
            Below::Faultfs => ("below", "below/backed"),
        };
        let line = match self.daemon {
            Daemon::FuseZip => format!("exec-{phase} = fuse-zip -r -o ro{others} {home}/{archive} {at}"),
            Daemon::Unionfs => {
                format!("exec-{phase} = unionfs-fuse -o cow{others} {home}/up=RW:{home}/{low}=RO {at}")
            }
            Daemon::FuseOverlayfs => format!(
                "exec-{phase} = fuse-overlayfs -o lowerdir={home}/{low},upperdir={home}/up,workdir={home}/work{others} {at}"
            ),
            // Mounted by root for the user whose it is.
            Daemon::Faultfs => {
                let options = match self.mounter {
                    Mounter::Root => "--allow-other",
                    Mounter::User => "--owner 20001",
                };
                return ("as-root", format!("exec-as-root = faultfs {options} {at}"));
            }
            Daemon::Overlay => {
                format!(
                    "hook-{phase} = mount:overlay overlay {at} nosuid,nodev lowerdir={home}/low:{home}/lower"
                )
            }
        };
        (phase, line)
    }
}
