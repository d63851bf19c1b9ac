//! The bank test, short: what `just bank` runs by the hundred.
//!
//! A failing run prints the command that repeats it. Set `MAMONT_BANK_SEED` to try another seed than
//! the fixed one.

use tests::bank::order::Order;
use tests::bank::run::run;

#[test]
fn the_sum_never_changes_in_any_snapshot() {
    let seed = std::env::var("MAMONT_BANK_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(3);
    match run(&Order { rounds: 8, seed, tellers: 4, mutant: None, verbose: true }) {
        Ok(summary) => eprintln!("{summary}"),
        Err(failure) => panic!("{}\nits directory: {}", failure.what, failure.directory.display()),
    }
}
