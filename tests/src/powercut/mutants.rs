//! Which test catches which bug (`sys::mutant`), and the run that shows it.

use std::process::{Command, Stdio};
use std::time::Duration;

use sys::mutant::Mutant;

use crate::crash::order::Commits;
use crate::powercut::order::Order;
use crate::powercut::runs::run;
use crate::{bank, binary, isolation};

/// The test that has to fail when the server has the bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Catcher {
    /// Power cuts, on disks that never report an error.
    Images,
    /// Power cuts, in lives in which an fsync fails.
    FailingDisks,
    /// Both the isolation test and the bank test.
    Histories,
    /// A test of a room, since what is needed is too rare for a draw: its package and its name.
    Test(&'static str, &'static str),
}

/// Who catches it.
pub fn catcher(mutant: Mutant) -> Catcher {
    match mutant {
        Mutant::FailedFsyncIgnored => Catcher::FailingDisks,
        // The next life's records must fill the gap to the byte for the old ones to be found.
        Mutant::EndOfLogNotWiped => {
            Catcher::Test("recovery", "a_commit_of_an_earlier_life_does_not_come_back")
        }
        Mutant::SnapshotChangesItsMind
        | Mutant::RowNotLookedAtAgain
        | Mutant::OneSnapshotForgotten
        | Mutant::ConcurrentUpdateIgnored
        | Mutant::RowLockForgotten => Catcher::Histories,
        _ => Catcher::Images,
    }
}

/// How a mutant fared.
#[derive(Clone, Debug)]
pub struct Caught {
    /// After so many images; `None`: by a test of a room.
    pub images: Option<u32>,
    /// What was seen to be wrong, in one line.
    pub by: String,
}

/// Runs what has to catch the mutant, with at most so many images.
///
/// # Errors
/// It was not caught, or the test could not be run.
pub fn hunt(mutant: Mutant, images: u32, seed: u64) -> Result<Caught, String> {
    let order = Order {
        images,
        doubles: images / 10,
        beginnings: 0,
        seed,
        images_a_life: 9,
        failing_disks: 0,
        mutant: Some(mutant.name()),
        verbose: false,
        ..Order::default()
    };
    match catcher(mutant) {
        Catcher::Images => cut(&order),
        Catcher::FailingDisks => {
            cut(&Order { failing_disks: 100, commits: Some(Commits::Synchronous), ..order })
        }
        Catcher::Histories => in_histories(mutant, seed),
        Catcher::Test(package, test) => test_fails(mutant, package, test),
    }
}

/// A minute of the isolation test has to find it, and forty rounds of the bank test.
fn in_histories(mutant: Mutant, seed: u64) -> Result<Caught, String> {
    let name = || Some(mutant.name());
    let time = Duration::from_secs(60);
    let order = isolation::run::Order { time, seed, clients: 8, mutant: name(), verbose: false };
    let first = |what: &str| what.lines().next().unwrap_or_default().to_owned();
    let history = match isolation::run::run(&order) {
        Ok(summary) => return Err(format!("the isolation test passed: {summary}")),
        Err(failure) => first(&failure.what),
    };
    let order = bank::order::Order { rounds: 40, seed, tellers: 4, mutant: name(), verbose: false };
    match bank::run::run(&order) {
        Ok(summary) => Err(format!("the bank test passed: {summary}")),
        Err(failure) => {
            let by = format!("{history}\n    and {}", first(&failure.what));
            Ok(Caught { images: None, by })
        }
    }
}

fn cut(order: &Order) -> Result<Caught, String> {
    match run(order) {
        Ok(summary) => Err(format!("not caught in {} images", summary.images())),
        Err(failure) => {
            let by = failure.what.lines().next().unwrap_or_default().to_owned();
            Ok(Caught { images: Some(failure.images), by })
        }
    }
}

/// The test has to pass without the bug, and to fail with it.
fn test_fails(mutant: Mutant, package: &str, test: &str) -> Result<Caught, String> {
    let passes = |bug: Option<Mutant>| -> Result<bool, String> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(["test", "-q", "-p", package, "--features", "sys/faults", "--", "--exact"]);
        command.arg(test).current_dir(binary::workspace());
        command.env_remove("MAMONT_MUTANT");
        if let Some(bug) = bug {
            command.env("MAMONT_MUTANT", bug.name());
        }
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.map(|s| s.success()).map_err(|e| format!("{command:?}: {e}"))
    };
    if !passes(None)? {
        return Err(format!("{test} of {package} fails without it"));
    }
    match passes(Some(mutant))? {
        true => Err(format!("{test} of {package} does not fail")),
        false => Ok(Caught { images: None, by: format!("{test} of {package} fails") }),
    }
}
