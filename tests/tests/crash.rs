//! The crash test, short: what `just crash` runs by the hundred.
//!
//! A failing run prints the command that repeats it. Set `MAMONT_CRASH_SEED` to try another seed
//! than the fixed ones, which make every run of the tests draw the same.

use tests::crash::order::{Commits, Order};
use tests::crash::rounds::run;
use tests::crash::victim::Victim;

fn rounds(rounds: u32, seed: u64, commits: Commits) {
    let seed = std::env::var("MAMONT_CRASH_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(seed);
    let victims = Victim::ALL.to_vec();
    let order = Order { rounds, seed, clients: 4, commits, victims, verbose: true };
    match run(&order) {
        Ok(summary) => eprintln!("{summary}"),
        Err(failure) => panic!("{}\nits directory: {}", failure.what, failure.directory.display()),
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_comes_in_part() {
    rounds(12, 2, Commits::Synchronous);
}

#[test]
fn asynchronous_commits_lose_a_recent_suffix_across_clients_at_most() {
    rounds(8, 3, Commits::Asynchronous);
}

#[test]
fn synchronous_commits_are_kept_among_asynchronous_ones() {
    rounds(4, 4, Commits::Mixed);
}
