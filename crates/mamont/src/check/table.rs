//! A table of a server that is down.

use std::cell::RefCell;
use std::path::Path;

use access::heap::check::{Checker, Transactions};
use access::vm;
use buffer::PageBytes;
use types::{BlockNo, Fork, Xid};

use super::files::RelationPages;
use crate::error::Error;

/// The transactions of a server that is down: all have ended.
pub(super) struct Ended {
    next: Xid,
    /// Whoever began before this has committed.
    begins: Xid,
    status: RelationPages,
    /// The status page that was read last.
    last: RefCell<Option<(BlockNo, PageBytes)>>,
}

impl Ended {
    /// Those of a data directory.
    pub fn of(base: &Path, next: Xid) -> Result<Ended, Error> {
        let status = RelationPages::open(base, txn::STATUS_RELATION, Fork::Main)?;
        let begins = match status.blocks {
            0 => Xid::FIRST_NORMAL,
            _ => txn::begins_on(&status.read(0)?),
        };
        Ok(Ended { next, begins, status, last: RefCell::default() })
    }
}

impl Transactions for Ended {
    fn next_xid(&self) -> Xid {
        self.next
    }

    fn horizon(&self) -> Xid {
        self.next
    }

    fn committed(&self, xid: Xid) -> Result<Option<bool>, access::Error> {
        if xid < Xid::FIRST_NORMAL {
            return Ok(Some(xid.is_valid()));
        }
        if xid < self.begins {
            return Ok(Some(true));
        }
        let block = txn::status_block(xid).filter(|block| *block < self.status.blocks);
        let Some(block) = block else { return Ok(Some(false)) };
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|(known, _)| *known != block) {
            *last = Some((block, self.status.read(block).map_err(buffer::Error::from)?));
        }
        Ok(Some(last.as_ref().is_some_and(|(_, page)| txn::is_committed_on(page, xid))))
    }
}

/// Checks the pages of a table, with what its visibility map says of them.
pub(super) fn check(
    base: &Path,
    pages: &RelationPages,
    checker: &mut Checker<'_>,
) -> Result<(), Error> {
    let map = RelationPages::open(base, pages.rel, Fork::Vm)?;
    let mut page_of_map = None;
    for block in 0..pages.blocks {
        let number = vm::page_of(block);
        if page_of_map.as_ref().is_none_or(|(known, _)| *known != number) {
            let read = if number < map.blocks { Some(map.verified(number)?) } else { None };
            let (page, wrong) = match read {
                Some(Ok(page)) => (Some(page), None),
                Some(Err(wrong)) => (None, Some(wrong)),
                None => (None, None),
            };
            if let Some(wrong) = wrong {
                checker.complain(block, 0, format!("page {number} of its visibility map: {wrong}"));
            }
            page_of_map = Some((number, page));
        }
        let on_map = page_of_map.as_ref().and_then(|(_, page)| page.as_ref());
        let visible = on_map.is_some_and(|page| vm::is_set(page, block));
        match pages.verified(block)? {
            Ok(page) => checker.page(block, &page, visible)?,
            Err(wrong) => checker.complain(block, 0, wrong),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_whose_status_has_been_cut_off_have_committed() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut first = PageBytes::default();
        first.init_raw();
        first.set_prune_xid(Xid(50_000));
        let file = directory.path().join(txn::STATUS_RELATION.0.to_string());
        std::fs::write(file, [first.0, [0; types::PAGE_SIZE]].concat()).expect("written");
        let ended = Ended::of(directory.path(), Xid(60_000)).expect("opened");
        let committed = |xid| ended.committed(Xid(xid)).expect("read");
        assert_eq!([committed(49_999), committed(50_000)], [Some(true), Some(false)]);
    }
}
