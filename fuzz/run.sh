#!/usr/bin/env bash
# Fuzzes each target for so many minutes, or those that are named, and tells what came of it:
#
#   fuzz/run.sh MINUTES [TARGET…]
#
# JOBS=3 runs three at a time. Before them run the controls, whose planted faults must be found. Needs a nightly toolchain,
# and installs cargo-fuzz where it is missing. A finding ends its target alone; it is in fuzz/artifacts/, and makes the whole
# fail. New inputs are in fuzz/target/found/, what the fuzzers said in fuzz/target/logs/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ $# -eq 0 ]]; then
    echo "usage: fuzz/run.sh MINUTES [TARGET…]" >&2
    exit 2
fi
seconds=$(awk -v minutes="$1" 'BEGIN { printf "%d", minutes * 60 }')
shift
if [[ $# -gt 0 ]]; then
    targets=("$@")
else
    mapfile -t targets < <(basename -s .rs fuzz_targets/*.rs)
fi

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "no nightly toolchain, which fuzzing needs: rustup toolchain install nightly" >&2
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install --locked cargo-fuzz@0.13.1
fi
cargo +nightly fuzz build --fuzz-dir .
mkdir -p target/logs target/found

# Fuzzes $1 for at most $2 seconds, from the folders behind: new inputs land in the first one. 16 MiB at once is a finding.
fuzz() {
    cargo +nightly fuzz run --fuzz-dir . "$1" "${@:3}" -- \
        -max_total_time="$2" -max_len=4096 -malloc_limit_mb=16 -timeout=10 -print_final_stats=1 >"target/logs/$1.log" 2>&1
}

# A planted fault: the target $1 must end by what reads $2.
control() {
    rm -rf "target/found/$1" "artifacts/$1"
    mkdir "target/found/$1"
    if fuzz "$1" 120 "target/found/$1" || ! grep -q "$2" "target/logs/$1.log"; then
        tail -n 20 "target/logs/$1.log" >&2
        echo "the fuzzer does not find the fault planted in $1: what it does not find elsewhere says nothing" >&2
        exit 1
    fi
    echo "$1: the planted fault was found after $(last '^#[0-9]*' "target/logs/$1.log" | tr -d '#') executions or a few more"
}

last() {
    grep -o "$1" "$2" | tail -n 1
}

target() {
    mkdir -p "target/found/$1"
    fuzz "$1" "$2" "target/found/$1" "corpus/$1" && return
    echo "$1: FOUND SOMETHING, see fuzz/artifacts/$1 and fuzz/target/logs/$1.log"
    touch "target/logs/$1.found"
}

control control_panic 'the planted fault'
control control_memory 'out-of-memory (malloc('

printf '\n== %s s for each of %s targets\n' "$seconds" "${#targets[@]}"
rm -f target/logs/*.found
export -f fuzz target
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-1}" -I TARGET bash -c "target TARGET $seconds"

printf '\n%-14s %12s %8s %8s %8s\n' target executions seconds edges features
for name in "${targets[@]}"; do
    log=target/logs/$name.log
    number() {
        last "$1 *[0-9]*" "$log" | grep -o '[0-9]*$' || echo '?'
    }
    printf '%-14s %12s %8s %8s %8s\n' "$name" "$(number 'stat::number_of_executed_units: ')" \
        "$(last 'runs in [0-9]*' "$log" | grep -o '[0-9]*$' || echo '?')" "$(number 'cov: ')" "$(number 'ft: ')"
done
if compgen -G 'target/logs/*.found' >/dev/null; then
    exit 1
fi
