//! The FUSE filesystems of Debian that can be mounted without a network and without a device: how each of them comes by its content,
//! and the command that mounts it.

use vassal_tests::Suite;

/// Whose hook mounts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `exec-as-user`.
    User,
    /// `exec-as-root`, with `allow_other`.
    Root,
}

/// A server in the machine that the filesystem asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// None.
    None,
    /// HTTP, with ranges.
    Http,
    /// WebDAV.
    Webdav,
    /// FTP.
    Ftp,
    /// SSH.
    Ssh,
    /// S3: moto of PyPI, which is the host's.
    S3,
    /// GlusterFS.
    Gluster,
}

/// A filesystem.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// What it is called, and the package whose version is told.
    pub name: &'static str,
    /// That package, where it has another name.
    pub package: &'static str,
    /// What else has to be installed.
    pub with: &'static [&'static str],
    /// Where it is in Debian.
    pub suites: &'static [Suite],
    /// What it asks.
    pub server: Server,
    /// Whose hook mounts it.
    pub by: By,
    /// Makes its content, as the user, in an empty directory of theirs (`.`), from `$source`, which has the files `large` and `small`; the
    /// mountpoint is `$at`.
    pub prepare: &'static str,
    /// Mounts it, in the same directory.
    pub mount: &'static str,
    /// The file that is read, below the mountpoint.
    pub file: &'static str,
}

const BOTH: &[Suite] = &Suite::EVERY;
const ON_12: &[Suite] = &[Suite::Bookworm];
const ON_13: &[Suite] = &[Suite::Trixie];

const USUAL: Recipe = Recipe {
    name: "",
    package: "",
    with: &[],
    suites: BOTH,
    server: Server::None,
    by: By::User,
    prepare: "",
    mount: "",
    file: "large",
};

const EXT: &str = "truncate -s 160M a.img && /sbin/mke2fs -q -F -t ext2 -d $source a.img";
const NTFS: &str =
    "truncate -s 160M a.img && /sbin/mkntfs -q -F -Q a.img >&2 && ntfscp -q a.img $source/large large";

