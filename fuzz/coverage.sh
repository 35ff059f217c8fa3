#!/usr/bin/env bash
# What of a folder of src/ the committed corpora reach, by file, on stable Rust: fuzz/coverage.sh [FOLDER]
# FOLDER is crypto unless it is given. Needs llvm-cov and llvm-profdata of the compiler's own version of LLVM: from
# `rustup component add llvm-tools`, or from a package such as llvm-22.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
host=$(rustc -vV | sed -n 's/^host: //p')
# Prints where the tool $1 is.
tool() {
    local own
    own=$(rustc --print sysroot)/lib/rustlib/$host/bin/$1
    if [[ -x $own ]]; then
        echo "$own"
    elif ! command -v "$1-$version"; then
        echo "$1 is missing: rustup component add llvm-tools, or as root: apt-get install llvm-$version" >&2
        exit 1
    fi
}
profdata=$(tool llvm-profdata)
cov=$(tool llvm-cov)

# This workspace's own crates alone are instrumented, so that no dependency is compiled again.
mkdir -p target/coverage
cat >target/coverage/instrument <<'WRAPPER'
#!/bin/sh
exec "$@" -C instrument-coverage
WRAPPER
chmod +x target/coverage/instrument
export RUSTC_WORKSPACE_WRAPPER=$PWD/target/coverage/instrument
rm -f target/coverage/*.profraw
# The macros are instrumented too, and run in the compiler.
program=$(LLVM_PROFILE_FILE=/dev/null cargo test --all-features --test corpus --no-run --message-format json |
    sed -n 's/.*"name":"corpus".*"executable":"\([^"]*\)".*/\1/p')
LLVM_PROFILE_FILE=$PWD/target/coverage/%p.profraw "$program" every_kept_file_passes_its_target
"$profdata" merge -sparse target/coverage/*.profraw -o target/coverage/corpus.profdata
"$cov" report "$program" -instr-profile target/coverage/corpus.profdata "src/${1:-crypto}"
