# Sourced: how the programs are built, for the architecture in ARCH (Debian's name; amd64 where it is not set, or arm64).
# They must be static, because vassal-watchdog is executed in root directories that may have no library at all. musl where
# rustup has it or can get it; else glibc, which is larger (some 1 MB) and cannot be built for another machine.
# Sets ARCH, VASSAL_MACHINE, VASSAL_TARGET, VASSAL_BIN, VASSAL_PROGRAMS, RUSTFLAGS and the linker.

VASSAL_PROGRAMS="vassal-enter vassal-watchdog vassalctl"
ARCH=${ARCH:-amd64}
case $ARCH in
amd64) VASSAL_MACHINE=x86_64 ;;
arm64) VASSAL_MACHINE=aarch64 ;;
*)
	echo "ARCH is amd64 or arm64, not '$ARCH'" >&2
	exit 64
	;;
esac
VASSAL_TARGET=$VASSAL_MACHINE-unknown-linux-musl
# Two builds are one: no path of the machine that built it is in a program.
vassal_flags="--remap-path-prefix=$PWD=vassal --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
if ! ls "$(rustc --print sysroot)/lib/rustlib/$VASSAL_TARGET/lib"/libstd-*.rlib >/dev/null 2>&1 &&
	! rustup target add "$VASSAL_TARGET" >/dev/null 2>&1; then
	[ "$VASSAL_MACHINE" = "$(uname -m)" ] || {
		echo "rustup target add $VASSAL_TARGET: it is needed to build for $ARCH" >&2
		exit 1
	}
	VASSAL_TARGET=$VASSAL_MACHINE-unknown-linux-gnu
	vassal_flags="$vassal_flags -C target-feature=+crt-static"
fi
# The relocations of a static-pie in a twentieth of the bytes (DT_RELR), 400 kB in all; the musl that rustup has since Rust 1.93 reads
# them. arm64's programs are at a fixed address and have none.
if [ "$VASSAL_TARGET" = x86_64-unknown-linux-musl ] && [ "$(rustc --version | cut -d. -f2)" -ge 93 ]; then
	vassal_flags="$vassal_flags -C link-arg=-Wl,-z,pack-relative-relocs"
fi
# The target's own start files and libc come with rustup; what links them for another machine does, too. cc hands the linker its
# arguments, rust-lld is one itself.
linker_argument="-C link-arg=-Wl,"
[ "$VASSAL_MACHINE" = "$(uname -m)" ] || {
	export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
	linker_argument="-C link-arg="
}
# By a relative path, as an absolute one would make two builds differ.
case $VASSAL_TARGET in
*-musl) vassal_flags="$vassal_flags ${linker_argument}--script=packaging/no-unwinding.ld ${linker_argument}--no-eh-frame-hdr" ;;
esac
# Once, also where a script that has sourced this runs another that does.
case ${RUSTFLAGS:-} in
*"$vassal_flags"*) ;;
*) export RUSTFLAGS="${RUSTFLAGS:-} $vassal_flags" ;;
esac
VASSAL_BIN=target/$VASSAL_TARGET/release
