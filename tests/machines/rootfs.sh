#!/bin/bash
# rootfs.sh SUITE OUTDIR - builds OUTDIR, the bootable Debian root that every test machine of SUITE is an overlay of, and
# OUTDIR.base, a layer that has the same root once more as /ns/precise, in hard links: the tenants' shared root.
#
# SUITE is `bookworm` (systemd 252) or `trixie` (systemd 257). Nothing is done when OUTDIR.stamp holds this script's own hash, so
# the script is its own cache key; a build goes to a temporary directory beside OUTDIR and is renamed when complete.
# Needs root, mmdebstrap and util-linux (setup.sh installs what is missing). VASSAL_MIRROR names another Debian mirror.
set -euo pipefail

usage() { echo "usage: rootfs.sh bookworm|trixie OUTDIR" >&2; exit 64; }
[ $# = 2 ] || usage
suite=$1 out=$2
# The union file system a suite has: unionfs-fuse left Debian after bookworm.
case $suite in
bookworm) union=unionfs-fuse ;;
trixie) union=fuse-overlayfs ;;
*) usage ;;
esac
mirror=${VASSAL_MIRROR:-http://deb.debian.org/debian}
build_limit=1200 # seconds; 30 are usual

want=$(sha256sum "$0" | cut -d' ' -f1)
is_current() { [ -d "$out" ] && [ "$(cat "$out.stamp" 2>/dev/null)" = "$want" ]; }
is_current && exit 0

mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9
is_current && exit 0 # somebody else built it while we waited

# trixie's Release file is signed by bookworm's key as well as by its own, so the keyring of either suite verifies both.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || keyring=/usr/share/keyrings/debian-archive-keyring.pgp
[ -r "$keyring" ] || { echo "rootfs.sh: no Debian archive keyring: install debian-archive-keyring" >&2; exit 1; }

packages=(
	systemd systemd-sysv dbus
	fuse3 fuse-zip "$union"
	uwsgi-core uwsgi-plugin-psgi uwsgi-plugin-python3 python3 perl
	iproute2 procps zip curl strace util-linux
	# What the examples run.
	gunicorn python3-flask uvicorn nodejs lighttpd nginx-light
)
# Services that their packages enable. The tests start their own.
disabled=(nginx.service lighttpd.service)

# What cannot work in a container, takes time at boot, fires by itself in the middle of a test, or (systemd-sysctl, debugfs,
# tracefs) would reach the kernel of the host.
masked=(
	systemd-modules-load.service modprobe@.service systemd-sysctl.service systemd-remount-fs.service
	systemd-udevd.service systemd-udev-trigger.service systemd-hwdb-update.service
	systemd-networkd.service systemd-resolved.service systemd-timesyncd.service systemd-logind.service
	systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-firstboot.service
	systemd-pcrmachine.service systemd-pcrphase.service systemd-pcrphase-sysinit.service
	getty.target getty@.service console-getty.service container-getty@.service serial-getty@.service
	systemd-ask-password-console.path systemd-ask-password-wall.path
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer systemd-tmpfiles-clean.timer
	fstrim.timer e2scrub_all.timer e2scrub_reap.service
	sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount dev-hugepages.mount
)

tmp=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf --one-file-system "$tmp"' EXIT

timeout "$build_limit" mmdebstrap --quiet --mode=root --variant=minbase --keyring="$keyring" \
	--include="$(IFS=,; echo "${packages[*]}")" "$suite" "$tmp/root" "$mirror"

# The tenants: the same users and ids in every machine and in the base of the copy-on-write scenario.
for n in 1 2 3; do
	chroot "$tmp/root" groupadd --gid "2000$n" "user00$n"
	chroot "$tmp/root" useradd --uid "2000$n" --gid "2000$n" --create-home --shell /bin/sh "user00$n"
done

for unit in "${masked[@]}"; do
	ln -sfn /dev/null "$tmp/root/etc/systemd/system/$unit"
done
rm -f "${disabled[@]/#/$tmp/root/etc/systemd/system/multi-user.target.wants/}"
ln -sfn /lib/systemd/system/multi-user.target "$tmp/root/etc/systemd/system/default.target"
# An installed machine, not a first boot: with an empty machine-id systemd would apply all presets.
echo 5c1f0a6e7d2b4c3f9e8d7a6b5c4d3e2f >"$tmp/root/etc/machine-id"
echo machine >"$tmp/root/etc/hostname"
: >"$tmp/root/etc/resolv.conf"

mkdir -p "$tmp/base/ns"
cp --archive --link "$tmp/root" "$tmp/base/ns/precise"

rm -rf --one-file-system "$out.stamp" "$out" "$out.base"
mv "$tmp/root" "$out"
mv "$tmp/base" "$out.base"
echo "$want" >"$out.stamp"
