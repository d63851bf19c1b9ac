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
//! # Subtransactions
//! A part of a transaction that may be rolled back by itself has an xid of its own. Its entry says
//! which transaction it is a part of (that xid times 8, with bit 2 set) from the moment when it
//! gets its id, and is changed only if the part rolls back by itself: to 1. Whatever becomes of the
//! transaction becomes of all its parts with the one store into the transaction's own entry: a
//! commit of ten thousand parts is visible in one step. So the ring is the map from parts to their
//! transactions, too, and takes no more memory than it had.
//!
//! ```text
//!   xid     7     8       9       10              7 commits: one store
//!   entry  run  part 7  part 7  aborted    ->    c@160  part 7  part 7  aborted
//! ```
//!
//! # Invariants
//! 1. `oldest <= next <= limit <= oldest needed + length`: entries in `oldest..next` are valid.
//! 2. Every xid below `oldest` has ended; if it committed, its commit was flushed. It is asked of
//!    the status pages alone.
//! 3. A commit's entry is stored before its log insertion is finished, so no F and no A ever
//!    covers a commit whose entry is still 0.
//! 4. `published` of a process is at most every xid for which it may still read the ring.
//! 5. The id of a transaction is below those of its parts. So when all below a part is settled, its
//!    transaction is, and it is settled with it.
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
//! - *A part rolls back, and then its transaction commits, between two reads.* A snapshot's F was
//!   read while the part still stood there as such, so before the commit: past F, invisible. Who
//!   has no snapshot reads the part's entry again after its transaction's: if that says committed
//!   and the part is still a part, it had not rolled back when the transaction committed.
//! - *The transaction of a part lies below the own xmin, or below `oldest`.* Its entry may be
//!   overwritten, but it is settled, and was when that bound was read: the status pages know, and
//!   they know of the part too, since one COMMIT sets both.
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
const PART: u64 = 4;
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
    Committed {
        lsn: Lsn,
        asynchronous: bool,
    },
    /// That of the transaction that it is a part of.
    PartOf(Xid),
}

impl Fate {
    fn encode(self) -> u64 {
        match self {
            Fate::Running => RUNNING,
            Fate::Aborted => ABORTED,
            Fate::PartOf(top) => {
                debug_assert!(top.0 >> 61 == 0, "ids are handed out one by one");
                top.0 << 3 | PART
            }
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
            _ if word & PART != 0 => Fate::PartOf(Xid(word >> 3)),
            _ => {
                Fate::Committed { lsn: Lsn(word & !FLAGS), asynchronous: word & ASYNCHRONOUS != 0 }
            }
        }
    }

    /// Whether this is a commit that such a sight covers.
    pub fn visible(self, sight: Sight) -> bool {
        match self {
            Fate::Running | Fate::Aborted | Fate::PartOf(_) => false,
            Fate::Committed { lsn, asynchronous } => {
                lsn <= sight.flush || (asynchronous && lsn <= sight.asynchronous)
            }
        }
    }

    /// Whether nothing about it can change, not even by a crash, where nothing can change about
    /// anything below it.
    fn settled(self, flushed: Lsn) -> bool {
        match self {
            Fate::Running => false,
            Fate::Aborted | Fate::PartOf(_) => true,
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
        let xid = self.room(needed)?;
        self.entry(xid).set(RUNNING);
        own.set(xid);
        self.next.set(xid + 1);
        Some(Xid(xid))
    }

    /// As [`Sequence::open`], for a part of a transaction that runs.
    pub fn open_part(&self, top: Xid, needed: impl FnOnce() -> Xid) -> Option<Xid> {
        let xid = self.room(needed)?;
        self.entry(xid).set(Fate::PartOf(top).encode());
        self.next.set(xid + 1);
        Some(Xid(xid))
    }

    /// The next xid, if the ring has a place for it.
    fn room(&self, needed: impl FnOnce() -> Xid) -> Option<u64> {
        let xid = self.next.get();
        if xid >= self.limit.get() {
            let limit = needed().0 + self.ring.len() as u64;
            self.limit.set(limit);
            if xid >= limit {
                return None;
            }
        }
        Some(xid)
    }

    /// Stores how the transaction ended. For a commit: inside its log insertion. Of a part: only
    /// that it has rolled back by itself.
    pub fn close(&self, xid: Xid, fate: Fate) {
        self.entry(xid.0).set(fate.encode());
    }

    fn noted(&self, xid: Xid) -> Fate {
        Fate::decode(self.entry(xid.0).get())
    }

    /// The fate of an xid that is not below `xmin`, which the caller has published. `None`: it is a
    /// part of a transaction below `xmin`; ask the status pages.
    pub fn fate(&self, xid: Xid, xmin: Xid) -> Option<Fate> {
        match self.noted(xid) {
            Fate::PartOf(top) if top < xmin => None,
            Fate::PartOf(top) => Some(self.noted(top)),
            fate => Some(fate),
        }
    }

    /// The fate of an xid, if it is recent enough to have an entry; `None`: ask the status pages.
    pub fn recent(&self, xid: Xid) -> Option<Fate> {
        if xid.0 < self.oldest.get() {
            return None;
        }
        let mut fate = self.noted(xid);
        if let Fate::PartOf(top) = fate {
            let of_top = self.noted(top);
            if top.0 < self.oldest.get() {
                return None;
            }
            let again = self.noted(xid);
            fate = if again == fate { of_top } else { again };
        }
        (xid.0 >= self.oldest.get()).then_some(fate)
    }

    /// The transaction that an xid is a part of, or itself; `None`: it has ended.
    pub fn top(&self, xid: Xid) -> Option<Xid> {
        if xid.0 < self.oldest.get() {
            return None;
        }
        let top = match self.noted(xid) {
            Fate::PartOf(top) => top,
            _ => xid,
        };
        (xid.0 >= self.oldest.get()).then_some(top)
    }

    /// Raises `oldest` past everything that is settled.
    pub fn advance(&self, flushed: Lsn) {
        loop {
            let oldest = self.oldest.get();
            let stop = self.next.get().min(oldest + STRIDE);
            let mut at = oldest;
            while at < stop && self.noted(Xid(at)).settled(flushed) {
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
