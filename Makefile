# What each target does is in CONTRIBUTING.md. All of them install what they need, on Debian 12 and 13.

SHELL := /bin/bash
CARGO := cargo
UNIT_TESTED := -p vassal-config -p vassal-escape -p vassal-sys -p vassal-systemd -p vassal-state -p vassal-generator -p vassal-enter -p vassal-watchdog -p vassal-emperor -p vassalctl
# Two cores, and each machine test mostly waits for systemd.
MACHINE_THREADS := 2
# The suites on booted machines, in the order in which they run. `make scenario` runs one, `make scenario T=name` its tests whose
# names contain that, VASSAL_SUITES=trixie either on one Debian.
MACHINE_SUITES := rig scenario badinput faults continuity deploy attacks operations admin emperor trace
T ?=
# How long `make fuzz` gives to each target; 0 runs the committed inputs only.
FUZZ_SECONDS ?= 60

.PHONY: check test soak demo picture dashboard deb rpm packages bench differential fuzz unit corpus docs machines machine-tests clean $(MACHINE_SUITES)

check:
	packaging/toolchain.sh
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	cd tests/fuzz && RUSTFLAGS='-D warnings' $(CARGO) check --quiet --locked --no-default-features --target-dir ../../target/fuzz-check
	$(MAKE) --no-print-directory unit

unit:
	$(CARGO) test --locked --quiet $(UNIT_TESTED)
	$(CARGO) test --locked --quiet -p vassal-tests --lib --bin bench

corpus:
	$(CARGO) test --locked --quiet -p vassal-tests --test corpus

docs:
	$(CARGO) test --locked --quiet -p vassal-tests --test docs

deb:
	packaging/toolchain.sh
	packaging/deb.sh

rpm:
	packaging/toolchain.sh
	packaging/rpm.sh

# Every package, of both architectures, and what its own tools say of it.
packages: deb rpm
	ARCH=arm64 packaging/deb.sh
	ARCH=arm64 packaging/rpm.sh
	packaging/inspect.sh

# Debian roots of both suites, cached in target/machines, and the host's packages to boot them.
machines:
	tests/machines/setup.sh

$(MACHINE_SUITES): deb machines
	$(CARGO) test --locked -p vassal-tests --test $@ -- --test-threads=$(MACHINE_THREADS) $(T)

# The rest runs even when a step has failed; the summary says what did, and where its log is.
RUN := T='$(T)' MACHINE_THREADS=$(MACHINE_THREADS) tests/run.sh

machine-tests: deb machines
	$(RUN) $(MACHINE_SUITES)

test: deb machines
	$(RUN) check corpus docs $(MACHINE_SUITES)

# SOAK_SECONDS (300) of random changes and failures; SOAK_SEED has a run done again.
soak: deb machines
	$(CARGO) test --locked -p vassal-tests --test emperor -- --ignored --nocapture soak::

demo:
	packaging/toolchain.sh
	tests/machines/demo.sh

# README's picture of a machine with vassals, taken anew.
picture: deb machines
	$(CARGO) run --locked -p vassal-tests --bin picture

# The dashboard for Grafana, against the types of Grafana's own schema library.
dashboard:
	packaging/monitoring/dashboard.sh

bench: deb machines
	packaging/install.sh bubblewrap crun busybox-static musl-tools libc6-dev
	$(CARGO) run --locked --release -p vassal-tests --bin bench

# Random configurations through ours and through the real uwsgi-core.
differential:
	packaging/install.sh uwsgi-core
	$(CARGO) test --locked --release -p vassal-tests --test differential

# The readers and writers of untrusted text under libFuzzer, each for FUZZ_SECONDS.
fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) packaging/fuzz.sh

clean:
	$(CARGO) clean
	rm -rf dist
