#!/bin/sh
# Builds dist/vassal_VERSION_amd64.deb: cargo builds static programs, debhelper packs them.
# Usage: packaging/deb.sh, from anywhere. Needs cargo; installs debhelper where it is missing and we are root.
set -eu
cd "$(dirname "$0")/.."
. packaging/target.sh

if ! command -v dh >/dev/null || ! command -v dpkg-buildpackage >/dev/null; then
	packaging/install.sh debhelper dpkg-dev
fi

cargo build --release --locked $VASSAL_CARGO_FLAGS -p vassal-generator -p vassal-enter -p vassal-watchdog -p vassal-emperor -p vassalctl

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
stage=target/deb/vassal-$version
rm -rf target/deb
mkdir -p "$stage/bin" "$stage/completions" dist
cp -r packaging/debian "$stage/debian"
cp -r units packaging/man docs README.md packaging/emperor.ini "$stage/"
for program in vassal-generator vassal-enter vassal-watchdog vassal-emperor vassalctl; do
	cp "$VASSAL_BIN/$program" "$stage/bin/"
done
"$stage/bin/vassalctl" completions bash >"$stage/completions/vassalctl"
(cd "$stage" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >../build.log 2>&1) || {
	tail -n 30 target/deb/build.log >&2
	exit 1
}
rm -f dist/vassal_*.deb
cp "target/deb/vassal_${version}_amd64.deb" dist/
echo "dist/vassal_${version}_amd64.deb"
