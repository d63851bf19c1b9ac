//! The commit sequence: when recent transactions committed, and what a snapshot is.
//!
//! ```text
//!   status pages only          commit sequence ring (xid % length)          not yet begun
//!  ---------------------+-----------------------------------------------+------------------> xid
//!                     oldest                                           next      limit
//!                       |  a@90   run   c@120  abort   c@75   a@140  run |
//!
//!   log:  ...75...90...[F = 100]...120...[A = 130]...140...   snapshot: F = 100, A = 130
//!         visible: c@75 and a@90 (at most F), nothing at 120 (synchronous, not flushed) and 140
//! ```
//!
//! An entry is 0 while its transaction runs, 1 when it has aborted, else the end of its COMMIT
//! record (a multiple of 8) with bit 1 set for an asynchronous commit. **A snapshot is two log
//! positions**: A, up to where asynchronous commits had been published, and F, up to where the log
//! had been flushed. It sees a commit at or before F, and an asynchronous one at or before A.
//! Taking one costs the same whatever the number of connections.
//!
//! # Invariants
//! 1. `oldest <= next <= limit <= oldest needed + length`: entries in `oldest..next` are valid.
//! 2. Every xid below `oldest` has ended; if it committed, its commit was flushed. It is asked of
//!    the status pages alone.
//! 3. A commit's entry is stored before its log insertion is finished, so no F and no A ever
//!    covers a commit whose entry is still 0.
//! 4. `published` of a process is at most every xid for which it may still read the ring.
//!
//! # Who guards what
//! `next` and `limit` change under the `XidGen` lock, which [`Sequence::open`] needs. An entry is
//! stored by its own transaction alone. `oldest` is raised by anyone, with a compare-and-swap.
//! Everything is read without a lock, and every access is sequentially consistent.
//!
//! # The races
//! - *A commit between the two reads of a snapshot.* A is read before F. If the snapshot sees an
//!   asynchronous commit because of A, then whatever that transaction had seen lies at or before
//!   the A and F of an earlier moment, which are at most ours: the past of what is seen is seen.
//!   With F first, an asynchronous commit could be seen without the flushed one that it built on.
//! - *A snapshot must not change its mind.* An entry that is 0 now can only get a position past F
//!   and A, by invariant 3; so it will be as invisible later as it is now.
//! - *Publish, then look again.* The horizon is taken by reading `oldest` first and then what
//!   everyone published. A snapshot publishes the `oldest` it read, reads `oldest` again and uses
//!   the second value. If a horizon missed the publication, it had read `oldest` before our second
//!   read, so our xmin is at least that horizon: we never read an entry that may be overwritten,
//!   and (reading F later still) we see every commit below that horizon, so that what a pruner
//!   removes by it is nothing we need.
//! - *A new xid and `xmax`.* `next` is read last: every commit that F covers has an xid below it.
//! - *The ring turns while an entry is read* ([`Sequence::recent`], without a snapshot): an entry
//!   is overwritten only after `oldest` has passed its xid, so `oldest` is read again afterwards.
//! - *Nobody raises `oldest`.* Each ender stores its entry, then tries to raise. Of two neighbours,
//!   the one later in the total order sees both entries. A commit that is not flushed yet stops
//!   the raising; every later ender, snapshot and horizon tries again.
//!
//! # If the process dies here
//! Between any two lines its entry is either 0, as if it still ran, or final. A transaction that
//! runs for ever holds `oldest` back and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use types::{Lsn, Xid};

/// What an entry of a transaction that runs holds.
const RUNNING: u64 = 0;
const ABORTED: u64 = 1;
const ASYNCHRONOUS: u64 = 2;
const FLAGS: u64 = 7;
/// How many entries are looked at before `oldest` is raised: others then need not repeat it.
const STRIDE: u64 = 1024;

/// A shared word, sequentially consistent. The tests put a model checker's in its place.
pub(crate) trait Word {
    fn get(&self) -> u64;
    fn set(&self, value: u64);
    fn exchange(&self, from: u64, to: u64) -> bool;
}

impl Word for AtomicU64 {
    fn get(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    fn set(&self, value: u64) {
        self.store(value, Ordering::SeqCst);
    }

    fn exchange(&self, from: u64, to: u64) -> bool {
        self.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// How far into the log something sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sight {
    /// Asynchronous commits up to here. Read first.
    pub asynchronous: Lsn,
    /// Every commit up to here.
    pub flush: Lsn,
}

/// What the ring says about a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Running,
    Aborted,
    Committed { lsn: Lsn, asynchronous: bool },
}

impl Fate {
    fn encode(self) -> u64 {
        match self {
            Fate::Running => RUNNING,
            Fate::Aborted => ABORTED,
            Fate::Committed { lsn, asynchronous } => {
                debug_assert!(lsn.0 & FLAGS == 0 && lsn.0 != 0, "a record ends at a multiple of 8");
                lsn.0 | if asynchronous { ASYNCHRONOUS } else { 0 }
            }
        }
    }

