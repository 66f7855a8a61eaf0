#!/bin/sh
# Makes sure that there is a Rust toolchain of at least the version in Cargo.toml, and a C linker.
# Debian 13 has one in its archive; Debian 12 has not, so there rustup must have been installed by its owner.
set -eu
cd "$(dirname "$0")/.."
needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

is_new_enough() {
	have=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || return 1
	[ -n "$have" ] && [ "$(printf '%s\n%s\n' "$needed" "$have" | sort -V | head -n 1)" = "$needed" ]
}

command -v cc >/dev/null || packaging/install.sh gcc libc6-dev
is_new_enough || packaging/install.sh cargo rustc rustfmt rust-clippy || true
is_new_enough || { echo "cargo $needed or newer is needed (rustup.rs, or Debian 13's own cargo)" >&2; exit 1; }
