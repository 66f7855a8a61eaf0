#!/bin/bash
# What the tools of the distributions say of the packages in dist/: lintian without errors and warnings, the same files in each
# package, what their scriptlets do, and the programs of the other architecture run under qemu-user. Says what is wrong, and fails then.
set -euo pipefail
cd "$(dirname "$0")/.."
packaging/install.sh lintian rpm qemu-user-static

wrong=0
complain() {
	echo "$*" >&2
	wrong=1
}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# files: what rpm and dpkg both have, without what only one distribution puts into its packages, and under rpm's name where theirs
# differ.
files() {
	grep -vE '/$|^/usr/share/doc/vassal(/(changelog|copyright).*)?$|^/usr/share/lintian|^/etc/uwsgi/vassals$' | sed 's/\.gz$//; s,/zsh/vendor-completions/,/zsh/site-functions/,' | sort
}

for pair in amd64:x86_64 arm64:aarch64; do
	deb=dist/vassal_${version}_${pair%:*}.deb
	rpm=dist/vassal-$version-1.${pair#*:}.rpm
	said=$(lintian --allow-root --fail-on none "$deb" 2>&1 | grep -E '^[EW]:' || true)
	[ -z "$said" ] || complain "$said"
	dpkg-deb --fsys-tarfile "$deb" | tar --list | sed 's,^\.,,' | files >"$work/deb"
	rpm --query --list --package "$rpm" | while read -r path; do
		case $(rpm --query --package "$rpm" --queryformat '[%{FILENAMES} %{FILEMODES:perms}\n]' | grep -F "$path " | head -n 1) in
		*' d'*) ;;
		*) echo "$path" ;;
		esac
	done | files >"$work/rpm"
	diff "$work/deb" "$work/rpm" >&2 || complain "$deb and $rpm have not the same files"
done

# What the scriptlets of rpm and Arch do.
packaging/scriptlets.sh "dist/vassal-$version-1.x86_64.rpm" || wrong=1

# What needs no systemd runs on the other architecture: the reading of a file, and the units made of it.
dpkg-deb --extract "dist/vassal_${version}_arm64.deb" "$work/arm64"
programs=$work/arm64/usr
mkdir -p "$work/vassals" "$work/etc" "$work/out"
printf '[uwsgi]\nhttp-socket = 127.0.0.1:9090\nuid = nobody\ngid = nogroup\n' >"$work/vassals/one.ini"
qemu-aarch64-static "$programs/bin/vassalctl" check "$work/vassals/one.ini" >"$work/said" 2>&1 ||
	complain "vassalctl check of arm64: $(cat "$work/said")"
qemu-aarch64-static "$programs/bin/vassalctl" show "$work/vassals/one.ini" | grep -q one ||
	complain "vassalctl show of arm64 shows nothing"
for program in lib/vassal/vassal-enter lib/vassal/vassal-watchdog; do
	code=0
	qemu-aarch64-static "$programs/$program" >"$work/said" 2>&1 || code=$?
	[ "$code" = 64 ] || complain "$program of arm64 without arguments: exit $code, not 64: $(cat "$work/said")"
done
[ "$wrong" = 0 ] && echo "the packages are as they should be"
exit "$wrong"
