#!/bin/sh
# Builds the static programs for ARCH (see packaging/target.sh). Usage: [ARCH=arm64] packaging/build.sh, from anywhere. Needs cargo.
set -eu
cd "$(dirname "$0")/.."
. packaging/target.sh
packages=
for program in $VASSAL_PROGRAMS; do
	packages="$packages -p $program"
done
cargo build --release --locked --target "$VASSAL_TARGET" $packages
[ "$VASSAL_MACHINE" = "$(uname -m)" ] || packaging/install.sh qemu-user-static
