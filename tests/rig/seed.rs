//! The configuration of the scenario, verbatim from uWSGI's tutorial on FUSE vassals, but for one line, `plugin = psgi`, which the
//! first vassals need too: a modular uWSGI such as Debian's ignores the `psgi` key without it (SEED-1).

/// The Emperor's file.
pub const EMPEROR: &str = "\
[uwsgi]
emperor = /etc/uwsgi/vassals
emperor-use-clone = fs,pid
";

/// A vassal whose application is in a zip archive.
pub const ZIP: &str = "\
[uwsgi]
plugin = psgi
uid = user001
gid = user001
; mount fuse filesystem under /app (but only if it is not a reload)
if-not-reload =
exec-as-user = fuse-zip -r /var/www/app001.zip /app
endif =
http-socket = :9090
psgi = /app/myapp.pl
";

/// The same, with its mount point watched.
pub const ZIP_WATCHED: &str = "\
[uwsgi]
plugin = psgi
uid = user001
gid = user001
; mount fuse filesystem under /app (but only if it is not a reload)
if-not-reload =
exec-as-user = fuse-zip -r /var/www/app001.zip /app
endif =
http-socket = :9090
psgi = /app/myapp.pl
mountpoint-check = /app
";

/// The same with the tutorial's closing note in place of its dots: unmounting at exit, so that what was written is committed.
pub const ZIP_ATEXIT: &str = "\
[uwsgi]
plugin = psgi
uid = user001
gid = user001
; mount fuse filesystem under /app (but only if it is not a reload)
if-not-reload =
exec-as-user = fuse-zip -r /var/www/app001.zip /app
endif =
http-socket = :9090
psgi = /app/myapp.pl
mountpoint-check = /app
; umount on exit
exec-as-user-atexit = fusermount -u /app
";

/// A vassal whose whole root is a copy-on-write union.
pub const COPY_ON_WRITE: &str = "\
[uwsgi]
; choose the approach that best suit for you here (plugins loading)
; this will be used for the first run ...
plugins-dir = /ns/precise/opt/uwsgi/plugins
; and this after a reload (where our rootfs is already /ns/precise)
plugins-dir = /opt/uwsgi/plugins
plugin = psgi
; drop privileges
uid = user001
gid = user001
; chdir to / for avoiding problems after pivot_root
hook-pre-jail = callret:chdir /
; run unionfs-fuse using chroot (it is required for avoiding deadlocks) and cow (we mount it under /ufs)
hook-pre-jail = exec:unionfs-fuse -ocow,chroot=/ns,default_permissions,allow_other /precise=RO:/cow/%(uid)=RW /ufs
; change the rootfs to the unionfs one
; the .old_root directory is where the old rootfs is still available
pivot_root = /ufs /ufs/.old_root
; now we are in the new rootfs and in 'as-root' phase
; remount the /proc filesystem
hook-as-root = mount:proc none /proc
; bind mount the original /dev in the new rootfs (simplify things a lot)
hook-as-root = mount:none /.old_root/dev /dev bind
; recursively un-mount the old rootfs
hook-as-root = umount:/.old_root rec,detach
; common bind
http-socket = :9090
; load the app (fix it with your requirements)
psgi = /var/www/myapp.pl
; constantly check for the rootfs (seems odd but is is very useful)
mountpoint-check = /
";
