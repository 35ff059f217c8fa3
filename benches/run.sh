#!/usr/bin/env bash
# Measures everything and puts tables, plots and JSON into docs/: see docs/performance.md. Under 15 minutes on two quiet
# cores, and nothing else should run on them meanwhile. Needs redis-server.
#
#   benches/run.sh [--quick]
#
# --quick tries it out in about a minute after the build, and its figures mean nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1-} in
"") HOW=measure ;;
--quick) HOW=quick ;;
*)
    echo "usage: benches/run.sh [--quick]" >&2
    exit 2
    ;;
esac
if ! command -v redis-server >/dev/null; then
    echo "redis-server is missing. As root: apt-get install redis-server" >&2
    exit 1
fi

say() {
    printf '\n== %s (%d s)\n' "$*" "$SECONDS"
}

OUT=$PWD/target/bench
STEPS=$OUT/criterion
rm -rf "$OUT"
mkdir -p "$OUT"
export CRITERION_HOME=$STEPS

# Into a trial run go the same benchmarks, each as short as it can be.
STEP_OPTIONS=()
PARTS_OPTIONS=()
if [[ $HOW == quick ]]; then
    STEP_OPTIONS=(--warm-up-time 0.01 --measurement-time 0.01 --sample-size 10)
    PARTS_OPTIONS=(--quick)
fi

say "building"
cargo build --release -p blindcache-rivals
cargo build --release -p blindcache-parts
cargo bench --no-run --bench crypto --bench steps
say "beside other caches"
cargo run --release -q -p blindcache-rivals -- "$HOW" "$OUT/rivals.json"
say "beside the bare cryptography"
cargo bench -q --bench crypto -- --json "$OUT/crypto.jsonl"
say "each part, right after a round trip"
cargo run --release -q -p blindcache-parts -- "$OUT/parts.jsonl" "${PARTS_OPTIONS[@]}"
say "each step"
cargo bench -q --bench steps -- --noplot "${STEP_OPTIONS[@]}"
say "each step, without aws-lc-rs"
cargo bench -q --bench steps --no-default-features --features l1 -- --noplot "${STEP_OPTIONS[@]}"
say "tables and plots"
cargo run --release -q -p blindcache-rivals -- report "$OUT/rivals.json" "$STEPS" "$OUT/crypto.jsonl" "$OUT/parts.jsonl"
say "done: docs/performance.md, docs/performance/"
