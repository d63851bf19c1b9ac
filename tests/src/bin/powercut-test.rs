//! Cuts the power as often as one likes: `just powercut --images 270 --seed 7`.
//!
//! ```text
//! --images N            images of one cut, over nine kinds in turn (270)
//! --doubles N           images of a second cut during recovery (27)
//! --beginnings N        images of a cut while the data directory is made (18)
//! --seed N              what everything is drawn from (the time)
//! --images-a-life N     images made of one life of the server (27)
//! --failing-disks N     in so many of a hundred lives an fsync fails (10)
//! --clients N           how many clients write (4)
//! --jobs N              lives side by side (2)
//! --synchronous-commit X  on, off or mixed (drawn for each life)
//! --set NAME=VALUE      a setting of the server
//! --mutant NAME         a server with that bug (needs `cargo build -p postmaster --features faults`)
//! --replay DIRECTORY    judge a kept image again, and nothing else
//! --quiet               tell only how it ended
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Instant, SystemTime};

use tests::crash::order::Commits;
use tests::powercut::case::Case;
use tests::powercut::check::after_cut;
use tests::powercut::order::Order;
use tests::powercut::runs::run;
use tests::setup::Setup;

fn main() -> ExitCode {
    let (order, replay) = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("powercut-test: {why}");
            return ExitCode::from(2);
        }
    };
    if let Some(why) = tests::powercut::unavailable() {
        eprintln!("powercut-test: {why}");
        return ExitCode::from(2);
    }
    let outcome = match replay {
        Some(directory) => again(&order, &directory),
        None => all(&order),
    };
    match outcome {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn all(order: &Order) -> Result<String, String> {
    println!("{order}");
    let begun = Instant::now();
    let summary = run(order).map_err(|failure| failure.what)?;
    Ok(format!("{summary}, in {:.0?}", begun.elapsed()))
}

fn again(order: &Order, directory: &Path) -> Result<String, String> {
    Case::replay(directory, |case| {
        let mutant = case.mutant.clone();
        let settings = case.settings.clone();
        let setup: Setup = Order { mutant, settings, ..order.clone() }.setup();
        after_cut(setup)
    })
}

fn arguments(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(Order, Option<PathBuf>), String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut order = Order { seed: now.map_or(1, |d| d.as_secs()), ..Order::default() };
    let mut replay = None;
    while let Some(name) = arguments.next() {
        if name == "--quiet" {
            order.verbose = false;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--images" => order.images = number(&name, &value)?,
            "--doubles" => order.doubles = number(&name, &value)?,
            "--beginnings" => order.beginnings = number(&name, &value)?,
            "--seed" => order.seed = number(&name, &value)?,
            "--images-a-life" => order.images_a_life = number::<u32>(&name, &value)?.max(1),
            "--failing-disks" => order.failing_disks = number(&name, &value)?,
            "--clients" => order.clients = number::<usize>(&name, &value)?.clamp(1, 64),
            "--jobs" => order.jobs = number::<usize>(&name, &value)?.clamp(1, 64),
            "--synchronous-commit" => order.commits = Some(commits(&value)?),
            "--mutant" => order.mutant = Some(value),
            "--replay" => replay = Some(PathBuf::from(value)),
            "--set" => {
                let (setting, value) = value.split_once('=').ok_or("--set NAME=VALUE")?;
                order.settings.push((setting.to_owned(), value.to_owned()));
            }
            _ => return Err(format!("what is {name}?")),
        }
    }
    Ok((order, replay))
}

fn commits(value: &str) -> Result<Commits, String> {
    match value {
        "on" => Ok(Commits::Synchronous),
        "off" => Ok(Commits::Asynchronous),
        "mixed" => Ok(Commits::Mixed),
        _ => Err(format!("--synchronous-commit: on, off or mixed, not {value}")),
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name}: {value} is no number"))
}
