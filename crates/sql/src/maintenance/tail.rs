//! After a vacuum: the empty pages at the end of a table go back to the file system.
//!
//! Only if there are enough of them. It needs ACCESS EXCLUSIVE, which is asked for without queueing
//! up, again and again for a short while, so that nobody waits behind the vacuum; and it is let go as
//! soon as somebody waits for the table. So the lock is the session's, not the transaction's, which
//! would keep it to its end. Under the lock the pages are looked at again, since others may have
//! used them until then; the table may have grown, too, and then it wants its pages.
//!
//! Sessions that remember a place at the end of the table find out when they go there (`heap/target.rs`).
//! The system tables keep their pages: whoever reads those has no lock on them.
//!
//! What if the process dies: what the heap says (`heap/vacuum/truncate.rs`); the lock goes with it.

use std::time::{Duration, Instant};

use access::heap::Heap;
use access::vacuum;
use catalog::{TableDef, TableKind};
use shmem::{WaitEvent, proc};
use txn::{LockManager, LockMode, LockOwner, LockTag};
use types::BlockNo;

use super::Work;
use crate::engine::{Rooms, told};
use crate::error::{Error, Result};
use crate::interrupts;

/// So many empty pages are worth it, or such a part of the table.
const WORTH_PAGES: BlockNo = 1000;
const WORTH_PART: BlockNo = 16;
/// For how long the lock is asked for, and how often.
const PATIENCE: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_millis(50);
/// After so many pages it is asked whether somebody waits.
const LOOK_EVERY: u32 = 32;

/// The lock, until it is dropped.
struct Locked<'l> {
    locks: &'l LockManager,
    tag: LockTag,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.locks.release_for_session(self.tag, LockMode::AccessExclusive);
    }
}

/// Whether giving back is worth the lock, by what the vacuum has seen.
fn is_worth_it(pages: BlockNo, nonempty: BlockNo) -> bool {
    let empty = pages.saturating_sub(nonempty);
    empty > 0 && (empty >= WORTH_PAGES || empty >= pages / WORTH_PART)
}

/// Cuts off the empty end of a table that a vacuum has left with `pages` pages, of which those behind
/// the first `nonempty` were empty. Answers how many pages are left.
pub(super) fn give_back(
    rooms: &Rooms,
    table: &TableDef,
    heap: &Heap<'_>,
    (mut pages, nonempty): (BlockNo, BlockNo),
    work: &mut Work<'_, '_>,
) -> Result<BlockNo> {
    if !work.job.truncate || table.kind == TableKind::System {
        return Ok(pages);
    }
    let tag = LockTag::Relation(table.oid);
    let name = &table.name;
    while is_worth_it(pages, nonempty) {
        let Some(locked) = lock(rooms.txn.locks(), tag)? else {
            work.tell(|| format!("\"{name}\": stopping truncate due to conflicting lock request"))?;
            break;
        };
        if heap.nblocks().map_err(told)? != pages {
            break;
        }
        let (count, disturbed) = empty_pages(heap, &locked)?;
        let left = vacuum::truncate(heap, count).map_err(told)?;
        drop(locked);
        if count > 0 {
            work.tell(|| format!("table \"{name}\": truncated {pages} to {left} pages"))?;
        }
        pages = left;
        if !disturbed {
            break;
        }
        work.tell(|| format!("\"{name}\": suspending truncate due to conflicting lock request"))?;
    }
    Ok(pages)
}

/// Takes the lock as soon as nobody has the table or waits for it; `None`: that took too long.
fn lock(locks: &LockManager, tag: LockTag) -> Result<Option<Locked<'_>>> {
    let until = Instant::now() + PATIENCE;
    let mode = LockMode::AccessExclusive;
    while !locks.try_acquire_for(LockOwner::Session, tag, mode).map_err(told)? {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let _wait = proc::me().waiting(WaitEvent::VacuumTruncate);
        proc::me().latch.reset();
        interrupts::check()?;
        proc::me().latch.wait(Some(left.min(INTERVAL)));
    }
    Ok(Some(Locked { locks, tag }))
}

/// How many pages are empty at the end of the table, and whether the search ended because somebody
/// waits for it.
fn empty_pages(heap: &Heap<'_>, locked: &Locked<'_>) -> Result<(BlockNo, bool)> {
    let (mut looked_at, mut disturbed) = (0_u32, false);
    let count = vacuum::empty_tail(heap, || {
        looked_at += 1;
        if looked_at.is_multiple_of(LOOK_EVERY) {
            interrupts::check()?;
            disturbed = locked.locks.has_waiters(locked.tag);
        }
        Ok::<_, Error>(disturbed)
    })?;
    Ok((count, disturbed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sixteenth_of_the_table_or_a_thousand_pages_are_worth_it() {
        assert!(!is_worth_it(100, 100) && !is_worth_it(0, 0));
        assert!(!is_worth_it(160, 151) && is_worth_it(160, 150));
        assert!(is_worth_it(1, 0), "a table that is empty");
        assert!(!is_worth_it(1_000_000, 999_001) && is_worth_it(1_000_000, 999_000));
    }
}
