//! Vacuum: entries whose rows are gone are removed, and pages that became empty with them.
//!
//! The pages are visited in the order of the file. A split may move entries, unseen, to a page that
//! was visited already: if it takes a free page near the beginning of the file. So both pages of a
//! split note where the log was. A page that was split since the vacuum began and whose right
//! sibling lies before it sends the vacuum back there, and on to the right as long as the same holds.
//! Pages that the file grew by come at the end anyway.
//!
//! On the way, splits that were left half done are finished, half-dead pages are unlinked, and the
//! free space map hears of every page that can be used again: after a crash it may have forgotten.
//!
//! One vacuum at a time: the caller sees to it. Readers and writers go on.

use buffer::{PageAccess, Ring};
use types::{BlockNo, Lsn, TupleId};

use super::BTree;
use super::key::Entry;
use super::page::{FIRST, META, NONE, Node, flag};
use crate::error::Error;
use crate::tuple::Malformed;

/// An index larger than this part of the buffers is read through a ring.
const LARGE_PART: usize = 4;

/// What a vacuum found and did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Vacuumed {
    /// Pages of the index.
    pub pages: BlockNo,
    /// Entries that were removed.
    pub removed: u64,
    /// Entries that stayed.
    pub remaining: u64,
    /// Pages that were taken out of the tree now.
    pub pages_deleted: u32,
    /// Pages that nothing leads to, but that somebody might still come to.
    pub pages_waiting: u32,
    /// Pages that can be used again.
    pub pages_free: u32,
}

/// What a look at a page has shown.
enum Seen {
    /// Nothing in it for a vacuum.
    Nothing,
    /// It can be made anew.
    Free,
    /// It was deleted not long ago.
    Waiting,
    /// It is half-dead.
    HalfDead,
    Leaf {
        /// How many entries are dead, how many are not.
        dead: Vec<u16>,
        alive: u64,
    },
}

/// A vacuum under way.
struct Vacuum<'v, 'a> {
    tree: BTree<'a>,
    /// Where the log was when it began.
    started: Lsn,
    ring: Option<Ring>,
    dead: &'v mut dyn FnMut(TupleId) -> bool,
    found: Vacuumed,
}

impl<'a> BTree<'a> {
    /// Removes the entries of rows that are `dead`: gone for everybody, now and ever.
    pub fn bulk_delete(&self, dead: &mut dyn FnMut(TupleId) -> bool) -> Result<Vacuumed, Error> {
        self.bulk_delete_with(dead, &mut || Ok::<(), Error>(()))
    }

    /// As [`BTree::bulk_delete`]; `pause` is called between pages, with nothing locked. It may take
    /// its time, or end the vacuum by an error: what was removed stays removed.
    pub fn bulk_delete_with<E: From<Error>>(
        &self,
        dead: &mut dyn FnMut(TupleId) -> bool,
        pause: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Vacuumed, E> {
        let pool = &self.access.pool;
        let large = self.nblocks()? as usize > pool.buffers() / LARGE_PART;
        let ring = large.then(|| Ring::bulk_read(pool.buffers()));
        let started = self.access.wal.insert_lsn();
        let mut vacuum = Vacuum { tree: *self, started, ring, dead, found: Vacuumed::default() };
        let mut block = META + 1;
        while block < self.nblocks()? {
            vacuum.visit(block)?;
            pause()?;
            block += 1;
        }
        Ok(Vacuumed { pages: block, ..vacuum.found })
    }
}

impl Vacuum<'_, '_> {
    /// Visits a page, and those before it that splits may have filled since.
    fn visit(&mut self, scan: BlockNo) -> Result<(), Error> {
        let mut steps = super::descend::Steps::default();
        let mut next = Some(scan);
        while let Some(block) = next {
            let right = self.visit_one(block)?;
            next = right.filter(|&right| right != NONE && right < scan);
            next.map_or(Ok(()), |next| self.tree.step(&mut steps, next))?;
        }
        Ok(())
    }

    /// Visits a page. Returns its right sibling if it was split since the vacuum began.
    fn visit_one(&mut self, block: BlockNo) -> Result<Option<BlockNo>, Error> {
        let (seen, flags, split_to) = self.look(block)?;
        if flags & flag::INCOMPLETE != 0 {
            self.tree.finish_split(block)?;
        }
        match seen {
            Seen::Nothing => {}
            Seen::Free => {
                self.tree.give_back(block)?;
                self.found.pages_free += 1;
            }
            Seen::Waiting => self.found.pages_waiting += 1,
            Seen::HalfDead => self.found.pages_deleted += u32::from(self.tree.unlink(block)?),
            Seen::Leaf { dead, mut alive } => {
                if !dead.is_empty() {
                    alive = self.remove_from(block)?;
                }
                self.found.remaining += alive;
                if alive == 0 {
                    self.found.pages_deleted += self.tree.remove_page(block)?;
                }
            }
        }
        Ok(split_to)
    }

    fn look(&mut self, block: BlockNo) -> Result<(Seen, u16, Option<BlockNo>), Error> {
        let tree = self.tree;
        let pin = tree.access.pool.read_with(tree.tag(block), self.ring.as_ref())?;
        let page = pin.shared();
        if page.is_new() {
            return Ok((Seen::Free, 0, None));
        }
        tree.check_level(block, &page, page.level())?;
        let split_to = (page.split_at() >= self.started).then(|| page.right());
        let seen = if page.has(flag::DELETED) {
            match tree.reusable(&page) {
                Some(_) => Seen::Free,
                None => Seen::Waiting,
            }
        } else if page.has(flag::HALF_DEAD) {
            Seen::HalfDead
        } else if page.level() > 0 {
            Seen::Nothing
        } else {
            let dead = self.dead_of(block, &page)?;
            let entries = u64::from(page.item_count().saturating_sub(FIRST - 1));
            Seen::Leaf { alive: entries - dead.len() as u64, dead }
        };
        Ok((seen, page.flags(), split_to))
    }

    /// The entries of a leaf that can go: those that the caller says, and those that readers have
    /// marked.
    fn dead_of(&mut self, block: BlockNo, page: &impl Node) -> Result<Vec<u16>, Error> {
        let mut dead = Vec::new();
        for number in FIRST..=page.item_count() {
            let row = self.tree.on(block, page.row_at(number))?;
            let entry = Entry::read(row).ok_or(Malformed("entry makes no sense"));
            let place = self.tree.on(block, entry)?.place;
            if page.is_dead(number) || (self.dead)(place) {
                dead.push(number);
            }
        }
        Ok(dead)
    }

    /// Removes the dead entries of a leaf; how many are left.
    fn remove_from(&mut self, block: BlockNo) -> Result<u64, Error> {
        let pin = self.tree.pin(block)?;
        let mut page = pin.exclusive();
        self.tree.check_level(block, page.page(), 0)?;
        let dead = self.dead_of(block, page.page())?;
        if !dead.is_empty() {
            self.tree.remove_entries(&mut page, &dead, types::Xid::INVALID)?;
        }
        self.found.removed += dead.len() as u64;
        Ok(u64::from(page.page().item_count().saturating_sub(FIRST - 1)))
    }
}
