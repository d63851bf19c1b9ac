//! The checkpointer: one process that makes all checkpoints of a running server.
//!
//! It begins one when `checkpoint_timeout` has passed, when much log has been written, when somebody
//! says `CHECKPOINT`, and when the postmaster wants the last one; all but the first two go as fast
//! as they can, the others are spread over `checkpoint_completion_target` of the interval.
//!
//! | signal | what it means here |
//! |---|---|
//! | TERM, INT | nothing: the postmaster sets a flag in shared memory when all others are gone |
//! | HUP | read the configuration again |
//! | QUIT | end at once |
//!
//! Its only regular end is the last checkpoint; the postmaster takes any other for a crash. A
//! checkpoint that fails is logged, told to whoever asked for it, and tried again before long.

use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use shmem::{WaitEvent, proc};
use sys::signal::Pending;
use types::Lsn;

use crate::checkpoint::{self, Hurry, Outcome, Pacing};
use crate::error::Error;
use crate::kept_statistics;
use crate::requests::{Answer, Flags, Ticket};
use crate::schedule::{Pace, Position};
use crate::server::Server;

/// How long a checkpoint that is ahead of its schedule rests at a time.
const NAP: Duration = Duration::from_millis(100);
/// A checkpoint that failed is tried again after this time at the latest.
const RETRY: Duration = Duration::from_secs(15);
/// The title changes once for so many buffers.
const TITLE_EVERY: u64 = 16;
/// How long a requester sleeps before it looks by itself.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Runs until the last checkpoint is made; answers the exit code.
pub fn main(server: &Server) -> i32 {
    server.requests().serve(proc::my_index());
    let mut checkpointer = Checkpointer {
        server,
        last_begun: Instant::now(),
        last_redo: server.wal().redo_lsn(),
        distance_bytes: 0.0,
    };
    loop {
        proc::me().latch.reset();
        if Pending::take_hup() {
            server.reload_in_child();
        }
        if server.requests().shutdown_requested() {
            return checkpointer.last();
        }
        if checkpointer.is_due() {
            checkpointer.regular();
            continue;
        }
        let left = pace(server).time_left(checkpointer.last_begun.elapsed());
        let _wait = proc::me().waiting(WaitEvent::CheckpointerMain);
        proc::me().latch.wait(Some(left));
    }
}

struct Checkpointer<'a> {
    server: &'a Server,
    last_begun: Instant,
    last_redo: Lsn,
    /// How much log there is between two checkpoints, by experience.
    distance_bytes: f64,
}

impl Checkpointer<'_> {
    /// Whether a checkpoint has to be made now; posts the reasons that nobody else posts.
    fn is_due(&self) -> bool {
        let requests = self.server.requests();
        if pace(self.server).time_left(self.last_begun.elapsed()).is_zero() {
            requests.post(Flags::TIME);
        }
        !requests.pending().is_empty()
    }

    fn regular(&mut self) {
        let (requests, progress) = (self.server.requests(), self.server.progress());
        self.last_begun = Instant::now();
        let flags = requests.take();
        if flags == Flags::TIME { &progress.timed } else { &progress.requested }.add(1);
        let made = self.make(flags);
        if made.is_err() {
            self.retry_soon();
        }
        requests.finish(made.is_ok());
        wake_waiters(self.server);
        sys::process::set_title("mamont: checkpointer");
    }

    /// The last checkpoint of a shutdown.
    fn last(&mut self) -> i32 {
        sys::process::set_title("mamont: checkpointer shutting down");
        let made = self.make(Flags::SHUTDOWN);
        kept_statistics::keep(self.server);
        i32::from(made.is_err())
    }

    fn make(&mut self, flags: Flags) -> Result<(), Error> {
        let log = self.server.settings().log_checkpoints;
        if log && checkpoint::is_needed(self.server, flags) {
            tracing::info!("checkpoint starting: {flags}");
        }
        let spare = self.spare_segments();
        let outcome = if flags.is_immediate() {
            checkpoint::create(self.server, flags, spare, &mut Hurry)
        } else {
            checkpoint::create(self.server, flags, spare, &mut Spread::new(self.server))
        };
        match outcome {
            Ok(Some(outcome)) => {
                self.learn_distance(outcome.redo);
                if log {
                    log_outcome(self.server, flags, &outcome, self.distance_bytes);
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::error!("checkpoint failed ({flags}): {error}");
                Err(error)
            }
        }
    }

    /// The next timed checkpoint comes earlier after a failure.
    fn retry_soon(&mut self) {
        let timeout = pace(self.server).timeout;
        let earlier = timeout.saturating_sub(RETRY);
        self.last_begun = self.last_begun.checked_sub(earlier).unwrap_or(self.last_begun);
    }

    /// Rises at once and falls slowly, as the need for segments does.
    fn learn_distance(&mut self, redo: Lsn) {
        let distance = redo.0.saturating_sub(self.last_redo.0) as f64;
        self.last_redo = redo;
        self.distance_bytes = if distance > self.distance_bytes {
            distance
        } else {
            0.9 * self.distance_bytes + 0.1 * distance
        };
    }

    /// How many segments to keep ready for the log until the next checkpoint.
    fn spare_segments(&self) -> u64 {
        let settings = self.server.settings();
        let wanted = (self.distance_bytes * 1.1) as u64;
        let bytes = wanted.max(settings.min_wal_size).min(settings.max_wal_size);
        bytes / wal::position::SEGMENT_SIZE
    }
}

