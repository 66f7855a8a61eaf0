#!/bin/sh
# Puts every file of the package below DESTDIR: the one list that the packages of all distributions are made of.
# Usage: packaging/files.sh DESTDIR, from anywhere, after the programs were built; ARCH as in packaging/target.sh.
set -eu
cd "$(dirname "$0")/.."
. packaging/target.sh
root=$1

# put MODE DIRECTORY FILE...
put() {
	mode=$1
	into=$root/$2
	shift 2
	install -d "$into"
	install -m "$mode" "$@" "$into/"
}

# The programs of another machine run under qemu-user.
run() {
	if [ "$VASSAL_MACHINE" = "$(uname -m)" ]; then
		"$@"
	else
		"qemu-$VASSAL_MACHINE-static" "$@"
	fi
}

for program in $VASSAL_PROGRAMS; do
	case $program in
	vassalctl) put 755 usr/bin "$VASSAL_BIN/$program" ;;
	*) put 755 usr/lib/vassal "$VASSAL_BIN/$program" ;;
	esac
done
# vassalctl by other names (its main.rs).
install -d "$root/usr/lib/systemd/system-generators"
ln -sf ../../../bin/vassalctl "$root/usr/lib/systemd/system-generators/vassal-generator"
ln -sf ../../bin/vassalctl "$root/usr/lib/vassal/vassal-emperor"
put 644 usr/lib/systemd/system units/*.service units/*.socket units/*.target units/*.slice units/*.timer
put 644 usr/lib/systemd/system/vassal-.slice.d units/vassal-.slice.d/*.conf
put 644 usr/lib/systemd/catalog units/vassal.catalog
put 644 etc/vassal packaging/emperor.ini
install -d "$root/etc/uwsgi/vassals"

for page in packaging/man/*.[578]; do
	put 644 "usr/share/man/man${page##*.}" "$page"
done
put 644 usr/share/doc/vassal README.md docs/*.md

install -d "$root/usr/share/bash-completion/completions"
run "$VASSAL_BIN/vassalctl" completions bash >"$root/usr/share/bash-completion/completions/vassalctl"
install -d "$root/usr/share/zsh/site-functions" "$root/usr/share/fish/vendor_completions.d"
run "$VASSAL_BIN/vassalctl" completions zsh >"$root/usr/share/zsh/site-functions/_vassalctl"
run "$VASSAL_BIN/vassalctl" completions fish >"$root/usr/share/fish/vendor_completions.d/vassalctl.fish"

put 755 usr/lib/nagios/plugins packaging/monitoring/check_vassal
put 644 usr/share/vassal packaging/monitoring/vassal.rules.yml packaging/monitoring/vassal.dashboard.json packaging/10-limits.conf
