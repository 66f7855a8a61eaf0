#!/bin/sh
# Runs every fuzz target of tests/fuzz for FUZZ_SECONDS each (0: the committed inputs only), or those named as arguments.
# What is found on the way is kept in target/fuzz/corpus and used by the next run; what breaks is in target/fuzz/artifacts.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
targets=${*:-lexer expander options unit_writer mountinfo emperor_protocol}
host=$(rustc -vV | sed -n 's/^host: //p')
# cargo-fuzz wants its own directory of tools: it is never part of the project's dependencies.
tools=$PWD/target/tools
work=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
cargo_fuzz=0.13.2

packaging/toolchain.sh
command -v c++ >/dev/null || packaging/install.sh g++ libc6-dev
PATH=$tools/bin:$PATH
[ "$(cargo fuzz --version 2>/dev/null)" = "cargo-fuzz $cargo_fuzz" ] ||
	cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" cargo-fuzz@$cargo_fuzz

# The address sanitizer needs a nightly compiler. Without one, a stable compiler is told to act as one: the targets and
# their properties are the same, only reads outside of memory go unseen (vassal-config forbids unsafe anyway).
has_nightly() { rustup run nightly rustc --version >/dev/null 2>&1; }
if command -v rustup >/dev/null && { has_nightly || rustup toolchain install nightly --profile minimal --no-self-update; }; then
	export RUSTUP_TOOLCHAIN=nightly
	sanitizer=address
else
	export RUSTC_BOOTSTRAP=1
	sanitizer=none
fi
cargo fuzz build --fuzz-dir tests/fuzz --target-dir "$work" --target "$host" --sanitizer $sanitizer --debug-assertions

failed=0
for target in $targets; do
	mkdir -p "$work/corpus/$target" "$work/artifacts/$target"
	log=$work/$target.log
	set -- -dict=tests/fuzz/words.dict -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
		-artifact_prefix="$work/artifacts/$target/" -print_final_stats=1 -verbosity=1
	if [ "$seconds" -eq 0 ]; then
		set -- "$@" -runs=0 "tests/fuzz/corpus/$target"
	else
		set -- "$@" -max_total_time="$seconds" "$work/corpus/$target" "tests/fuzz/corpus/$target"
	fi
	if "$work/$host/release/$target" "$@" >"$log" 2>&1; then
		result=ok
	else
		result=FAILED
		failed=1
	fi
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
	echo "fuzz: $target: $result, ${runs:-?} executions, coverage ${coverage:-?}"
	[ $result = ok ] && continue
	input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	grep -v '^#[0-9]' "$log" | grep -m 1 -A 2 -E 'panicked at|ERROR: ' || tail -n 5 "$log"
	echo "fuzz: the input is in ${input:-(see $log)}; all that was said is in $log"
	echo "fuzz: to reproduce: $work/$host/release/$target ${input:-tests/fuzz/corpus/$target}"
	echo "fuzz: to make it smaller: $work/$host/release/$target -minimize_crash=1 -runs=100000 ${input:-FILE}"
done
exit $failed
