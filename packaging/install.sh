#!/bin/sh
# Installs those of the given Debian packages that are missing. Usage: packaging/install.sh PACKAGE...
set -eu
missing=
for package; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "needed and not installed:$missing (run this as root, or: apt-get install$missing)" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
# Without an index, or with an old one, the first try fails; then the index is fetched.
apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
	apt-get update >/dev/null
	apt-get install -y --no-install-recommends $missing >/dev/null
}
