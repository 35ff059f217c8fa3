#!/usr/bin/env bash
# Instructions for each call of the hot paths, user space alone, by valgrind's callgrind; the same in each run but for what
# hashes with random keys. Valgrind has no SHA-NI, no VAES and no vDSO: SHA-256 costs more here than on newer processors,
# AES-GCM too, and reading a clock less.
#
#   benches/counts/run.sh [PATH...]                    # all paths, or those whose names are given
#   ARGUMENTS=--no-default-features benches/counts/run.sh   # RustCrypto's cipher; `--features observed`: metrics and tracing
#
# The difference of a run of 200 calls to one of 1,200, a thousand calls: what is done once is not in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export CARGO_PROFILE_RELEASE_DEBUG=1
cargo build --quiet --release -p blindcache-counts ${ARGUMENTS:-}
counts=target/release/blindcache-counts

# The instructions of so many calls.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$counts" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : //p'
}

if [[ $# -eq 0 ]]; then
    mapfile -t names < <("$counts")
    set -- "${names[@]}"
fi
printf '%-32s%12s\n' path instructions
for name; do
    few=$(instructions "$name" 200)
    many=$(instructions "$name" 1200)
    printf '%-32s%12d\n' "$name" $(((many - few) / 1000))
done
