//! How clients of the long tests talk to a server that is killed now and then.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::reply::{End, Reply};

/// Makes a session. The address behind it may change when the server is started again.
pub type Connect = Arc<dyn Fn() -> io::Result<Client> + Send + Sync>;

/// How long a client tries to connect before it counts the server as gone for good.
const RECONNECT_LIMIT: Duration = Duration::from_secs(60);
/// Errors that end a transaction without being wrong: it could not be serialized; a deadlock.
const TOLERATED: [&str; 2] = ["40001", "40P01"];

/// Why a transaction was not finished.
#[derive(Debug)]
pub enum Trouble {
    /// The connection is gone.
    Disconnected,
    /// The server said that the transaction cannot go on.
    Refused,
    /// The server broke a rule.
    Wrong(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Trouble::Wrong(format!("no answer: {error}"))
            }
            _ => Trouble::Disconnected,
        }
    }
}

/// A session, tried again and again until `stop` is set: then there is none.
///
/// # Errors
/// The server is gone for good.
pub fn connect(connect: &Connect, stop: &AtomicBool) -> Result<Option<Client>, String> {
    let deadline = Instant::now() + RECONNECT_LIMIT;
    while !stop.load(Ordering::Relaxed) {
        match connect() {
            Ok(session) => return Ok(Some(session)),
            Err(error) if Instant::now() > deadline => {
                return Err(format!("no connection in {RECONNECT_LIMIT:?}: {error}"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    Ok(None)
}

/// Sends a line whose last tag must be this one, and gives the reply.
///
/// # Errors
/// As [`Trouble`] has them.
pub fn ask(session: &mut Client, line: &str, tag: &str) -> Result<Reply, Trouble> {
    let reply = session.ask(line)?;
    judge(line, &reply)?;
    if reply.tags.last().is_some_and(|last| last == tag) {
        Ok(reply)
    } else {
        Err(wrong(line, &reply))
    }
}

/// As [`ask`], whatever the tags are.
///
/// # Errors
/// As [`Trouble`] has them.
pub fn ask_any(session: &mut Client, line: &str) -> Result<Reply, Trouble> {
    let reply = session.ask(line)?;
    judge(line, &reply)?;
    Ok(reply)
}

fn judge(line: &str, reply: &Reply) -> Result<(), Trouble> {
    match (reply.problem(), &reply.end) {
        (None, _) => Ok(()),
        (Some(problem), End::Ready(_)) if TOLERATED.contains(&problem.sqlstate.as_str()) => {
            Err(Trouble::Refused)
        }
        // The server is going down or coming up.
        (Some(problem), End::Fatal(_)) if problem.sqlstate.starts_with("57P0") => {
            Err(Trouble::Disconnected)
        }
        _ => Err(wrong(line, reply)),
    }
}

/// What the server should not have answered.
pub fn wrong(line: &str, reply: &Reply) -> Trouble {
    Trouble::Wrong(format!("{line}: {:?}", reply.lines))
}