/// The settings that pace checkpoints, as they are now.
fn pace(server: &Server) -> Pace {
    let settings = server.settings();
    Pace {
        timeout: settings.checkpoint_timeout,
        max_wal_bytes: settings.max_wal_size,
        completion_target: settings.checkpoint_completion_target,
    }
}

/// Rests whenever the checkpoint is ahead of its schedule.
struct Spread<'a> {
    server: &'a Server,
    begun: Instant,
}

impl<'a> Spread<'a> {
    fn new(server: &'a Server) -> Self {
        Spread { server, begun: Instant::now() }
    }

    fn must_hurry(&self) -> bool {
        let requests = self.server.requests();
        requests.shutdown_requested() || requests.pending().is_immediate()
    }
}

impl Pacing for Spread<'_> {
    fn wrote(&mut self, done: u64, total: u64, redo: Lsn) {
        if done.is_multiple_of(TITLE_EVERY) || done == total {
            sys::process::set_title(&format!("mamont: checkpointer writing {done}/{total}"));
        }
        proc::me().latch.reset();
        if Pending::take_hup() {
            self.server.reload_in_child();
        }
        let position = Position {
            written: done,
            total,
            elapsed: self.begun.elapsed(),
            wal_bytes: self.server.wal().insert_lsn().0.saturating_sub(redo.0),
        };
        if !self.must_hurry() && pace(self.server).is_on_schedule(position) {
            let _wait = proc::me().waiting(WaitEvent::CheckpointWriteDelay);
            proc::me().latch.wait(Some(NAP));
        }
    }
}

fn log_outcome(server: &Server, flags: Flags, outcome: &Outcome, estimate_bytes: f64) {
    let share = outcome.written as f64 * 100.0 / server.pool().buffers() as f64;
    tracing::info!(
        "checkpoint complete: {flags}: wrote {} buffers ({share:.1}%); {} WAL files removed, {} \
         recycled; write={:.3} s, sync={:.3} s, total={:.3} s; sync files={}; estimate={} kB; \
         lsn={}, redo lsn={}",
        outcome.written,
        outcome.removed,
        outcome.recycled,
        outcome.write.as_secs_f64(),
        outcome.sync.as_secs_f64(),
        outcome.total.as_secs_f64(),
        outcome.files,
        estimate_bytes as u64 / 1024,
        outcome.end,
        outcome.redo,
    );
}

/// Asks for a checkpoint and returns at once.
pub fn request(server: &Server, flags: Flags) -> Ticket {
    let requests = server.requests();
    let ticket = requests.post(flags);
    // Without one, the next checkpointer finds the request when it starts.
    if let Some(slot) = requests.server() {
        server.procs().slot(slot).latch.set();
    }
    ticket
}

/// Asks for a checkpoint if so much log has been written that one is due.
pub fn request_for_log(server: &Server) {
    let wal = server.wal();
    let since = wal.insert_lsn().0.saturating_sub(wal.redo_lsn().0);
    let asked = server.requests().pending().contains(Flags::WAL);
    if since >= pace(server).wal_trigger_bytes() && !asked {
        request(server, Flags::WAL);
    }
}

/// Asks for a checkpoint, now, and waits until it is made: the statement `CHECKPOINT`.
pub fn request_and_wait(server: &Server) -> Result<(), Error> {
    let slot = proc::me();
    let _wait = slot.waiting(WaitEvent::CheckpointDone);
    // The wait is published before the answer is looked at; see `requests`.
    fence(Ordering::SeqCst);
    let ticket = request(server, Flags::REQUESTED);
    loop {
        slot.latch.reset();
        if Pending::term() {
            return Err(Error::Terminated);
        }
        if Pending::take_int() {
            return Err(Error::Cancelled);
        }
        match server.requests().answer(ticket) {
            Answer::Done => return Ok(()),
            Answer::Failed => return Err(Error::CheckpointFailed),
            Answer::Pending => {}
        }
        slot.latch.wait(Some(WAIT_MAX));
    }
}

fn wake_waiters(server: &Server) {
    fence(Ordering::SeqCst);
    for (_, slot) in server.procs().used() {
        if slot.wait_event() == WaitEvent::CheckpointDone {
            slot.latch.set();
        }
    }
}
