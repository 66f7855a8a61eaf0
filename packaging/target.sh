# Sourced: how the programs are built. They must be static, because vassal-watchdog is executed in root directories
# that may have no library at all. musl where rustup has it or can get it; else glibc, which is larger (some 1 MB).
# Sets VASSAL_CARGO_FLAGS, VASSAL_BIN and, for glibc, RUSTFLAGS.

VASSAL_MUSL=x86_64-unknown-linux-musl
if ls "$(rustc --print sysroot)/lib/rustlib/$VASSAL_MUSL/lib"/libstd-*.rlib >/dev/null 2>&1 ||
	rustup target add "$VASSAL_MUSL" >/dev/null 2>&1; then
	VASSAL_CARGO_FLAGS="--target $VASSAL_MUSL"
	VASSAL_BIN=target/$VASSAL_MUSL/release
else
	VASSAL_CARGO_FLAGS="--target x86_64-unknown-linux-gnu"
	VASSAL_BIN=target/x86_64-unknown-linux-gnu/release
	export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
fi
