//! Turning connections away without waiting for them.
//!
//! A refused client gets one `FATAL` line. The postmaster never blocks on it: the line goes out in
//! one non-blocking send (a new connection's buffer is empty, so it fits). A socket closed while
//! unread bytes lie in it resets the connection, and the line could be lost with it; so the socket
//! lingers, read and forgotten, until the client closes its side or the time is up.
//!
//! Invariants: at most [`LINGERING_MAX`] sockets linger, each for [`LINGER`] at most.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags, Shutdown};

use crate::listen::Connection;

/// How long a refused client may take to read its line.
pub const LINGER: Duration = Duration::from_secs(1);
/// How many refused sockets are kept at a time; more are closed at once.
const LINGERING_MAX: usize = 64;
/// How much of what a refused client sends is read at a time.
const DISCARD: usize = 16 << 10;

/// Refused connections that are not closed yet.
#[derive(Debug, Default)]
pub struct Refusals {
    lingering: VecDeque<(Connection, Instant)>,
}

impl Refusals {
    /// Sends the line and lets the connection go.
    pub fn refuse(&mut self, connection: Connection, line: &str, now: Instant) {
        if say_goodbye(&connection, line).is_err() {
            return;
        }
        if self.lingering.len() >= LINGERING_MAX {
            self.lingering.pop_front();
        }
        self.lingering.push_back((connection, now + LINGER));
    }

    /// Whether [`Refusals::sweep`] has to be called again before long.
    pub fn is_empty(&self) -> bool {
        self.lingering.is_empty()
    }

    /// Closes those whose client is gone or whose time is up.
    pub fn sweep(&mut self, now: Instant) {
        self.lingering.retain(|(connection, until)| *until > now && !is_finished(connection));
    }
}

fn say_goodbye(connection: &Connection, line: &str) -> nix::Result<()> {
    let fd = connection.as_fd().as_raw_fd();
    socket::send(fd, line.as_bytes(), MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)?;
    socket::shutdown(fd, Shutdown::Write)
}

/// Reads and forgets some of what the client has sent; whether that was all.
fn is_finished(connection: &Connection) -> bool {
    let mut discarded = [0; DISCARD];
    let fd = connection.as_fd().as_raw_fd();
    match socket::recv(fd, &mut discarded, MsgFlags::MSG_DONTWAIT) {
        Ok(0) => true,
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => false,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_line_arrives_though_the_client_had_sent_something() {
        let (ours, mut theirs) = UnixStream::pair().expect("pair");
        theirs.write_all(b"SELECT 1\n").expect("send");
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        refusals.refuse(Connection::Unix(ours), "FATAL 53300 no\n", now);
        refusals.sweep(now);
        assert!(!refusals.is_empty(), "it lingers while the client is there");
        let mut text = String::new();
        theirs.read_to_string(&mut text).expect("read to the end");
        assert_eq!(text, "FATAL 53300 no\n");
        drop(theirs);
        refusals.sweep(now);
        assert!(refusals.is_empty());
    }

    #[test]
    fn a_client_that_stays_is_dropped_in_time_and_few_are_kept() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let pairs: Vec<_> =
            (0..LINGERING_MAX + 3).map(|_| UnixStream::pair().expect("pair")).collect();
        let mut clients = Vec::new();
        for (ours, theirs) in pairs {
            refusals.refuse(Connection::Unix(ours), "FATAL\n", now);
            clients.push(theirs);
        }
        assert_eq!(refusals.lingering.len(), LINGERING_MAX);
        refusals.sweep(now + LINGER);
        assert!(refusals.is_empty());
    }
}
