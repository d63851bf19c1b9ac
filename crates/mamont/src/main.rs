//! `mamont`: the command-line tool. It talks to a server as any client does, or reads the files
//! of a data directory; it never writes there and never attaches to shared memory.
//!
//! ```text
//!  shell, bench              client.rs ── line protocol ──► a running server
//!  waldump, controldata      wal's own readers ───────────► pg_wal/, global/pg_control
//!  page verify               buffer's own checksum ───────► base/
//!  check                     access's own checker ────────► base/
//! ```
//!
//! The exit status is 0 when all went well, 1 when something was wrong, 2 for a wrong command
//! line. A reader of our output that goes away (`mamont waldump | head`) ends us quietly.

mod bench;
mod check;
mod client;
mod clock;
mod controldata;
mod error;
mod page;
mod records;
mod shell;
mod table;
mod waldump;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::Error;

/// Talks to a Mamont server, and reads what it has on disk.
#[derive(Parser, Debug)]
#[command(name = "mamont", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Sends lines to a server and shows its replies
    Shell(shell::Arguments),
    /// Measures a server
    Bench(bench::Arguments),
    /// Prints the records of the write-ahead log
    Waldump(waldump::Arguments),
    /// Prints the control file
    Controldata(controldata::Arguments),
    /// Checks the indexes of a server that has been shut down
    Check(check::Arguments),
    /// Looks at pages of relation files
    #[command(subcommand)]
    Page(page::Command),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout().lock();
    let done = run(&arguments.command, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        Ok(code) => code,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mamont: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command, out: &mut impl Write) -> Result<ExitCode, Error> {
    match command {
        Command::Shell(arguments) => shell::run(arguments, out),
        Command::Bench(arguments) => bench::run(arguments, out),
        Command::Waldump(arguments) => waldump::run(arguments, out),
        Command::Controldata(arguments) => controldata::run(arguments, out),
        Command::Check(arguments) => check::run(arguments, out),
        Command::Page(command) => page::run(command, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
        let good = [
            "mamont shell",
            "mamont shell 127.0.0.1:7432 -e SHOW",
            "mamont bench commit --clients 16 --seconds 1 --json",
            "mamont bench copy --rows 10 --keep",
            "mamont bench data --rows 10",
            "mamont waldump -p data 0/1000028 0/2000000 --stats --rmgr heap --rmgr transaction",
            "mamont controldata data",
            "mamont check data",
            "mamont page verify base/1 base/2",
        ];
        for line in good {
            Arguments::try_parse_from(line.split(' ')).expect(line);
        }
        for line in ["mamont", "mamont waldump --rmgr nonsense", "mamont page verify"] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
