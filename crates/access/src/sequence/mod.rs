//! Sequences: numbers, each given once, whatever becomes of who asked for it.
//!
//! ```text
//!  the page    last_value 7, log_cnt 26          7 was given last
//!  the log     LOG: last 33                      up to 33 nothing is given again after a crash
//!
//!  given   1 2 3 4 5 6 7 | 8 9 … 33 | 34 …
//!          └── covered by the record ──┘  the next record says 66
//! ```
//!
//! A sequence is a relation with one page. Most numbers are given without a record: a record says
//! that those up to [`NUMBERS_AHEAD`] further ones count as given. So a crash may skip numbers. It
//! never has one given twice, if only the record is durable before anybody relies on the number:
//! whoever takes one tells its transaction the page's LSN ([`txn::Transaction::rely_on`]), also
//! where another session had inserted the record.
//!
//! # Why that holds
//! The record makes the page anew. Its redo sets the number that the record says, whatever number
//! a page on disk has come to since: redo of a block that is made anew does not read it. What is
//! given without a record is stored as hints are, and under the same rule
//! ([`buffer::BufferPool::set_hints`]): only while the page's LSN is past the redo position, so that
//! redo meets the record; and a checkpoint that moves that position on finds the page dirty, and
//! writes it with every number that was given by then. After a checkpoint the first number is given
//! with a record.
//!
//! | a crash | the next number |
//! |---|---|
//! | before the record is flushed | may be one that was given, and that nobody has relied on |
//! | after that, before a checkpoint | the first that the record does not cover |
//! | after a checkpoint, before the next record | that after the last one given |
//! | never: the server was shut down | that after the last one given |
//!
//! Locks: the page's content lock, exclusively, for the few instructions between reading the number
//! and storing the next; with a record, for its insertion. Who uses a sequence holds ROW EXCLUSIVE
//! on it, who changes it more.
//!
//! That numbers are not given back by a roll-back is the point: nobody waits for anybody's end. CREATE
//! and DROP are transactional as those of any relation, and RESTART is: it makes a new file.
//!
//! What if the process dies: outside of the critical section nothing has changed but a number that
//! nobody has heard of.

mod numbering;
mod page;
mod record;

use buffer::{BlockFlags, Change, PageAccess, PageWrite, Pin, Touched};
use types::{BufferTag, Fork, Lsn, RelFileNumber, Xid};
use wal::Rmgr;

use crate::Access;
use crate::error::Error;
pub use numbering::{NUMBERS_AHEAD, Numbering};
pub use page::State;
pub use record::{describe, kind, redo};

/// Redo makes the page anew, so no image of it is ever needed.
const MADE_ANEW: BlockFlags = BlockFlags { will_init: true, force_image: false, keep_data: false };

/// Numbers that were given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Given {
    /// The first of them.
    pub first: i64,
    /// The last of them.
    pub last: i64,
    /// The end of the record that covers them: to be durable before anybody relies on them.
    pub covered: Lsn,
}

/// The sequence in a file.
pub struct Sequence<'a> {
    access: &'a Access,
    rel: RelFileNumber,
}

impl<'a> Sequence<'a> {
    /// The sequence in that file.
    pub fn new(access: &'a Access, rel: RelFileNumber) -> Sequence<'a> {
        Sequence { access, rel }
    }

    /// Makes the page in a file that is new: the sequence begins with `start`, or, if that counts
    /// as given, with the number after it.
    pub fn create(&self, start: i64, is_called: bool) -> Result<(), Error> {
        let pin = self.access.pool.extend(self.rel, Fork::Main)?;
        let state = State { last_value: start, log_cnt: 0, is_called };
        self.log(&mut pin.exclusive(), start, state)?;
        Ok(())
    }

    /// Gives as many numbers as a session takes at once, fewer at the end. `None`: there are none
    /// left.
    pub fn next(&self, numbering: &Numbering) -> Result<Option<Given>, Error> {
        let pin = self.pin()?;
        let mut page = pin.exclusive();
        let before = self.state_on(page.page())?;
        if before.is_called && before.log_cnt >= numbering.cache {
            let Some(drawn) = numbering.draw(before, false) else { return Ok(None) };
            let stored = self.access.pool.set_hints(&mut page, |page| page::put(page, drawn.state));
            if stored {
                let covered = page.page().lsn();
                return Ok(Some(Given { first: drawn.first, last: drawn.last, covered }));
            }
        }
        let Some(drawn) = numbering.draw(before, true) else { return Ok(None) };
        let covered = self.log(&mut page, drawn.logged, drawn.state)?;
        Ok(Some(Given { first: drawn.first, last: drawn.last, covered }))
    }

    /// Has the sequence go on with the number after `last_value` or, if that is not to count as
    /// given, with itself. Answers what must be durable before anybody relies on that.
    pub fn set(&self, last_value: i64, is_called: bool) -> Result<Lsn, Error> {
        let pin = self.pin()?;
        let mut page = pin.exclusive();
        self.state_on(page.page())?;
        self.log(&mut page, last_value, State { last_value, log_cnt: 0, is_called })
    }

    /// What stands on the page.
    pub fn state(&self) -> Result<State, Error> {
        let pin = self.pin()?;
        let page = pin.shared();
        self.state_on(&page)
    }

    /// Changes the page to `state` with a record that says `logged`.
    fn log(&self, page: &mut PageWrite<'_>, logged: i64, state: State) -> Result<Lsn, Error> {
        let change = Change { rmgr: Rmgr::Sequence, kind: kind::LOG, xid: Xid::INVALID, data: &[] };
        let data = record::encode(logged, state.is_called);
        let touched = &mut [Touched { page, flags: MADE_ANEW, data: &[&data] }];
        let pool = &self.access.pool;
        Ok(pool.change(&change, touched, |pages| page::put(pages.page(0), state))?)
    }

    fn tag(&self) -> BufferTag {
        BufferTag::main(self.rel, 0)
    }

    fn pin(&self) -> Result<Pin<'a>, Error> {
        let access: &'a Access = self.access;
        Ok(access.pool.read(self.tag())?)
    }

    fn state_on(&self, page: &impl PageAccess) -> Result<State, Error> {
        page::read(page).ok_or_else(|| Error::BadSequence(self.tag()))
    }
}
