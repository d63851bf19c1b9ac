//! Why the process should stop what it is doing: asked between the steps of long work, and before
//! each sleep.
//!
//! ```text
//!  signals ------ TERM, INT -------------------------+
//!  deadline of the statement -- the clock is past it -+--> pending() --> the statement's error
//!  the client's socket -------- closed at its end ----+
//! ```
//!
//! Deadlines need no timer and no signal: who works asks every now and then and compares the clock;
//! who sleeps limits its sleep to [`next_look`] and asks when it wakes. So there is no wake-up that
//! could be lost. Without a deadline, asking costs four loads.
//!
//! Private to the process. Times are those of [`crate::clock::monotonic_ns`]; 0 is never.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::monotonic_ns;
use crate::signal::{self, Pending};

/// When the statement must have ended.
static STATEMENT_END: AtomicU64 = AtomicU64::new(0);
/// When to look for the client next.
static CLIENT_LOOK: AtomicU64 = AtomicU64::new(0);
/// How long between two looks.
static CLIENT_INTERVAL: AtomicU64 = AtomicU64::new(0);

/// Why to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interrupt {
    /// The process is to end.
    Terminate,
    /// The statement was cancelled.
    Cancel,
    /// The statement has taken as long as it may.
    StatementTimeout,
    /// There is nobody any more to whom the result could be sent.
    ClientLost,
}

/// Begins to count for a statement: it may take so long (`ZERO`: as long as it likes), and the
/// client is looked for at that interval (`ZERO`: not at all).
pub fn arm(statement: Duration, client: Duration) {
    if statement.is_zero() && client.is_zero() {
        return disarm();
    }
    let now = monotonic_ns();
    let at = |after: Duration| match nanos(after) {
        0 => 0,
        after => now.saturating_add(after),
    };
    STATEMENT_END.store(at(statement), Ordering::Relaxed);
    CLIENT_INTERVAL.store(nanos(client), Ordering::Relaxed);
    CLIENT_LOOK.store(at(client), Ordering::Relaxed);
}

/// No statement runs any more that could take too long.
pub fn disarm() {
    STATEMENT_END.store(0, Ordering::Relaxed);
    CLIENT_LOOK.store(0, Ordering::Relaxed);
}

/// Why to stop, if there is a reason. A cancellation and the end of a statement's time are told
/// once.
pub fn pending() -> Option<Interrupt> {
    if Pending::term() {
        return Some(Interrupt::Terminate);
    }
    if Pending::int() && Pending::take_int() {
        return Some(Interrupt::Cancel);
    }
    let end = STATEMENT_END.load(Ordering::Relaxed);
    let look = CLIENT_LOOK.load(Ordering::Relaxed);
    if end == 0 && look == 0 {
        return None;
    }
    let now = monotonic_ns();
    if end != 0 && end <= now {
        STATEMENT_END.store(0, Ordering::Relaxed);
        return Some(Interrupt::StatementTimeout);
    }
    if look != 0 && look <= now {
        let interval = CLIENT_INTERVAL.load(Ordering::Relaxed);
        CLIENT_LOOK.store(now.saturating_add(interval), Ordering::Relaxed);
        return client_is_gone().then_some(Interrupt::ClientLost);
    }
    None
}

/// When the clock ([`crate::clock::monotonic`]) will be a reason to ask again: who sleeps wakes up
/// then.
pub fn next_look() -> Option<Duration> {
    let times = [&STATEMENT_END, &CLIENT_LOOK].map(|time| time.load(Ordering::Relaxed));
    times.into_iter().filter(|&at| at != 0).min().map(Duration::from_nanos)
}

/// When the statement must have ended.
pub fn statement_end() -> Option<Duration> {
    let end = STATEMENT_END.load(Ordering::Relaxed);
    (end != 0).then(|| Duration::from_nanos(end))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether the client has closed its end. What it has sent before is left in place.
fn client_is_gone() -> bool {
    let Some(fd) = signal::client_socket() else { return false };
    // SAFETY: the owner of the descriptor deregisters it before closing it.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(gone)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::process::Ended;
    use crate::testing::{in_child, pair};

    #[test]
    fn a_statement_ends_when_its_time_is_over_and_is_told_once() {
        let ended = in_child(|| {
            arm(Duration::from_millis(30), Duration::ZERO);
            let early = pending();
            let end = statement_end().expect("it is armed");
            while crate::clock::monotonic() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            let told = [pending(), pending()];
            arm(Duration::from_millis(1), Duration::ZERO);
            disarm();
            std::thread::sleep(Duration::from_millis(3));
            let good = early.is_none()
                && told == [Some(Interrupt::StatementTimeout), None]
                && pending().is_none()
                && next_look().is_none();
            i32::from(!good)
        });
        assert_eq!(ended, Ended::Exited(0));
    }

    #[test]
    fn a_client_that_has_gone_is_noticed_and_one_that_waits_is_not() {
        let (here, there) = pair();
        let ended = in_child(|| {
            signal::set_client_socket(here.as_raw_fd());
            arm(Duration::ZERO, Duration::from_millis(5));
            let look = || {
                std::thread::sleep(Duration::from_millis(8));
                pending()
            };
            let here_still = look().is_none() && look().is_none();
            // Closing would leave the end that the parent has.
            rustix::net::shutdown(&there, rustix::net::Shutdown::Write).expect("it is open");
            i32::from(!(here_still && look() == Some(Interrupt::ClientLost)))
        });
        assert_eq!(ended, Ended::Exited(0));
    }
}
