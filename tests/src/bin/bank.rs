//! Runs the bank test for as long as one likes: `just bank --rounds 500 --seed 7`.
//!
//! ```text
//! --rounds N      how many kills (100)
//! --seed N        what everything is drawn from (the time)
//! --tellers N     how many tellers (4)
//! --quiet         tell only how it ended
//! ```

use std::process::ExitCode;
use std::time::SystemTime;

use tests::bank::order::Order;
use tests::bank::run::run;

fn main() -> ExitCode {
    let order = match order(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(why) => {
            eprintln!("bank: {why}");
            return ExitCode::from(2);
        }
    };
    println!("{order}");
    match run(&order) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{}\nits directory: {}", failure.what, failure.directory.display());
            ExitCode::FAILURE
        }
    }
}

fn order(mut arguments: impl Iterator<Item = String>) -> Result<Order, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = now.map_or(1, |d| d.as_secs());
    let mut order = Order { rounds: 100, seed, tellers: 4, mutant: None, verbose: true };
    while let Some(name) = arguments.next() {
        if name == "--quiet" {
            order.verbose = false;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        let number: u64 = value.parse().map_err(|_| format!("{name}: {value} is no number"))?;
        match name.as_str() {
            "--rounds" => order.rounds = number.clamp(1, 1_000_000) as u32,
            "--seed" => order.seed = number,
            "--tellers" => order.tellers = number.clamp(1, 64) as usize,
            _ => return Err(format!("what is {name}?")),
        }
    }
    Ok(order)
}
