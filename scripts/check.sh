#!/bin/sh
# Everything that a machine can say about the source without running the server: format, lints,
# documentation, and the rules of tests/tests/tidy.
set -eu
cd "$(dirname "$0")/.."

cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet
cargo test --quiet -p tests --test tidy
