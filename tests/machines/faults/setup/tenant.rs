//! The vassals: each has one filesystem, and the app that reads it.

use vassal_tests::{Machine, Owner, fixtures};

use crate::filesystem::{Below, Daemon, Mounter};

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
            Mounter::RootAlone => "rootalone",
            Mounter::User => "user",
            Mounter::UserForAll => "userforall",
            Mounter::Other => "other",
        };
        let on = match below {
            Below::Directory => "",
            Below::Faultfs => "onfault",
            Below::Debian => "asroot",
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
        match self.below {
            Below::Directory | Below::Faultfs => format!("/mnt/{}", self.name),
            Below::Debian => "/".to_owned(),
        }
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
        let archive = self.daemon.archive().unwrap_or("none");
        format!("{}/{archive}.stop", self.home())
    }

    /// Whether the app can read what is mounted.
    pub fn is_readable(&self) -> bool {
        self.mounter != Mounter::RootAlone
    }

    /// Whether there is a directory in what is mounted, and root can see it.
    pub fn shows_a_directory(&self) -> bool {
        let is_seen = self.daemon.is_kernels() || self.mounter.allows_others();
        is_seen && !self.daemon.is_ours() && self.daemon != Daemon::Tmpfs
    }

    /// Puts everything but its file into the machine.
    pub fn furnish(&self, machine: &Machine) {
        let (home, mounter) = (self.home(), self.mountpoint());
        let owner = match self.mounter {
            Mounter::Root | Mounter::RootAlone => Owner::ROOT,
            Mounter::User | Mounter::UserForAll => Owner::USER001,
            Mounter::Other => Owner::USER002,
        };
        fixtures::mountpoint(machine, mounter, owner);
        for directory in ["", "/low", "/low/directory", "/lower", "/up", "/work", "/below"] {
            machine.make_dir(format!("{home}{directory}"), 0o755, Owner::USER001);
        }
        machine.write(format!("{home}/low/ok"), "ok\n", 0o644, Owner::USER001);
        let pack = match self.daemon {
            Daemon::FuseZip => "python3 -m zipfile -c ../app.zip ok big directory",
            Daemon::Squashfuse => "mksquashfs . ../app.sqsh -quiet -no-progress -no-fragments >/dev/null",
            _ => return,
        };
        let bytes = "head --bytes=300000 /dev/urandom >big";
        machine.must_sh(&format!("cd {home}/low; {bytes}; {pack}; chmod 644 ../app.*"));
    }

    /// Its file. `extra` are lines of `[vassal]`.
    pub fn text(&self, extra: &str) -> String {
        let Tenant { port, .. } = self;
        let (mountpoint, mark) = (self.mountpoint(), self.mark());
        let (phase, mount) = self.mount();
        let below = self.mount_below();
        let kill = match self.daemon.is_kernels() {
            true => String::new(),
            false => format!(
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
        let owner = self.mounter.uid();
        let backing = match self.daemon.archive() {
            Some(archive) => format!("--backing {home}/{archive} "),
            None => String::new(),
        };
        match self.below {
            Below::Directory | Below::Debian => String::new(),
            Below::Faultfs => {
                format!("exec-as-root = rm -f {stop} && faultfs --owner {owner} {backing}{home}/below\n")
            }
        }
    }

    /// The phase in which it mounts, and the lines that do.
    fn mount(&self) -> (&'static str, String) {
        let (home, at) = (self.home(), self.mountpoint());
        let phase = match (self.daemon, self.mounter) {
            // Mounted by root for the user whose it is.
            (Daemon::Faultfs | Daemon::Bind, _) => "as-root",
            (_, Mounter::Root | Mounter::RootAlone) => "as-root",
            (_, Mounter::User | Mounter::UserForAll | Mounter::Other) => "as-user",
        };
        let (others, long) = match self.mounter.allows_others() {
            true => (",allow_other", " --allow-other"),
            false => ("", ""),
        };
        let faultfs = format!("faultfs{long} --owner {}", self.mounter.uid());
        let archive = match (self.below, self.daemon.archive()) {
            (Below::Directory, Some(archive)) => archive,
            (Below::Directory, None) => "low",
            (Below::Faultfs, Some(_)) => "below/backed",
            (Below::Faultfs, None) => "below",
            // See crate::pivoted.
            (Below::Debian, _) => "low",
        };
        let from = format!("{home}/{archive}");
        let line = match self.daemon {
            Daemon::FuseZip => format!("exec-{phase} = fuse-zip -r -o ro{others} {from} {at}"),
            Daemon::Squashfuse => format!("exec-{phase} = squashfuse -o ro{others} {from} {at}"),
            Daemon::Unionfs => {
                format!("exec-{phase} = unionfs-fuse -o cow{others} {home}/up=RW:{from}=RO {at}")
            }
            Daemon::FuseOverlayfs => format!(
                "exec-{phase} = fuse-overlayfs -o lowerdir={from},upperdir={home}/up,workdir={home}/work{others} {at}"
            ),
            Daemon::Faultfs => format!("exec-as-root = {faultfs} {at}"),
            Daemon::Bind => format!(
                "exec-as-root = {faultfs} {home}/below\nexec-as-root = mount --bind {home}/below {at}"
            ),
            Daemon::Overlay => {
                format!(
                    "hook-as-root = mount:overlay overlay {at} nosuid,nodev lowerdir={home}/low:{home}/lower"
                )
            }
            // An overlay keeps the mode that its lower root has when it is mounted, and the kernel asks for that of a FUSE
            // filesystem only when somebody looks.
            Daemon::OverlayOnFaultfs => format!(
                "exec-as-root = {faultfs} {home}/below && stat {home}/below && \
                 mount -t overlay -o nosuid,nodev,lowerdir={home}/below:{home}/lower overlay {at}"
            ),
            Daemon::Tmpfs => format!(
                "hook-as-root = mount:tmpfs tmpfs {at} nosuid,nodev mode=755\nexec-as-root = cp {home}/low/ok {at}"
            ),
        };
        (phase, line)
    }
}
