//! Runs the crash test for as long as one likes: `just crash --rounds 200 --seed 7`.
//!
//! ```text
//! --rounds N               how many kills (200)
//! --seed N                 what everything is drawn from (the time)
//! --clients N              how many clients write (4)
//! --synchronous-commit X   on, off, mixed, or all: a third of the rounds each (all)
//! --victim NAME            kill only this: postmaster, checkpointer, bgwriter, walwriter, backend,
//!                          startup, recovery, everything
//! --quiet                  tell only how it ended
//! ```

use std::process::ExitCode;
use std::str::FromStr;
use std::time::SystemTime;

use tests::crash::order::{Commits, Order};
use tests::crash::rounds::run;
use tests::crash::victim::Victim;

fn main() -> ExitCode {
    let orders = match orders(std::env::args().skip(1)) {
        Ok(orders) => orders,
        Err(why) => {
            eprintln!("crash: {why}");
            return ExitCode::from(2);
        }
    };
    for order in orders {
        println!("{order}");
        match run(&order) {
            Ok(summary) => println!("{summary}"),
            Err(failure) => {
                eprintln!("{}\nits directory: {}", failure.what, failure.directory.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn orders(arguments: impl Iterator<Item = String>) -> Result<Vec<Order>, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut order = Order {
        rounds: 200,
        seed: now.map_or(1, |d| d.as_secs()),
        clients: 4,
        commits: Commits::Synchronous,
        victims: Victim::ALL.to_vec(),
        verbose: true,
    };
    let all = [Commits::Synchronous, Commits::Asynchronous, Commits::Mixed];
    let mut modes: Vec<Commits> = all.to_vec();
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        if name == "--quiet" {
            order.verbose = false;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--rounds" => order.rounds = number(&name, &value)?,
            "--seed" => order.seed = number(&name, &value)?,
            "--clients" => order.clients = number::<usize>(&name, &value)?.clamp(1, 64),
            "--synchronous-commit" => {
                modes = match value.as_str() {
                    "on" => vec![Commits::Synchronous],
                    "off" => vec![Commits::Asynchronous],
                    "mixed" => vec![Commits::Mixed],
                    "all" => all.to_vec(),
                    _ => return Err(format!("{name}: on, off, mixed or all, not {value}")),
                }
            }
            "--victim" => {
                order.victims.retain(|v| format!("{v:?}").eq_ignore_ascii_case(&value));
                if order.victims.is_empty() {
                    return Err(format!("{name}: there is no {value}"));
                }
            }
            _ => return Err(format!("what is {name}?")),
        }
    }
    let count = modes.len() as u32;
    let share = |i: usize| order.rounds / count + u32::from((i as u32) < order.rounds % count);
    let part = |(i, commits)| Order { rounds: share(i), commits, ..order.clone() };
    Ok(modes.into_iter().enumerate().map(part).filter(|o| o.rounds > 0).collect())
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name}: {value} is no number"))
}
