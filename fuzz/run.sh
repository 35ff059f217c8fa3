#!/usr/bin/env bash
# Fuzzes each target for so many minutes, or those that are named: fuzz/run.sh MINUTES [TARGET…]
# Needs a nightly toolchain, and installs cargo-fuzz where it is missing. What is found is in fuzz/artifacts/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ $# -eq 0 ]]; then
    echo "usage: fuzz/run.sh MINUTES [TARGET…]" >&2
    exit 2
fi
seconds=$(awk -v minutes="$1" 'BEGIN { printf "%d", minutes * 60 }')
shift

if ! command -v cargo-fuzz >/dev/null; then
    cargo install --locked cargo-fuzz@0.13.1
fi
if [[ $# -gt 0 ]]; then
    targets=("$@")
else
    mapfile -t targets < <(basename -s .rs fuzz_targets/*.rs)
fi

cargo +nightly fuzz build --fuzz-dir .
for target in "${targets[@]}"; do
    printf '\n== %s, %d s\n' "$target" "$seconds"
    mkdir -p "target/found/$target"
    # What is new lands in the first folder; the second has what is kept. 16 MiB in one allocation is a finding.
    cargo +nightly fuzz run --fuzz-dir . "$target" "target/found/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -malloc_limit_mb=16 -timeout=10 -print_final_stats=1
done
