#!/bin/bash
# setup.sh - makes this Debian host able to run the machine tests: installs the packages that are missing, builds the root file
# systems of both suites that are not cached. Needs root. VASSAL_MACHINES names another cache than target/machines.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
machines=${VASSAL_MACHINES:-$here/../../target/machines}
packages=(mmdebstrap systemd-container debian-archive-keyring util-linux coreutils zip)

missing=()
for package in "${packages[@]}"; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
	export DEBIAN_FRONTEND=noninteractive
	install=(timeout 600 apt-get install -y --no-install-recommends "${missing[@]}")
	# The package lists may be absent or old: fetch them only when the first try says so.
	"${install[@]}" || { timeout 300 apt-get update; "${install[@]}"; }
fi

# As a module, FUSE is loaded when a daemon opens the device; the machines see the state of all connections from the start.
[ -d /sys/fs/fuse ] || modprobe fuse

builds=()
for suite in ${VASSAL_SUITES:-bookworm trixie}; do
	"$here/rootfs.sh" "$suite" "$machines/$suite" &
	builds+=($!)
done
for build in "${builds[@]}"; do
	wait "$build"
done
