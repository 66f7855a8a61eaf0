#!/bin/sh
# demo.sh [bookworm|trixie] - shows the scenario's monitored vassal on a throw-away machine, by default one of the host's own
# Debian. Installs what it needs, builds the package; run as root on Debian 12 or 13. Exits with 0 when every step worked.
set -eu
cd "$(dirname "$0")/../.."

suite=${1:-}
if [ -z "$suite" ]; then
	. /etc/os-release
	suite=${VERSION_CODENAME:-bookworm}
fi
case $suite in
bookworm | trixie) ;;
*)
	[ $# = 0 ] || { echo "usage: demo.sh [bookworm|trixie]" >&2; exit 64; }
	suite=bookworm
	;;
esac
[ "$(id -u)" = 0 ] || { echo "demo.sh: must be root, to boot a machine" >&2; exit 1; }

echo "==> Preparing the host and the root file system of $suite (half a minute, if it is not cached)"
packaging/toolchain.sh
VASSAL_SUITES=$suite tests/machines/setup.sh

echo "==> Building the package"
package=$(packaging/deb.sh)
echo "$package"
exec cargo run --locked --quiet -p vassal-tests --bin demo -- "$suite" "$package"
