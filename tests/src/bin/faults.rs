//! Fails the n-th operation on a file, for every n: `just faults`.
//!
//! ```text
//! --only CASE      one run: sync:wal:EIO:17:once, or …:once:off, …:once:init
//! --prefix TEXT    only cases that begin like this: sync:wal
//! --scene NAME     on, off (synchronous_commit) or init; all of them otherwise
//! --stride N       every N-th n (1)
//! --seed N         which of them (1)
//! --parallel N     how many runs at a time (2)
//! --limit SECONDS  begin no run after that time
//! --keep-going     do not stop at a failure
//! ```

use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tests::faults::case::{Case, Scene};
use tests::faults::run::run;
use tests::faults::sweep::{Order, sweep};
use tests::faults::template::Template;

fn main() -> ExitCode {
    match work(std::env::args().skip(1)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("faults: {why}");
            ExitCode::from(2)
        }
    }
}

fn work(mut arguments: impl Iterator<Item = String>) -> Result<bool, String> {
    let mut order = Order {
        scenes: Scene::ALL.to_vec(),
        prefix: String::new(),
        stride: 1,
        seed: 1,
        parallel: 2,
        limit: Duration::from_secs(24 * 3600),
        keep_going: false,
        verbose: true,
    };
    while let Some(name) = arguments.next() {
        if name == "--keep-going" {
            order.keep_going = true;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--only" => return only(&value.parse()?),
            "--prefix" => order.prefix = value,
            "--scene" => {
                order.scenes = match value.as_str() {
                    "on" => vec![Scene::Synchronous],
                    "off" => vec![Scene::Asynchronous],
                    "init" => vec![Scene::Initialisation],
                    _ => return Err(format!("{name}: on, off or init, not {value}")),
                }
            }
            "--stride" => order.stride = number(&name, &value)?,
            "--seed" => order.seed = number(&name, &value)?,
            "--parallel" => order.parallel = number(&name, &value)?,
            "--limit" => order.limit = Duration::from_secs(number(&name, &value)?),
            _ => return Err(format!("what is {name}?")),
        }
    }
    let begun = Instant::now();
    let summary = sweep(&order)?;
    println!("{summary}, {:.0} s", begun.elapsed().as_secs_f64());
    Ok(summary.failures.is_empty())
}

fn only(case: &Case) -> Result<bool, String> {
    let template = Template::make(case.scene != Scene::Asynchronous)?;
    match run(case, &template) {
        Ok((ending, hit)) => {
            println!("{case}: {ending}; {hit}");
            Ok(true)
        }
        Err(failure) => {
            eprintln!("{}\nits directory: {}", failure.what, failure.directory.display());
            Ok(false)
        }
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name}: {value} is no number"))
}
