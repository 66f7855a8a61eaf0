#!/bin/sh
# Builds dist/vassal_VERSION_ARCH.deb: cargo builds static programs, debhelper packs them.
# Usage: [ARCH=arm64] packaging/deb.sh, from anywhere. Needs cargo; installs debhelper where it is missing and we are root.
set -eu
cd "$(dirname "$0")/.."
. packaging/target.sh

if ! command -v dh >/dev/null || ! command -v dpkg-buildpackage >/dev/null; then
	packaging/install.sh debhelper dpkg-dev
fi
packaging/build.sh

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
stage=target/deb/vassal-$version
rm -rf target/deb
mkdir -p "$stage" dist
cp -r packaging/debian "$stage/debian"
packaging/files.sh "$stage/files"
# Where Debian's zsh looks for what packages bring.
mv "$stage/files/usr/share/zsh/site-functions" "$stage/files/usr/share/zsh/vendor-completions"
(cd "$stage" && dpkg-buildpackage --build=binary --host-arch="$ARCH" --no-sign --no-check-builddeps >../build.log 2>&1) || {
	tail -n 30 target/deb/build.log >&2
	exit 1
}
# 6 MB; glibc's programs are larger.
size=$(dpkg-deb --field "target/deb/vassal_${version}_$ARCH.deb" Installed-Size)
case $VASSAL_TARGET in
*-musl)
	[ "$size" -le 5859 ] || {
		echo "the package is $size KiB when installed, at most 5859 are meant (ARCHITECTURE.md, D26)" >&2
		exit 1
	}
	;;
esac
rm -f dist/vassal_*_"$ARCH".deb
cp "target/deb/vassal_${version}_$ARCH.deb" dist/
echo "dist/vassal_${version}_$ARCH.deb"
