#!/bin/sh
# Runs all tests: those inside the crates, and those in tests/ that run the real binaries.
# Needs git and a Rust toolchain; uses cargo-nextest if it is there. Arguments go to the runner,
# for example the name of a test.
set -eu
cd "$(dirname "$0")/.."

scripts/test-data.sh

target=${CARGO_TARGET_DIR:-target}
rm -f "$target/skipped.txt"

# Cargo builds binaries for the tests of their own package only; the tests in tests/ need them all.
cargo build --workspace --bins
# The daemon of the tests that fail the disk; no other build has its faults.
cargo build --workspace --features postmaster/faults --bin postmaster-faults

status=0
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace "$@" || status=$?
else
    # nextest gives each test a process of its own. Here those of one binary share one, in which there
    # is one process slot: so one at a time.
    RUST_TEST_THREADS=1 cargo test --workspace --no-fail-fast -- "$@" || status=$?
fi

if [ -s "$target/skipped.txt" ]; then
    echo
    echo "Skipped, or not whole:"
    sort -u "$target/skipped.txt" | sed 's/^/  /'
fi
exit "$status"
