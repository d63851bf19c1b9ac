//! Runs the isolation test for as long as one likes: `just isolation --seconds 60 --seed 7`.
//!
//! ```text
//! --seconds N     how long (60)
//! --seed N        what everything is drawn from (the time)
//! --clients N     how many clients (8)
//! --quiet         tell only how it ended
//! ```

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use tests::isolation::run::{Order, run};

fn main() -> ExitCode {
    let order = match order(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(why) => {
            eprintln!("isolation: {why}");
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
    let mut order =
        Order { time: Duration::from_secs(60), seed, clients: 8, mutant: None, verbose: true };
    while let Some(name) = arguments.next() {
        if name == "--quiet" {
            order.verbose = false;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        let number: u64 = value.parse().map_err(|_| format!("{name}: {value} is no number"))?;
        match name.as_str() {
            "--seconds" => order.time = Duration::from_secs(number),
            "--seed" => order.seed = number,
            "--clients" => order.clients = number.clamp(1, 64) as usize,
            _ => return Err(format!("what is {name}?")),
        }
    }
    Ok(order)
}
