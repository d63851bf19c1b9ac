//! `mamont shell`: a person, or a script, at the line protocol.
//!
//! At a terminal it edits lines, keeps a history and draws tables; otherwise it sends what it
//! reads and prints the reply's lines as they come, so that a script sees the protocol itself.
//! When the server answers COPYIN, the lines that follow are data, up to `\.`.

mod input;
mod output;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use protocol::{COPY_END, Reply, Request, Status};

use crate::client::{Address, Connection, DEFAULT_ADDRESS};
use crate::error::Error;
use input::{Lines, Prompt};
use output::Printer;

/// Bytes of COPY's data that are sent at once.
const BATCH: usize = 64 << 10;

/// What `shell` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// HOST:PORT, or the path of a Unix socket or of its directory (with a / in it)
    #[arg(default_value = DEFAULT_ADDRESS)]
    address: Address,

    /// Sends this line and ends; may be given several times
    #[arg(short = 'e', long = "execute", value_name = "SQL")]
    execute: Vec<String>,

    /// Prints the lines of the protocol, also at a terminal
    #[arg(long)]
    raw: bool,
}

/// Runs the shell; the status is a failure if a statement failed and nobody was there to see it.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<ExitCode, Error> {
    let mut connection = Connection::open(&arguments.address)?;
    let terminal = std::io::stdout().is_terminal();
    let printer = Printer::new(terminal && !arguments.raw, out);
    let mut lines = if arguments.execute.is_empty() {
        Lines::from_stdin(terminal)?
    } else {
        Lines::given(&arguments.execute)
    };
    let interactive = lines.interactive();
    let failed = converse(&mut connection, &mut lines, printer)?;
    Ok(if failed && !interactive { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Sends line after line and shows each reply; whether any statement failed.
fn converse(
    connection: &mut Connection,
    lines: &mut Lines,
    mut printer: Printer<'_, impl Write>,
) -> Result<bool, Error> {
    let mut status = Status::Idle;
    let mut failed = false;
    while let Some(line) = lines.next(Prompt::Request(status))? {
        // Closing the connection says the same.
        if Request::parse(&line) == Request::Quit {
            break;
        }
        connection.send_line(&line)?;
        match exchange(connection, lines, &mut printer, &mut failed)? {
            Some(now) => status = now,
            None => break,
        }
    }
    Ok(failed)
}

/// Shows a reply to its end; `None` if the server has ended the session.
fn exchange(
    connection: &mut Connection,
    lines: &mut Lines,
    printer: &mut Printer<'_, impl Write>,
    failed: &mut bool,
) -> Result<Option<Status>, Error> {
    loop {
        let text = connection.line()?;
        let reply = Reply::parse(text).map_err(|bad| Error::Protocol(bad.to_string()))?;
        printer.reply(text, &reply)?;
        match reply {
            Reply::Ready(status) => return Ok(Some(status)),
            Reply::Error(..) => *failed = true,
            Reply::Fatal(..) => {
                *failed = true;
                return Ok(None);
            }
            Reply::CopyIn => send_data(connection, lines)?,
            _ => {}
        }
    }
}

/// Sends lines of data up to the one that ends them. Without it nothing is kept: the connection
/// ends here.
fn send_data(connection: &mut Connection, lines: &mut Lines) -> Result<(), Error> {
    let mut batch = String::new();
    while let Some(line) = lines.next(Prompt::Data)? {
        batch.push_str(&line);
        batch.push('\n');
        let end = line == COPY_END;
        if end || batch.len() >= BATCH || lines.interactive() {
            connection.send(batch.as_bytes())?;
            batch.clear();
        }
        if end {
            return Ok(());
        }
    }
    Err(Error::Usage("the data of COPY must end with a line \\.".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::server;

    fn talk(
        input: &'static str,
        steps: &'static [(usize, &'static str)],
    ) -> (String, String, bool) {
        let (directory, server) = server(steps);
        let address = Address::Unix(directory.path().to_owned());
        let mut connection = Connection::open(&address).expect("the server listens");
        let mut shown = Vec::new();
        let failed = converse(
            &mut connection,
            &mut Lines::from_reader(input.as_bytes()),
            Printer::new(false, &mut shown),
        );
        let sent = server.join().expect("the server ends");
        (sent, String::from_utf8(shown).expect("text"), failed.expect("a good conversation"))
    }

    #[test]
    fn a_script_sees_the_protocol() {
        const ROW: &str = "COLUMNS ?column? int4\nROW 1\nOK SELECT 1\nREADY idle\n";
        let talked = talk("SELECT 1\nQUIT\nnever\n", &[(1, ROW)]);
        assert_eq!(talked, ("SELECT 1\n".into(), ROW.into(), false));
        let (_, shown, failed) =
            talk("x\ny\nz", &[(1, "ERROR 42601 no\nREADY idle\n"), (1, "FATAL 57P01 bye\n")]);
        assert_eq!(shown, "ERROR 42601 no\nREADY idle\nFATAL 57P01 bye\n");
        assert!(failed);
    }

    #[test]
    fn data_is_sent_after_copyin() {
        let (sent, shown, failed) = talk(
            "COPY t FROM STDIN\nQUIT\n\\.\n",
            &[(1, "COPYIN\n"), (2, "OK COPY 1\nREADY idle\n")],
        );
        assert_eq!(sent, "COPY t FROM STDIN\nQUIT\n\\.\n");
        assert!(shown == "COPYIN\nOK COPY 1\nREADY idle\n" && !failed);
    }
}
