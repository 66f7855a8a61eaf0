#!/bin/sh
# Builds dist/vassal-VERSION-1.MACHINE.rpm. Usage: [ARCH=arm64] packaging/rpm.sh, from anywhere. Needs cargo; installs rpm where
# it is missing and we are root.
set -eu
cd "$(dirname "$0")/.."
. packaging/target.sh
command -v rpmbuild >/dev/null || packaging/install.sh rpm
packaging/build.sh

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The day of the release, so that two builds are one.
SOURCE_DATE_EPOCH=$(date --date="$(sed -n 's/^ -- .*>  //p' packaging/debian/changelog | head -n 1)" +%s)
export SOURCE_DATE_EPOCH ARCH
rm -rf target/rpm
mkdir -p dist target/rpm
rpmbuild -bb --quiet --target "$VASSAL_MACHINE" \
	--define "_topdir $PWD/target/rpm" --define "_rpmdir $PWD/target/rpm" \
	--define "vassal_version $version" --define "vassal_macros $PWD/packaging/rpm/macros.systemd" \
	--define "vassal_files $PWD/packaging/files.sh" \
	--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
	--define '_buildhost vassal' packaging/rpm/vassal.spec >target/rpm/build.log 2>&1 || {
	tail -n 30 target/rpm/build.log >&2
	exit 1
}
rm -f dist/vassal-*."$VASSAL_MACHINE".rpm
cp target/rpm/"$VASSAL_MACHINE"/*.rpm dist/
ls dist/vassal-*."$VASSAL_MACHINE".rpm
