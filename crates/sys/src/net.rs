//! Plain blocking socket calls, and who is at the other end.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::time::TimeSpec;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use crate::signal::{self, Mask, Pending};

mod diag;

pub use diag::tcp_peer_uid;

/// What came of waiting for a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// There is something to read, or an end of file, or an error to fetch.
    Readable,
    /// The time was up.
    TimedOut,
    /// A signal came.
    Interrupted,
}

/// The user at the other end of a Unix socket, as the kernel noted it at `connect`.
pub fn unix_peer_uid(fd: RawFd) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(borrow(fd))?.uid.as_raw())
}

/// Reads what there is, waiting until there is something; 0 is the end of file. A signal makes it
/// fail with `Interrupted`, so that the caller can look at [`Pending`].
pub fn recv(fd: RawFd, buf: &mut [u8]) -> io::Result<usize> {
    let (n, _) = rustix::net::recv(borrow(fd), &mut *buf, RecvFlags::empty())?;
    Ok(n)
}

/// Makes each later [`recv`] fail with `WouldBlock` when nothing has come for so long; `None`: never.
pub fn set_recv_timeout(fd: RawFd, timeout: Option<Duration>) -> io::Result<()> {
    // Zero would mean never.
    let timeout = timeout.map(|timeout| timeout.max(Duration::from_micros(1)));
    let kind = rustix::net::sockopt::Timeout::Recv;
    Ok(rustix::net::sockopt::set_socket_timeout(borrow(fd), kind, timeout)?)
}

/// Sends all of `bytes`, waiting as long as it takes.
///
/// When TERM comes, the socket is shut down and this fails. When it came before, nothing is waited
/// for: the last words of a session go out if there is room for them, else this fails with
/// `WouldBlock`.
pub fn send_all(fd: RawFd, bytes: &[u8]) -> io::Result<()> {
    // Announced before the flag is looked at: a TERM in between finds the announcement.
    signal::set_in_send(true);
    let sent = send_loop(fd, bytes);
    signal::set_in_send(false);
    sent
}

fn send_loop(fd: RawFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut flags = SendFlags::NOSIGNAL;
        flags.set(SendFlags::DONTWAIT, Pending::term());
        match rustix::net::send(borrow(fd), bytes, flags) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Ends the connection in both directions; one that has ended already is no error.
pub fn shutdown(fd: RawFd) -> io::Result<()> {
    match rustix::net::shutdown(borrow(fd), rustix::net::Shutdown::Both) {
        Err(errno) if errno != Errno::NOTCONN => Err(errno.into()),
        _ => Ok(()),
    }
}

/// Waits until `fd` can be read, with `mask` as the blocked signals meanwhile and only then: a
/// caller that has the signals blocked, checks its flags and then waits here misses none.
pub fn wait_readable(fd: RawFd, timeout: Option<Duration>, mask: &Mask) -> io::Result<Ready> {
    let mut fds = [PollFd::new(borrow(fd), PollFlags::POLLIN)];
    let timeout = timeout.map(TimeSpec::from_duration);
    match nix::poll::ppoll(&mut fds, timeout, Some(*mask.set())) {
        Ok(0) => Ok(Ready::TimedOut),
        Ok(_) => Ok(Ready::Readable),
        Err(nix::errno::Errno::EINTR) => Ok(Ready::Interrupted),
        Err(errno) => Err(errno.into()),
    }
}

/// The descriptor for the length of one call.
fn borrow<'a>(fd: RawFd) -> BorrowedFd<'a> {
    assert!(fd >= 0, "a descriptor");
    // SAFETY: used for one system call by the caller, who has the descriptor open; were it closed,
    // the call would fail with EBADF.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::testing::pair;

    #[test]
    fn a_unix_peer_is_known() {
        let (here, _there) = pair();
        let uid = unix_peer_uid(here.as_raw_fd()).expect("a Unix socket");
        assert_eq!(uid, crate::process::effective_uid());
    }

    #[test]
    fn all_is_sent_and_the_end_is_seen() {
        let (here, there) = pair();
        let bytes: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                send_all(here.as_raw_fd(), &bytes).expect("it is read");
                shutdown(here.as_raw_fd()).expect("connected");
            });
            let (mut got, mut buf) = (Vec::new(), [0; 5000]);
            while let n @ 1.. = recv(there.as_raw_fd(), &mut buf).expect("connected") {
                got.extend_from_slice(&buf[..n]);
            }
            assert!(got == bytes);
        });
    }
}
