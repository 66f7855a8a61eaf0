#!/bin/bash
# run.sh STEP... - runs each step (check, corpus, docs, or a suite on booted machines), the next one also when one has failed, and
# ends with a summary: what passed, what failed, how long it took and where its log is. Fails when a step has.
# T: only the tests whose names contain that. MACHINE_THREADS: how many of a suite's tests run at the same time.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=target/test-logs
mkdir -p "$logs"
filter=(${T:+"$T"})
summary=()
lost=()
all_passed=0 all_failed=0

# count WORD LOG: the sum of the numbers before that word in the lines that libtest closes with.
count() {
	sed -n "s/^test result: .* \([0-9]*\) $1.*/\1/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'
}

for step in "$@"; do
	log=$logs/$step.log
	case $step in
	check) command=(make --no-print-directory check) ;;
	corpus | docs) command=(cargo test --locked -p vassal-tests --test "$step" -- "${filter[@]}") ;;
	*) command=(cargo test --locked -p vassal-tests --test "$step" -- --test-threads="${MACHINE_THREADS:-2}" "${filter[@]}") ;;
	esac
	begun=$SECONDS
	"${command[@]}" 2>&1 | tee "$log"
	code=${PIPESTATUS[0]}
	passed=$(count passed "$log")
	failed=$(count failed "$log")
	mapfile -t names < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log" | sort -u)
	# What failed before or outside a test: the compiler, clippy, a test program that was killed.
	if [ "$code" != 0 ] && [ "$failed" = 0 ]; then
		names+=("(no test: exit code $code, see the end of the log)")
		failed=1
	fi
	all_passed=$((all_passed + passed)) all_failed=$((all_failed + failed))
	summary+=("$(printf '%-12s %5d passed %5d failed %6d s' "$step" "$passed" "$failed" $((SECONDS - begun)))")
	for name in "${names[@]}"; do
		lost+=("$step: $name    $log")
	done
done

echo
printf '%s\n' "${summary[@]}"
if [ ${#lost[@]} -gt 0 ]; then
	echo
	echo "Failed:"
	printf '  %s\n' "${lost[@]}"
fi
echo
echo "$all_passed passed, $all_failed failed"
[ "$all_failed" = 0 ]
