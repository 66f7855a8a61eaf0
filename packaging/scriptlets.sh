#!/bin/bash
# Runs the scriptlets of the rpm and of Arch's package: the rpm is installed, upgraded and removed in a copy-on-write view of this
# machine, in which systemctl and journalctl only write down what they are asked for. Says what is not as it should be, and fails then.
# Usage: packaging/scriptlets.sh RPM, as root; it sees nothing of the host's systemd and leaves nothing on the host.
set -euo pipefail
[ "${IN_VIEW:-}" ] || IN_VIEW=1 exec unshare --mount --propagation private "$(realpath "$0")" "$(realpath "$1")"
cd "$(dirname "$0")"

space=$(mktemp -d)
trap 'umount --lazy "$space"; rmdir "$space"' EXIT
mount -t tmpfs none "$space"
mkdir "$space/upper" "$space/work" "$space/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$space/upper,workdir=$space/work" "$space/root"
root=$space/root
for program in systemctl journalctl; do
	rm -f "$root/usr/bin/$program"
	cat >"$root/usr/bin/$program" <<-END
		#!/bin/sh
		# vassalctl's own question is not a scriptlet's.
		[ "\$1" = list-units ] || echo "$program \$*" >>/asked
	END
	chmod 755 "$root/usr/bin/$program"
done
mkdir -p "$root/run/systemd/system" "$root/var/lib/scriptlets-rpm"
cp arch/vassal.install "$root/vassal.install"

wrong=0
# expect WHAT LINE...: what the scriptlets of WHAT have asked for since the last time.
expect() {
	what=$1
	shift
	diff <([ $# = 0 ] || printf '%s\n' "$@") "$root/asked" >&2 || {
		echo "scriptlets: $what: not as expected (<), but that (>)" >&2
		wrong=1
	}
	: >"$root/asked"
}
# What vassalctl makes, and a customer's file.
use() {
	mkdir -p "$root/run/vassal" "$root/etc/vassal/maintenance" "$root/etc/systemd/system/vassals.target.wants" \
		"$root/var/lib/prometheus/node-exporter" "$root/etc/uwsgi/vassals"
	touch "$root/etc/vassal/maintenance/away" "$root/var/lib/prometheus/node-exporter/vassal.prom" "$root/etc/uwsgi/vassals/kept.ini"
}
# expect_nothing_left WHAT: nothing with the package's name but the customer's file.
expect_nothing_left() {
	left=$(find "$root/etc" "$root/usr" "$root/run" "$root/var" -name '*vassal*' -newer "$root/vassal.install" \
		-not -path "$root/etc/uwsgi/vassals" -not -path '*/scriptlets-rpm/*')
	[ -z "$left" ] && [ -e "$root/etc/uwsgi/vassals/kept.ini" ] || {
		echo "scriptlets: $1 has left: $left" >&2
		wrong=1
	}
}

: >"$root/asked"
rpm=(rpm --root "$root" --dbpath /var/lib/scriptlets-rpm --nodeps --noplugins)
"${rpm[@]}" --install "$1" >"$space/said" 2>/dev/null
grep -q '^vassal: nothing was started' "$space/said" || {
	echo "scriptlets: the installation does not say what to do next" >&2
	wrong=1
}
expect "rpm's installation" 'systemctl --no-reload preset vassals.target vassal-emperor.service' 'journalctl --update-catalog'
# The same scriptlets with the numbers of an upgrade: the new package's, then the old one's.
upgrade() {
	rpm --query --package --queryformat "%{$1}" "$2" 2>/dev/null | chroot "$root" /bin/sh -s "$3"
}
upgrade POSTIN "$1" 2
upgrade PREUN "$1" 1
upgrade POSTUN "$1" 1
upgrade POSTTRANS "$1" 2
expect "rpm's upgrade" 'journalctl --update-catalog' 'systemctl daemon-reload' 'systemctl try-restart vassal-emperor.service'
use
"${rpm[@]}" --erase vassal 2>/dev/null
expect "rpm's removal" 'systemctl --no-reload disable --now vassals.target vassal-emperor.service vassal-metrics.timer' \
	"systemctl stop vassal-retry@*.service vassal@*.socket vassal@*.service vassal.slice" 'systemctl daemon-reload' \
	'systemctl reset-failed vassal@*.service'
expect_nothing_left "rpm's removal"

# pacman has hooks of systemd's for daemon-reload after an installation and for the catalog.
function_of() {
	chroot "$root" /bin/bash -euc '. /vassal.install; "$@"' bash "$@"
}
function_of post_install 0.1.0-1 | grep -q '^vassal: nothing was started'
expect "Arch's installation"
function_of post_upgrade 0.1.1-1 0.1.0-1
expect "Arch's upgrade" 'systemctl daemon-reload' 'systemctl try-restart vassal-emperor.service'
use
function_of pre_remove 0.1.1-1
# What pacman does then: the package's directories go where they are empty.
rm -f "$root/etc/vassal/emperor.ini"
rmdir "$root/etc/vassal" || true
function_of post_remove 0.1.1-1
expect "Arch's removal" 'systemctl disable --now vassals.target vassal-emperor.service vassal-metrics.timer' \
	'systemctl stop vassal-retry@*.service vassal@*.socket vassal@*.service vassal.slice' 'systemctl reset-failed vassal@*.service'
expect_nothing_left "Arch's removal"
exit "$wrong"
