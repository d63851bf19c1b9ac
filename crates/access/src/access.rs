//! What tables need of the rooms above, and what a session remembers of the tables it uses.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use buffer::BufferPool;
use txn::Txn;
use types::{BlockNo, RelFileNumber, Xid};
use wal::Wal;

use crate::error::Error;
use crate::fsm::FreeSpaceMap;
use crate::tuple::MAX_TUPLE_SIZE;

/// Tables whose insert target a session remembers; beyond that it forgets them all.
const TARGETS_MAX: usize = 1024;

/// What a session remembers of a table it inserts into.
#[derive(Clone, Copy, Default)]
struct Target {
    /// The page that the last insert went to, unless it is full.
    block: Option<BlockNo>,
    /// Where the free space map is asked to look on.
    search_from: BlockNo,
}

/// One process's way to tables. Private to the process; what is shared is in the rooms above.
pub struct Access {
    pub(crate) wal: Rc<Wal>,
    pub(crate) pool: Rc<BufferPool>,
    pub(crate) txn: Rc<Txn>,
    /// Where inserts go.
    targets: RefCell<HashMap<RelFileNumber, Target>>,
    /// The horizon as it was when last asked for; the true one is at least this.
    horizon: Cell<Xid>,
    /// Where the trees of indexes begin, as last seen: block and level. It may be out of date.
    roots: RefCell<HashMap<RelFileNumber, (BlockNo, u16)>>,
    /// The table whose visibility map was looked at last, and pages that the map surely has: it
    /// never shrinks.
    pub(crate) known_map: Cell<(RelFileNumber, BlockNo)>,
    /// A buffer for building row versions.
    scratch: RefCell<Vec<u8>>,
    /// A page and the room it will have, which the map does not know yet: so deleting many rows of
    /// a page updates the map once.
    freed: Cell<Option<(RelFileNumber, BlockNo, usize)>>,
    /// Pages that this session has added to a table, and that nobody knows of yet.
    fresh: RefCell<Option<(RelFileNumber, Range<BlockNo>)>>,
}

impl Access {
    /// Tables over this log, these buffers and these transactions.
    pub fn new(wal: Rc<Wal>, pool: Rc<BufferPool>, txn: Rc<Txn>) -> Access {
        Access {
            wal,
            pool,
            txn,
            targets: RefCell::default(),
            horizon: Cell::new(Xid::INVALID),
            roots: RefCell::default(),
            known_map: Cell::new((RelFileNumber(0), 0)),
            scratch: RefCell::default(),
            freed: Cell::new(None),
            fresh: RefCell::new(None),
        }
    }

    /// The log.
    pub fn wal(&self) -> &Rc<Wal> {
        &self.wal
    }

    /// The buffers.
    pub fn pool(&self) -> &Rc<BufferPool> {
        &self.pool
    }

    /// The transactions.
    pub fn txn(&self) -> &Rc<Txn> {
        &self.txn
    }

    /// Whether old row values belong into the log.
    pub(crate) fn is_logical(&self) -> bool {
        self.wal.options().logical
    }

    /// The page that the last insert into the table went to.
    pub(crate) fn target(&self, rel: RelFileNumber) -> Option<BlockNo> {
        self.targets.borrow().get(&rel)?.block
    }

    pub(crate) fn set_target(&self, rel: RelFileNumber, block: BlockNo) {
        self.with_target(rel, |target| target.block = Some(block));
    }

    /// The page is full: inserts are to go elsewhere.
    pub(crate) fn forget_target(&self, rel: RelFileNumber, block: BlockNo) {
        self.with_target(rel, |target| target.block = target.block.filter(|old| *old != block));
    }

    pub(crate) fn search_from(&self, rel: RelFileNumber) -> BlockNo {
        self.targets.borrow().get(&rel).map_or(0, |target| target.search_from)
    }

    pub(crate) fn set_search_from(&self, rel: RelFileNumber, block: BlockNo) {
        self.with_target(rel, |target| target.search_from = block);
    }

    fn with_target(&self, rel: RelFileNumber, change: impl FnOnce(&mut Target)) {
        let mut targets = self.targets.borrow_mut();
        if targets.len() >= TARGETS_MAX && !targets.contains_key(&rel) {
            targets.clear();
        }
        change(targets.entry(rel).or_default());
    }

    /// Whether every snapshot, held or yet to be taken, sees what `xid` committed. The horizon is
    /// computed anew only where the remembered one says no.
    pub(crate) fn is_past_horizon(&self, xid: Xid) -> bool {
        if xid < self.horizon.get() {
            return true;
        }
        xid < self.renew_horizon()
    }

