//! Hints are not changes.
//!
//! A hint (a row's transaction is known to be committed) may be lost at any time, but its write
//! must not damage the page: a torn write of a page whose image is not in the log since the redo
//! position can't be repaired. So a hint dirties a page only if the page's LSN is past the redo
//! position: then its first change since has left an image in the log. Otherwise the hint waits,
//! or an image is logged together with it.
//!
//! In which order that is looked at and done is told in `protocol`.

use types::Xid;
use wal::checkpoint::kind;
use wal::{BlockFlags, Rmgr};

use crate::change::{Change, Touched};
use crate::error::Error;
use crate::frame::{PageRead, PageWrite};
use crate::page::{PageAccess, PageBytes};
use crate::pool::BufferPool;
use crate::protocol;

impl BufferPool {
    /// Whether hints may be stored now, as atomic stores to hint words of this page, before the
    /// lock is let go. The page is marked dirty.
    pub fn allow_hints(&self, page: &PageRead<'_>) -> bool {
        let state = &self.descriptors[page.pin().id()].state;
        protocol::allow_hints(state, || page.lsn() > self.wal.redo_lsn())
    }

    /// Sets hints on a page under its exclusive lock, if they may be set now. Whether they were.
    pub fn set_hints(&self, page: &mut PageWrite<'_>, set: impl FnOnce(&mut PageBytes)) -> bool {
        let state = &self.descriptors[page.pin().id()].state;
        let lsn = page.page().lsn();
        let allowed = protocol::allow_hints(state, || lsn > self.wal.redo_lsn());
        if allowed {
            set(page.page_mut());
        }
        allowed
    }

    /// Sets hints on a page whose image is not in the log: logs the image with them.
    pub fn set_hints_with_image(
        &self,
        page: &mut PageWrite<'_>,
        set: impl FnOnce(&mut PageBytes),
    ) -> Result<(), Error> {
        let change =
            Change { rmgr: Rmgr::Xlog, kind: kind::IMAGE_FOR_HINT, xid: Xid::INVALID, data: &[] };
        let flags = BlockFlags { force_image: true, ..BlockFlags::default() };
        let touched = &mut [Touched { page, flags, data: &[] }];
        self.change(&change, touched, |pages| set(pages.page(0)))?;
        Ok(())
    }
}
