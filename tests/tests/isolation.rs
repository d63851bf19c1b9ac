//! The isolation test, short: what `just isolation` runs for as long as one likes.
//!
//! A failing run prints the command that repeats it. Set `MAMONT_ISOLATION_SEED` to try another seed
//! than the fixed one.

use std::time::Duration;

use tests::isolation::run::{Order, run};

#[test]
fn no_history_of_concurrent_transactions_is_impossible_at_its_levels() {
    let seed = std::env::var("MAMONT_ISOLATION_SEED").ok().and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or(5);
    let order =
        Order { time: Duration::from_secs(10), seed, clients: 8, mutant: None, verbose: true };
    match run(&order) {
        Ok(summary) => eprintln!("{summary}"),
        Err(failure) => panic!("{}\nits directory: {}", failure.what, failure.directory.display()),
    }
}
