# The vocabulary of this project. `just --list` explains it.

# Start the server on ./data, which is made if it is not there
run *args:
    cargo run --release --bin postmaster {{args}}

# Run all tests
test *args:
    scripts/test.sh {{args}}

# Check format, lints, documentation, and the rules of the house
check:
    scripts/check.sh

# Kill servers at random and judge what comes back: just crash --rounds 200 --seed 7
crash *args:
    cargo build --workspace --bins && cargo run -p tests --bin crash -- {{args}}

# Check histories of concurrent transactions, with kills in between: just isolation --seconds 60 --seed 7
isolation *args:
    cargo build --workspace --bins && cargo run -p tests --bin isolation -- {{args}}

# Move money between accounts, kill servers, and count it: just bank --rounds 500 --seed 7
bank *args:
    cargo build --workspace --bins && cargo run -p tests --bin bank -- {{args}}

# Cut the power at random and judge what comes back: just powercut --images 270 --seed 7
powercut *args:
    cargo build --workspace --bins && cargo run -p tests --bin powercut-test -- {{args}}

# Switch on bugs, one after the other, and see that the power cuts catch them
mutants *args:
    cargo build --workspace --bins && cargo build --workspace --features postmaster/faults --bin postmaster-faults
    cargo run -p tests --bin mutants -- {{args}}

# Fail the n-th operation on a file, for every n: just faults --only sync:wal:EIO:17:once
faults *args:
    cargo build --workspace --bins && cargo build --workspace --features postmaster/faults --bin postmaster-faults
    cargo run -p tests --bin faults -- {{args}}

# Measure COPY, commits and redo, beside PostgreSQL where it is installed
bench *args:
    scripts/bench.sh {{args}}

# Measure a thousand idle connections, beside PostgreSQL where it is installed
connections *args:
    scripts/bench-connections.sh {{args}}

# Print the write-ahead log of ./data
dump-wal *args:
    cargo run --release --bin mamont -- waldump {{args}}

# Fuzz wal, page, control_file or line_protocol until it fails or is stopped (nightly, cargo-fuzz)
fuzz target *args:
    mkdir -p target/fuzz/{{target}} && cargo +nightly fuzz run --features libfuzzer {{target}} target/fuzz/{{target}} fuzz/corpus/{{target}} fuzz/regressions/{{target}} {{args}}

# Cut the seeds of the fuzz targets from the files of a real server
fuzz-seeds:
    cargo build --workspace --bins && cargo run -p tests --bin seeds
