//! Checking a table of a running server.

use buffer::PageBytes;
use types::{PAGE_SIZE, Xid};

use super::{Checker, Transactions};
use crate::error::Error;
use crate::heap::Heap;
use crate::problem::Problem;

/// The transactions of a running server, with the horizon of now.
struct Running<'a>(&'a crate::Access, Xid);

impl Transactions for Running<'_> {
    fn next_xid(&self) -> Xid {
        self.0.txn.next_xid()
    }

    fn horizon(&self) -> Xid {
        self.1
    }

    fn committed(&self, xid: Xid) -> Result<Option<bool>, Error> {
        Ok(match self.0.txn.status(xid)? {
            txn::XidStatus::InProgress => None,
            txn::XidStatus::Committed(_) => Some(true),
            txn::XidStatus::Aborted => Some(false),
        })
    }
}

impl Heap<'_> {
    /// Checks the table. The caller holds SHARE on it.
    pub fn check(&self) -> Result<Vec<Problem>, Error> {
        let running = Running(self.access, self.access.renew_horizon());
        let mut checker = Checker::new(&running, Some(self.columns));
        let (map, mut page) = (self.visibility(), PageBytes([0; PAGE_SIZE]));
        for block in 0..self.nblocks()? {
            txn::check_interrupts()?;
            let visible = match self.access.pool.read(self.tag(block)) {
                Ok(pin) => {
                    let shared = pin.shared();
                    shared.copy_to(&mut page);
                    map.is_all_visible(block)
                }
                Err(error) => Err(error.into()),
            };
            match visible {
                Ok(visible) => checker.page(block, &page, visible)?,
                Err(Error::Buffer(error @ buffer::Error::BadPage(_))) => {
                    checker.complain(block, 0, error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(checker.finish())
    }
}
