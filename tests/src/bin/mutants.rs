//! Shows that the tests see what they are there for: `just mutants`.
//!
//! ```text
//! mutants [--images N] [--seed N] [NAME]...
//! ```
//!
//! Each bug of `sys::mutant`, or each named one, is switched on in a server of its own build, and the
//! test that has to catch it gets at most N images (100) to do so. First as many images of the server
//! without a bug have to be clean as a life gives.

use std::process::ExitCode;
use std::time::Instant;

use sys::mutant::Mutant;
use tests::powercut::mutants::{Catcher, catcher, hunt};
use tests::powercut::order::Order;
use tests::powercut::{runs, unavailable};

fn main() -> ExitCode {
    let (images, seed, chosen) = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("mutants: {why}");
            return ExitCode::from(2);
        }
    };
    if chosen.iter().any(|&mutant| by_power_cuts(mutant))
        && let Err(why) = control(seed)
    {
        eprintln!("mutants: {why}");
        return ExitCode::from(2);
    }
    let survivors = chosen.into_iter().filter(|&mutant| !is_caught(mutant, images, seed)).count();
    if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn by_power_cuts(mutant: Mutant) -> bool {
    matches!(catcher(mutant), Catcher::Images | Catcher::FailingDisks)
}

/// Power cuts can be made here, and find nothing where there is no bug.
fn control(seed: u64) -> Result<(), String> {
    if let Some(why) = unavailable() {
        return Err(why.to_owned());
    }
    let control = Order { images: 27, doubles: 3, seed, verbose: false, ..Order::default() };
    match runs::run(&control) {
        Ok(_) => Ok(()),
        Err(failure) => Err(format!("without any bug: {}", failure.what)),
    }
}

fn is_caught(mutant: Mutant, images: u32, seed: u64) -> bool {
    let begun = Instant::now();
    let outcome = hunt(mutant, images, seed);
    let (name, time) = (mutant.name(), begun.elapsed());
    match &outcome {
        Ok(caught) => {
            let after = caught.images.map_or("a test".to_owned(), |n| format!("image {n}"));
            println!("{name:26} caught by {after:9} in {time:4.0?}: {:.320}", caught.by);
        }
        Err(why) => println!("{name:26} SURVIVED in {time:.0?}: {why}"),
    }
    outcome.is_ok()
}

fn arguments(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(u32, u64, Vec<Mutant>), String> {
    let (mut images, mut seed, mut chosen) = (100, 3, Vec::new());
    while let Some(word) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--images" => images = value()?.parse().map_err(|_| "--images: a number")?,
            "--seed" => seed = value()?.parse().map_err(|_| "--seed: a number")?,
            name => chosen.push(Mutant::of_name(name).ok_or(format!("no mutant is {name}"))?),
        }
    }
    let all = || Mutant::ALL.to_vec();
    Ok((images, seed, if chosen.is_empty() { all() } else { chosen }))
}
