//! The command line of powercut: `powercut run` and `powercut image`, each of which prints one line
//! of JSON. `README.md` explains the options.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser};
use powercut::draw::Policy;
use powercut::fault::Fault;
use powercut::image::{self, Cut};
use powercut::model::Names;
use powercut::{Error, run};

/// Runs a server on a recording file system, cuts the power, builds what the disk may hold
#[derive(Parser)]
#[command(version)]
enum Line {
    /// Run a command until the power cut, and record what it does to its files
    Run(RunLine),
    /// Build a directory that the disk may hold after the cut
    Image(ImageLine),
}

#[derive(Args)]
struct RunLine {
    /// The initial content, which is durable
    #[arg(long, value_name = "DIR")]
    src: PathBuf,
    /// Where the command finds it
    #[arg(long, value_name = "DIR")]
    mnt: PathBuf,
    /// The recording to make
    #[arg(long, value_name = "FILE")]
    journal: PathBuf,
    /// Cut after this time
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    cut_after: Option<Duration>,
    /// Cut while the N-th fsync is under way
    #[arg(long, value_name = "N")]
    cut_sync: Option<u64>,
    /// How long an fsync takes, in microseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    sync_us: u64,
    /// Let a write or fsync on a path that contains PATH fail COUNT times after SKIP good ones
    #[arg(long, value_name = "OP:ERRNO:PATH:SKIP:COUNT", value_delimiter = ',')]
    fail: Vec<Fault>,
    /// The command that starts the server
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

#[derive(Args)]
struct ImageLine {
    /// The recording
    #[arg(long, value_name = "FILE")]
    journal: PathBuf,
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The cut: end, rec:N, rec:rand, sync:N or sync:rand
    #[arg(long, default_value = "end")]
    at: Cut,
    /// The draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How names become durable
    #[arg(long, default_value = "inode")]
    names: Names,
    /// What happens to writes that are not synced
    #[arg(long, default_value = "mix")]
    policy: Policy,
    /// The bytes that reach the disk whole or not at all
    #[arg(long, default_value = "512")]
    sector: NonZeroUsize,
    /// Say what is kept, lost and torn
    #[arg(long)]
    verbose: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let done = match Line::parse() {
        Line::Run(line) => run_it(line),
        Line::Image(line) => build(line),
    };
    match done {
        Ok(json) => println!("{json}"),
        Err(error) => {
            eprintln!("powercut: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn run_it(line: RunLine) -> Result<String, Error> {
    let ran = run::run(&run::Order {
        source: line.src,
        mount: line.mnt,
        journal: line.journal,
        cut_after: line.cut_after,
        cut_sync: line.cut_sync,
        sync_time: Duration::from_micros(line.sync_us),
        faults: line.fail,
        command: line.command,
    })?;
    Ok(json(&ran))
}

fn build(line: ImageLine) -> Result<String, Error> {
    let built = image::build(&image::Order {
        journal: line.journal,
        out: line.out,
        cut: line.at,
        seed: line.seed,
        names: line.names,
        policy: line.policy,
        sector: line.sector.get(),
        verbose: line.verbose,
    })?;
    Ok(json(&built))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("numbers can be written")
}