/// All of them, by what they do.
pub const RECIPES: &[Recipe] = &[
    // Archives and images.
    Recipe {
        name: "fuse-zip",
        with: &["zip"],
        prepare: "zip -q -1 -j a.zip $source/large $source/small",
        mount: "fuse-zip -r a.zip $at",
        ..USUAL
    },
    Recipe {
        name: "archivemount",
        prepare: "tar -C $source -czf a.tgz large small",
        mount: "archivemount -o readonly a.tgz $at",
        ..USUAL
    },
    Recipe {
        name: "avfs",
        prepare: "tar -C $source -czf a.tgz large small",
        mount: "avfsd $at",
        file: "srv/tried/work/a.tgz#/large",
        ..USUAL
    },
    Recipe {
        name: "squashfuse",
        with: &["squashfs-tools"],
        prepare: "mksquashfs $source a.sqfs -quiet -no-progress",
        mount: "squashfuse a.sqfs $at",
        ..USUAL
    },
    Recipe {
        name: "squashfuse_ll",
        package: "squashfuse",
        with: &["squashfs-tools"],
        prepare: "mksquashfs $source a.sqfs -quiet -no-progress",
        mount: "squashfuse_ll a.sqfs $at",
        ..USUAL
    },
    Recipe {
        name: "erofsfuse",
        with: &["erofs-utils"],
        suites: ON_13,
        prepare: "mkfs.erofs a.img $source >&2",
        mount: "erofsfuse a.img $at",
        ..USUAL
    },
    Recipe {
        name: "fuseiso",
        with: &["genisoimage"],
        prepare: "genisoimage -quiet -R -o a.iso $source",
        mount: "fuseiso a.iso $at",
        ..USUAL
    },
    Recipe {
        name: "fuse2fs",
        with: &["e2fsprogs"],
        prepare: EXT,
        mount: "fuse2fs a.img $at -o ro,fakeroot",
        ..USUAL
    },
    Recipe {
        name: "fuseext2",
        with: &["e2fsprogs"],
        prepare: EXT,
        mount: "fuseext2 a.img $at -o ro",
        ..USUAL
    },
    Recipe {
        name: "ntfs-3g",
        by: By::Root,
        prepare: NTFS,
        mount: "ntfs-3g -o ro,allow_other a.img $at",
        ..USUAL
    },
    Recipe {
        name: "exfat-fuse",
        with: &["exfatprogs"],
        by: By::Root,
        prepare: "truncate -s 160M a.img && /sbin/mkfs.exfat a.img >&2 && \
            mount.exfat-fuse a.img $at >&2 && cp $source/large $at/ && umount $at",
        mount: "mount.exfat-fuse -o ro,allow_other a.img $at",
        ..USUAL
    },
    Recipe {
        name: "fusefat",
        with: &["dosfstools", "mtools"],
        prepare: "truncate -s 160M a.img && /sbin/mkfs.vfat a.img >&2 && mcopy -i a.img $source/large ::large",
        mount: "fusefat -o ro a.img $at",
        ..USUAL
    },
    Recipe {
        name: "affuse",
        package: "afflib-tools",
        prepare: "cp $source/large a.raw",
        mount: "affuse a.raw $at",
        file: "a.raw*",
        ..USUAL
    },
    Recipe {
        name: "ewfmount",
        package: "ewf-tools",
        prepare: "ewfacquire -q -u -t a -C 1 -D x -E 1 -e x -N x $source/large >&2",
        mount: "ewfmount a.E01 $at",
        file: "ewf1",
        ..USUAL
    },
    Recipe {
        name: "xmount",
        prepare: "cp $source/large a.dd",
        mount: "xmount --in raw a.dd --out raw $at",
        file: "a.dd",
        ..USUAL
    },
    Recipe {
        name: "vhdimount",
        package: "libvhdi-utils",
        // Debian 13's is built without FUSE.
        suites: ON_12,
        with: &["qemu-utils"],
        prepare: "qemu-img convert -f raw -O vpc $source/large a.vhd",
        mount: "vhdimount a.vhd $at",
        file: "vhdi1",
        ..USUAL
    },
    Recipe {
        name: "vmdkmount",
        package: "libvmdk-utils",
        with: &["qemu-utils"],
        prepare: "qemu-img convert -f raw -O vmdk $source/large a.vmdk",
        mount: "vmdkmount a.vmdk $at",
        file: "vmdk1",
        ..USUAL
    },
    Recipe {
        name: "qcowmount",
        package: "libqcow-utils",
        with: &["qemu-utils"],
        prepare: "qemu-img convert -f raw -O qcow2 -o compat=0.10 $source/large a.qcow",
        mount: "qcowmount a.qcow $at",
        file: "qcow1",
        ..USUAL
    },
    Recipe {
        name: "nbdfuse",
        package: "libnbd-bin",
        with: &["nbdkit"],
        mount: "nbdfuse $at --command nbdkit -s file $source/large & while ! mountpoint -q $at; do sleep 0.05; done",
        file: "nbd",
        ..USUAL
    },
    // Unions and mirrors.
    Recipe {
        name: "fuse-overlayfs",
        prepare: "mkdir upper work",
        mount: "fuse-overlayfs -o lowerdir=$source,upperdir=upper,workdir=work $at",
        ..USUAL
    },
    Recipe {
        name: "unionfs-fuse",
        suites: ON_12,
        prepare: "mkdir upper",
        mount: "unionfs-fuse -o cow upper=RW:$source=RO $at",
        ..USUAL
    },
    Recipe {
        name: "mergerfs",
        by: By::Root,
        prepare: "mkdir upper",
        mount: "mergerfs -o allow_other $source:upper $at",
        ..USUAL
    },
    Recipe {
        name: "mhddfs",
        suites: ON_12,
        prepare: "mkdir upper",
        mount: "mhddfs $source,$PWD/upper $at",
        ..USUAL
    },
    Recipe {
        name: "bindfs",
        mount: "bindfs $source $at",
        ..USUAL
    },
    Recipe {
        name: "rofiles-fuse",
        package: "ostree",
        mount: "rofiles-fuse $source $at",
        ..USUAL
    },
    Recipe {
        name: "loggedfs",
        prepare: "cp $source/* $at/",
        mount: "loggedfs -l $PWD/log $at",
        ..USUAL
    },
    Recipe {
        name: "posixovl",
        package: "fuse-posixovl",
        mount: "mount.posixovl -S $source $at",
        ..USUAL
    },
    Recipe {
        name: "disorderfs",
        mount: "disorderfs $source $at",
        ..USUAL
    },
    Recipe {
        name: "convmvfs",
        package: "fuse-convmvfs",
        mount: "convmvfs $at -o srcdir=$source,icharset=utf8,ocharset=utf8",
        ..USUAL
    },
    Recipe {
        name: "mp3fs",
        mount: "mp3fs $source $at",
        ..USUAL
    },
    // Encryption.
    Recipe {
        name: "gocryptfs",
        prepare: "mkdir c && gocryptfs -q -init -extpass 'echo secret' c && \
            gocryptfs -q -extpass 'echo secret' c $at && cp $source/large $at/ && fusermount -u $at",
        mount: "gocryptfs -q -extpass 'echo secret' c $at",
        ..USUAL
    },
    Recipe {
        name: "encfs",
        prepare: "mkdir c && echo secret | encfs --standard -S $PWD/c $at && cp $source/large $at/ && fusermount -u $at",
        mount: "echo secret | encfs -S $PWD/c $at",
        ..USUAL
    },
    Recipe {
        name: "cryfs",
        prepare: "export CRYFS_FRONTEND=noninteractive CRYFS_NO_UPDATE_CHECK=true HOME=$PWD; mkdir c && \
            echo secret | cryfs c $at >&2 && cp $source/large $at/ && fusermount -u $at && \
            while pgrep -x cryfs >&2; do sleep 0.1; done",
        mount: "export CRYFS_FRONTEND=noninteractive CRYFS_NO_UPDATE_CHECK=true HOME=$PWD; echo secret | cryfs c $at",
        ..USUAL
    },
    Recipe {
        name: "securefs",
        prepare: "mkdir c && securefs create --pass secret c >&2 && securefs mount --pass secret -b c $at >&2 && \
            while ! mountpoint -q $at; do sleep 0.05; done && cp $source/large $at/ && fusermount -u $at",
        mount: "securefs mount --pass secret -b c $at",
        ..USUAL
    },
    // Servers.
    Recipe {
        name: "sshfs",
        with: &["openssh-server", "openssh-client"],
        server: Server::Ssh,
        mount: "sshfs -p 8804 -o IdentityFile=/srv/tried/key,StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null \
            user001@127.0.0.1:$source $at",
        ..USUAL
    },
    Recipe {
        name: "rclone",
        server: Server::Webdav,
        mount: "HOME=$PWD rclone mount --daemon --webdav-url http://127.0.0.1:8802 :webdav: $at",
        ..USUAL
    },
    Recipe {
        name: "davfs2",
        with: &["rclone"],
        server: Server::Webdav,
        by: By::Root,
        // Its PID file outlives a kill, and keeps it from mounting again.
        mount: "rm -f /run/mount.davfs/*.pid; printf 'user\\npass\\n' | mount.davfs -o uid=user001,file_mode=644,dir_mode=755 http://127.0.0.1:8802 $at",
        ..USUAL
    },
    Recipe {
        name: "curlftpfs",
        with: &["python3-pyftpdlib"],
        suites: ON_13,
        server: Server::Ftp,
        mount: "curlftpfs ftp://127.0.0.1:8803 $at",
        ..USUAL
    },
    Recipe {
        name: "httpfs2",
        with: &["rclone"],
        suites: ON_12,
        server: Server::Http,
        mount: "httpfs2 http://127.0.0.1:8801/large $at",
        ..USUAL
    },
    Recipe {
        name: "httpdirfs",
        with: &["rclone"],
        server: Server::Http,
        mount: "HOME=$PWD httpdirfs http://127.0.0.1:8801/ $at",
        ..USUAL
    },
    Recipe {
        name: "s3backer",
        prepare: "mkdir bucket",
        mount: "s3backer --test --size=32m --blockSize=64k bucket $at",
        file: "file",
        ..USUAL
    },
    Recipe {
        name: "s3fs",
        with: &["rclone"],
        server: Server::S3,
        prepare: "printf 'a:b' >key; chmod 600 key; HOME=$PWD rclone copy $source :s3:tried --s3-provider Other \
                  --s3-endpoint http://127.0.0.1:8805 --s3-access-key-id a --s3-secret-access-key b",
        // What others have put into a bucket has no mode there.
        mount: "s3fs tried $at -o url=http://127.0.0.1:8805,use_path_request_style,passwd_file=$PWD/key,complement_stat,umask=022",
        ..USUAL
    },
    Recipe {
        name: "glusterfs",
        package: "glusterfs-client",
        with: &["glusterfs-server", "iproute2"],
        server: Server::Gluster,
        by: By::Root,
        prepare: "glusterfs --volfile-server=192.0.2.1 --volfile-id=tried $at; cp $source/large $source/small $at/; umount $at",
        mount: "glusterfs --volfile-server=192.0.2.1 --volfile-id=tried $at",
        ..USUAL
    },
    // Backups.
    Recipe {
        name: "borg",
        package: "borgbackup",
        with: &["python3-pyfuse3"],
        prepare: "export HOME=$PWD; borg init -e none repo && borg create repo::a $source",
        mount: "HOME=$PWD borg mount repo::a $at",
        file: "srv/tried/source/large",
        ..USUAL
    },
    Recipe {
        name: "restic",
        prepare: "export HOME=$PWD RESTIC_PASSWORD=secret; restic -q -r repo init && restic -q -r repo backup $source",
        mount: "HOME=$PWD RESTIC_PASSWORD=secret restic -q -r repo mount $at & while ! mountpoint -q $at; do sleep 0.05; done",
        file: "snapshots/latest/srv/tried/source/large",
        ..USUAL
    },
    Recipe {
        name: "bup",
        with: &["python3-fuse"],
        prepare: "export HOME=$PWD BUP_DIR=$PWD/bup; bup init && bup index $source && bup save -q -n a $source",
        mount: "HOME=$PWD BUP_DIR=$PWD/bup bup fuse $at",
        file: "a/latest/srv/tried/source/large",
        ..USUAL
    },
    // Of the machine.
    Recipe {
        name: "lxcfs",
        by: By::Root,
        mount: "lxcfs -l $at & while ! mountpoint -q $at; do sleep 0.05; done",
        file: "proc/meminfo",
        ..USUAL
    },
    Recipe {
        name: "owfs",
        package: "owfs-fuse",
        mount: "owfs --fake=DS18S20 -m $at",
        file: "10.*/type",
        ..USUAL
    },
];

impl Recipe {
    /// The package that it is in.
    pub fn package(&self) -> &'static str {
        match self.package {
            "" => self.name,
            package => package,
        }
    }
}