    /// Computes the horizon anew.
    pub(crate) fn renew_horizon(&self) -> Xid {
        self.horizon.set(self.txn.horizon());
        self.horizon.get()
    }

    /// The horizon as last computed.
    pub(crate) fn horizon(&self) -> Xid {
        self.horizon.get()
    }

    /// Where the tree of an index begins, if this session remembers it; it may have grown since.
    pub(crate) fn root_of(&self, rel: RelFileNumber) -> Option<(BlockNo, u16)> {
        self.roots.borrow().get(&rel).copied()
    }

    /// Remembers where the tree of an index begins, or forgets it.
    pub(crate) fn set_root_of(&self, rel: RelFileNumber, root: Option<(BlockNo, u16)>) {
        let mut roots = self.roots.borrow_mut();
        if roots.len() >= TARGETS_MAX {
            roots.clear();
        }
        match root {
            Some(root) => roots.insert(rel, root),
            None => roots.remove(&rel),
        };
    }

    /// Lends the scratch buffer to `work`.
    pub(crate) fn with_scratch<R>(&self, work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let mut buffer = self.scratch.take();
        let result = work(&mut buffer);
        self.scratch.replace(buffer);
        result
    }

    /// Notes that `block` has `room` bytes of room, and will have `freed` more once a version that
    /// was just ended is pruned. The map hears of it when another page's turn comes.
    pub(crate) fn note_freed(
        &self,
        rel: RelFileNumber,
        block: BlockNo,
        room: usize,
        freed: usize,
    ) -> Result<(), Error> {
        let freed = freed.next_multiple_of(8);
        match self.freed.take() {
            Some((old_rel, old_block, promised)) if (old_rel, old_block) == (rel, block) => {
                self.freed.set(Some((rel, block, promised + freed)));
                Ok(())
            }
            other => {
                self.freed.set(Some((rel, block, room + freed)));
                other.map_or(Ok(()), |(rel, block, room)| self.record_freed(rel, block, room))
            }
        }
    }

    /// A page that this session has added to the table and not used yet.
    pub(crate) fn take_fresh(&self, rel: RelFileNumber) -> Option<BlockNo> {
        match &mut *self.fresh.borrow_mut() {
            Some((of, blocks)) if *of == rel => blocks.next(),
            _ => None,
        }
    }

    /// Whether [`Access::take_fresh`] has a page.
    pub(crate) fn has_fresh(&self, rel: RelFileNumber) -> bool {
        self.fresh.borrow().as_ref().is_some_and(|(of, blocks)| *of == rel && !blocks.is_empty())
    }

    /// Remembers pages that this session has added to a table.
    pub(crate) fn keep_fresh(
        &self,
        rel: RelFileNumber,
        blocks: Range<BlockNo>,
    ) -> Result<(), Error> {
        let before = self.fresh.replace(Some((rel, blocks)));
        self.give_away(before)
    }

    fn give_away(&self, fresh: Option<(RelFileNumber, Range<BlockNo>)>) -> Result<(), Error> {
        let Some((rel, mut blocks)) = fresh else { return Ok(()) };
        let map = FreeSpaceMap::new(&self.pool, rel);
        blocks.try_for_each(|block| map.record(block, MAX_TUPLE_SIZE))
    }

    /// Forgets what a relation that goes away has left here.
    pub(crate) fn forget_relation(&self, rel: RelFileNumber) {
        self.targets.borrow_mut().remove(&rel);
        self.roots.borrow_mut().remove(&rel);
        if self.freed.get().is_some_and(|(noted, ..)| noted == rel) {
            self.freed.set(None);
        }
        if self.fresh.borrow().as_ref().is_some_and(|(of, _)| *of == rel) {
            self.fresh.replace(None);
        }
    }

    /// Tells the free space maps what the statement has left to tell. To be called at the end of
    /// every statement, failed ones too, while the transaction still holds its locks. After an
    /// error some room may be unknown to the maps, no more.
    pub fn end_statement(&self) -> Result<(), Error> {
        let given_away = self.give_away(self.fresh.take());
        if let Some((rel, block, room)) = self.freed.take() {
            self.record_freed(rel, block, room)?;
        }
        given_away
    }

    fn record_freed(&self, rel: RelFileNumber, block: BlockNo, room: usize) -> Result<(), Error> {
        FreeSpaceMap::new(&self.pool, rel).record(block, room)
    }
}
