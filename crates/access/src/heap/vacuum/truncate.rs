//! Giving back what is empty at the end of a table.
//!
//! | step | a crash after it |
//! |---|---|
//! | the pages are looked at again: they are empty | nothing has happened |
//! | those that are dirty are written, and will be synced by the next checkpoint | the table ends with empty pages |
//! | TRUNCATE record inserted and flushed | redo cuts the file off |
//! | their buffers are forgotten, the file is cut off | the same; or if a checkpoint came between, as before it: the pages on disk are empty |
//!
//! From the record on there is no way back: rows that came to pages which redo is to cut off would be
//! lost. So an error then ends the process, as PANIC does, and all begin anew with recovery.
//!
//! The visibility map has no bit for an empty page, so there is nothing to be cut off from it.
//!
//! The second step is what the last line needs: without it, a page whose emptying is only in its
//! buffer would come back as it was long ago, with rows that have no index entries.

use buffer::{ItemState, PageAccess};
use types::{BlockNo, Fork};

use super::super::Heap;
use crate::error::Error;
use crate::storage;

/// How many pages are empty at the end of the table, as far as `stop` lets it look; it is asked
/// before each page, with none locked.
///
/// Under less than ACCESS EXCLUSIVE the answer is a guess.
pub fn empty_tail<E: From<Error>>(
    heap: &Heap<'_>,
    mut stop: impl FnMut() -> Result<bool, E>,
) -> Result<BlockNo, E> {
    let blocks = heap.nblocks()?;
    let mut end = blocks;
    while end > 0 && !stop()? && heap.is_empty_page(end - 1)? {
        end -= 1;
    }
    Ok(blocks - end)
}

/// Cuts off the last `count` pages of the table, which [`empty_tail`] has found empty under the
/// ACCESS EXCLUSIVE lock that the caller still holds. Returns how many pages are left.
pub fn truncate(heap: &Heap<'_>, count: BlockNo) -> Result<BlockNo, Error> {
    let access = heap.access;
    let blocks = heap.nblocks()?;
    let left = blocks.saturating_sub(count);
    if count == 0 {
        return Ok(left);
    }
    let cut =
        |tag: types::BufferTag| tag.rel == heap.rel && tag.fork == Fork::Main && tag.block >= left;
    access.pool.write_out(cut)?;
    storage::log_truncate(access, heap.rel, left)?;
    access.forget_relation(heap.rel);
    if let Err(error) = access.pool.truncate(heap.rel, Fork::Main, left) {
        wal::panic_exit("could not cut off the end of a table that the log has given up", &error);
    }
    // A hint; but inserts would look for each of these pages.
    (left..blocks).try_for_each(|block| heap.map().record(block, 0))?;
    Ok(left)
}

impl Heap<'_> {
    /// Whether nothing stands on the page, and no index entry leads there.
    fn is_empty_page(&self, block: BlockNo) -> Result<bool, Error> {
        let pin = self.access.pool.read(self.tag(block))?;
        let page = pin.shared();
        let free = |offset| page.item(offset).is_none_or(|item| item.state == ItemState::Unused);
        Ok(page.is_new() || page.is_sane() && (1..=page.item_count()).all(free))
    }
}
