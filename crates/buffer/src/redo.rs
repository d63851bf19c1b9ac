//! Redo of one block: its page and the record, nothing else.

use types::PAGE_SIZE;
use wal::DecodedRecord;

use crate::error::Error;
use crate::page::{PageAccess, PageBytes};
use crate::pool::BufferPool;

/// What redo did with a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redone {
    /// The page was restored from its image.
    Restored,
    /// The change was applied.
    Applied,
    /// The page had the change already.
    AlreadyThere,
    /// The page does not exist: legal only if its file was dropped or cut off later in the log.
    Missing,
}

impl BufferPool {
    /// Redoes a record's block of that number. `apply` makes the change on a page that lacks it;
    /// a page that the record makes anew comes as zeros.
    pub fn redo_block<E: From<Error>>(
        &self,
        record: &DecodedRecord,
        number: usize,
        apply: impl FnOnce(&mut PageBytes) -> Result<(), E>,
    ) -> Result<Redone, E> {
        let block = record.block(number).map_err(Error::from)?;
        if block.has_image() {
            let mut image = PageBytes([0; PAGE_SIZE]);
            record.restore_image(number, &mut image.0).map_err(Error::from)?;
            image.set_lsn(record.end());
            let pin = self.read_zeroed(block.tag)?;
            let mut page = pin.exclusive();
            pin.mark_dirty();
            page.page_mut().clone_from(&image);
            return Ok(Redone::Restored);
        }
        let found =
            if block.will_init { self.read_zeroed(block.tag) } else { self.read(block.tag) };
        let pin = match found {
            Err(Error::PastEnd(_)) => return Ok(Redone::Missing),
            found => found?,
        };
        let mut page = pin.exclusive();
        // Zeros are no page yet: this record lies between the drop of the file, which the disk has
        // seen, and a later record of another page, whose redo made the file again.
        if !block.will_init && page.page().is_new() {
            return Ok(Redone::Missing);
        }
        if page.page().lsn() >= record.end() {
            return Ok(Redone::AlreadyThere);
        }
        if block.will_init {
            page.page_mut().0.fill(0);
        }
        apply(page.page_mut())?;
        page.page_mut().set_lsn(record.end());
        pin.mark_dirty();
        Ok(Redone::Applied)
    }
}