    fn decode(word: u64) -> Fate {
        match word {
            RUNNING => Fate::Running,
            ABORTED => Fate::Aborted,
            _ => {
                Fate::Committed { lsn: Lsn(word & !FLAGS), asynchronous: word & ASYNCHRONOUS != 0 }
            }
        }
    }

    /// Whether this is a commit that such a sight covers.
    pub fn visible(self, sight: Sight) -> bool {
        match self {
            Fate::Running | Fate::Aborted => false,
            Fate::Committed { lsn, asynchronous } => {
                lsn <= sight.flush || (asynchronous && lsn <= sight.asynchronous)
            }
        }
    }

    /// Whether nothing about it can change, not even by a crash.
    fn settled(self, flushed: Lsn) -> bool {
        match self {
            Fate::Running => false,
            Fate::Aborted => true,
            Fate::Committed { lsn, .. } => lsn <= flushed,
        }
    }
}

/// The numbers of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    /// Below it the status pages decide.
    pub xmin: Xid,
    /// From it on nothing is visible.
    pub xmax: Xid,
    pub sight: Sight,
}

/// The shared words of the commit sequence.
#[derive(Clone, Copy)]
pub(crate) struct Sequence<'a, W> {
    pub ring: &'a [W],
    pub next: &'a W,
    pub oldest: &'a W,
    pub limit: &'a W,
}

impl<W: Word> Sequence<'_, W> {
    /// Starts over: every xid below `next` has ended, and the status pages know how.
    pub fn start(&self, next: Xid) {
        self.limit.set(0);
        self.oldest.set(next.0);
        self.next.set(next.0);
    }

    fn entry(&self, xid: u64) -> &W {
        &self.ring[(xid % self.ring.len() as u64) as usize]
    }

    /// Hands out the next xid, which stands in `own` before anyone can meet it. `None`: the ring
    /// is full. Only under the `XidGen` lock. `needed` tells the oldest xid that is needed.
    pub fn open(&self, own: &W, needed: impl FnOnce() -> Xid) -> Option<Xid> {
        let xid = self.next.get();
        if xid >= self.limit.get() {
            let limit = needed().0 + self.ring.len() as u64;
            self.limit.set(limit);
            if xid >= limit {
                return None;
            }
        }
        self.entry(xid).set(RUNNING);
        own.set(xid);
        self.next.set(xid + 1);
        Some(Xid(xid))
    }

    /// Stores how the transaction ended. For a commit: inside its log insertion.
    pub fn close(&self, xid: Xid, fate: Fate) {
        self.entry(xid.0).set(fate.encode());
    }

    /// The entry of an xid that is not below the caller's published xmin.
    pub fn fate(&self, xid: Xid) -> Fate {
        Fate::decode(self.entry(xid.0).get())
    }

    /// The entry of an xid, if it is recent enough to have one; `None`: ask the status pages.
    pub fn recent(&self, xid: Xid) -> Option<Fate> {
        if xid.0 < self.oldest.get() {
            return None;
        }
        let fate = self.fate(xid);
        (xid.0 >= self.oldest.get()).then_some(fate)
    }

    /// Raises `oldest` past everything that is settled.
    pub fn advance(&self, flushed: Lsn) {
        loop {
            let oldest = self.oldest.get();
            let stop = self.next.get().min(oldest + STRIDE);
            let mut at = oldest;
            while at < stop && self.fate(Xid(at)).settled(flushed) {
                at += 1;
            }
            if at == oldest || (self.oldest.exchange(oldest, at) && at < oldest + STRIDE) {
                return;
            }
        }
    }

    /// Takes a snapshot. `published` is the caller's own word for its xmin, 0 if it holds no other
    /// snapshot; an older one's stays. `sight` reads A, then F.
    pub fn snapshot(&self, published: &W, sight: impl FnOnce() -> Sight) -> Numbers {
        let alone = published.get() == 0;
        let first = self.oldest.get();
        if alone {
            published.set(first);
        }
        let xmin = self.oldest.get();
        if alone && xmin != first {
            published.set(xmin);
        }
        let sight = sight();
        Numbers { xmin: Xid(xmin), xmax: Xid(self.next.get()), sight }
    }

    /// Below the result nothing is needed by any snapshot, held or yet to be taken.
    pub fn horizon<'w>(&self, published: impl Iterator<Item = &'w W>) -> Xid
    where
        W: 'w,
    {
        let oldest = self.oldest.get();
        Xid(published.map(Word::get).filter(|&xmin| xmin != 0).fold(oldest, u64::min))
    }
}

#[cfg(test)]
#[path = "sequence_tests.rs"]
mod tests;
