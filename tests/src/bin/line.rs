//! Standard input to a socket, and the socket to standard output: what `nc` does, for machines that
//! have none, and for tests that connect as another user.
//!
//! `line PORT` connects to 127.0.0.1, `line PATH` to a Unix socket. It ends when the server has
//! closed the connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let Some(target) = std::env::args().nth(1) else {
        eprintln!("usage: line PORT | line PATH");
        return ExitCode::from(2);
    };
    let done = match target.parse() {
        Ok(port) => over_tcp(port),
        Err(_) => over_unix(&target),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("line: {error}");
            ExitCode::FAILURE
        }
    }
}

fn over_tcp(port: u16) -> io::Result<()> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(LIMIT))?;
    let half = socket.try_clone()?;
    let end = socket.try_clone()?;
    copy_both(half, socket, move || end.shutdown(Shutdown::Write))
}

fn over_unix(path: &str) -> io::Result<()> {
    let socket = UnixStream::connect(path)?;
    socket.set_read_timeout(Some(LIMIT))?;
    let half = socket.try_clone()?;
    let end = socket.try_clone()?;
    copy_both(half, socket, move || end.shutdown(Shutdown::Write))
}

fn copy_both(
    mut to: impl Write + Send + 'static,
    mut from: impl Read,
    end: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    // Not joined: once the server has closed, what is left of the input does not matter.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut to);
        let _ = end();
    });
    io::copy(&mut from, &mut io::stdout())?;
    io::stdout().flush()
}
