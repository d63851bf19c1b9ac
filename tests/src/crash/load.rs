//! The clients of the crash test at work: started, stopped, and asked what they did.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::client::Client;
use crate::crash::history::History;
use crate::crash::worker::Worker;

/// Makes a session. The address behind it may change when the server is started again.
pub type Connect = Arc<dyn Fn() -> io::Result<Client> + Send + Sync>;

/// What the clients need to know of the world around them.
#[derive(Clone)]
pub struct Circumstances {
    /// Makes a session.
    pub connect: Connect,
    /// The times of all crashes: the maker of a crash notes it just before.
    pub cuts_ns: Arc<Mutex<Vec<u64>>>,
    /// How long before a crash an asynchronous commit may have been answered and yet be lost:
    /// three `wal_writer_delay`s.
    pub window_ns: u64,
    /// Whether clients say CHECKPOINT now and then.
    pub checkpoints: bool,
    /// SQLSTATEs that abort a transaction without being wrong.
    pub tolerated: Vec<String>,
}

impl Circumstances {
    /// Whether an asynchronous commit that was answered then may be lost.
    pub fn may_be_lost(&self, acknowledged_ns: u64) -> bool {
        let cuts = self.cuts_ns.lock().expect("no client panics with it");
        cuts.iter().any(|cut| acknowledged_ns >= cut.saturating_sub(self.window_ns))
    }
}

/// What the clients did, in numbers.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Commits that were answered.
    pub acknowledged: u64,
    /// Attempts rolled back, by the client or by the server.
    pub rolled_back: u64,
    /// Commits that were sent and never answered.
    pub in_doubt: u64,
    /// Of those, how many were there afterwards.
    pub doubt_present: u64,
    /// Asynchronous commits that were answered and lost.
    pub lost: u64,
    /// The oldest of them, in nanoseconds before the crash.
    pub lost_age_ns: u64,
    /// Connections made.
    pub connections: u64,
}

impl Tally {
    /// Adds another's numbers.
    pub fn add(&mut self, other: &Tally) {
        self.acknowledged += other.acknowledged;
        self.rolled_back += other.rolled_back;
        self.in_doubt += other.in_doubt;
        self.doubt_present += other.doubt_present;
        self.lost += other.lost;
        self.lost_age_ns = self.lost_age_ns.max(other.lost_age_ns);
        self.connections += other.connections;
    }
}

/// Clients at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Worker>>,
}

/// What the clients come back with.
pub struct Done {
    /// One for each client, in order.
    pub histories: Vec<History>,
    /// What they saw that may not be.
    pub violations: Vec<String>,
    /// What they did.
    pub tally: Tally,
}

impl Load {
    /// Sends the clients to work, each to go on where its history ends.
    pub fn start(histories: Vec<History>, circumstances: &Circumstances, seed: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = |history: History| {
            let worker = Worker::new(history, circumstances.clone(), seed, Arc::clone(&stop));
            std::thread::spawn(move || worker.run())
        };
        let threads = histories.into_iter().map(thread).collect();
        Load { stop, threads }
    }

    /// Tells the clients to stop after what they are doing, without waiting for them.
    pub fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether a client has stopped by itself, because it saw what may not be.
    pub fn has_stopped(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Stops the clients and collects what they know.
    pub fn stop(self) -> Done {
        self.ask_to_stop();
        let mut done =
            Done { histories: Vec::new(), violations: Vec::new(), tally: Tally::default() };
        for thread in self.threads {
            let worker = thread.join().expect("a client reports trouble, it does not panic");
            done.violations.extend(worker.violations);
            done.tally.add(&worker.tally);
            done.histories.push(worker.history);
        }
        done
    }
}
