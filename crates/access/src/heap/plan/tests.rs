//! Pruning against a model: a page where transactions run one after the other, each ending before
//! the next begins, so that a snapshot is a number: it sees what committed before.

use buffer::{ItemState, PageAccess, PageBytes};
use proptest::prelude::*;
use types::{TupleId, Xid};

use super::*;
use crate::heap::page::{self, End};
use crate::tuple::HEADER_SIZE;

const ABORTED: u64 = 1 << 32;

/// A row of the model: its root, and its versions as (maker, ender); the last may have none.
struct Row {
    root: u16,
    versions: Vec<(u64, Option<u64>)>,
}

#[derive(Default)]
struct Model {
    page: PageBytes,
    rows: Vec<Row>,
    /// The last transaction.
    now: u64,
    /// No snapshot is older.
    horizon: u64,
}

/// Aborted transactions have a bit that others lack.
fn needed(header: &Header, horizon: u64) -> Need {
    let Header { xmin, xmax, .. } = header;
    if xmin.0 & ABORTED != 0 {
        Need::Dead { by: Xid::INVALID }
    } else if !xmax.is_valid() || xmax.0 & ABORTED != 0 {
        Need::Live
    } else if xmax.0 < horizon {
        Need::Dead { by: *xmax }
    } else {
        Need::Until(*xmax)
    }
}

fn header(page: &PageBytes, offset: u16) -> Option<Header> {
    Header::read(page.row(offset)?).ok()
}

impl Model {
    /// Puts a version somewhere, made by `xmin`.
    fn put(&mut self, xmin: u64, heap_only: bool) -> Option<u16> {
        if page::room(&self.page) < HEADER_SIZE {
            return None;
        }
        let offset = page::next_offset(&self.page);
        let header = Header {
            xmin: Xid(xmin),
            xmax: Xid::INVALID,
            cid: 0,
            ctid: TupleId { block: 0, offset },
            infomask: if heap_only { infomask::HEAP_ONLY } else { 0 },
            natts: 0,
            hoff: HEADER_SIZE as u8,
        };
        let mut bytes = [0; HEADER_SIZE];
        header.write(&mut bytes);
        page::add(&mut self.page, offset, &bytes).then_some(offset)
    }

    /// The place of a row's newest version.
    fn newest(&self, row: usize) -> Option<u16> {
        let (maker, None) = *self.rows[row].versions.last()? else { return None };
        let is_it = |offset: &u16| {
            header(&self.page, *offset).is_some_and(|header| header.xmin == Xid(maker))
        };
        (1..=self.page.item_count()).find(is_it)
    }

    fn insert(&mut self, commits: bool) {
        self.now += 1;
        let xmin = if commits { self.now } else { self.now | ABORTED };
        let Some(root) = self.put(xmin, false) else { return };
        let versions = if commits { vec![(self.now, None)] } else { Vec::new() };
        self.rows.push(Row { root, versions });
    }

    fn update(&mut self, row: usize, commits: bool) {
        let Some(old) = self.newest(row) else { return };
        self.now += 1;
        let xid = if commits { self.now } else { self.now | ABORTED };
        let Some(offset) = self.put(xid, true) else { return };
        let next = TupleId { block: 0, offset };
        assert!(page::end(&mut self.page, old, ended(xid, next, true)));
        if commits {
            let versions = &mut self.rows[row].versions;
            versions.last_mut().expect("it has a newest version").1 = Some(self.now);
            versions.push((self.now, None));
        }
    }

    fn delete(&mut self, row: usize) {
        let Some(old) = self.newest(row) else { return };
        self.now += 1;
        let next = TupleId { block: 0, offset: old };
        let end = ended(self.now, next, false);
        assert!(page::end(&mut self.page, old, end));
        self.rows[row].versions.last_mut().expect("there is one").1 = Some(self.now);
    }

    fn prune(&mut self, frees: bool) {
        let (page, horizon) = (&self.page, self.horizon);
        let version = |offset| Ok(header(page, offset));
        let plan = plan(page, 0, frees, version, |header| Ok(needed(header, horizon)));
        let plan = plan.expect("nothing can fail");
        assert!(plan.newest_removed.0 < self.horizon.max(1));
        assert!(page::prune(&mut self.page, &plan));
        let again = super::plan(
            &self.page,
            0,
            frees,
            |offset| Ok(header(&self.page, offset)),
            |header| Ok(needed(header, horizon)),
        );
        assert!(again.expect("nothing can fail").is_empty(), "one pass does it all");
    }

    /// The maker of the version that a snapshot gets to by an index entry.
    fn fetch(&self, root: u16, snapshot: u64) -> Option<u64> {
        let item = self.page.item(root)?;
        let mut at = match item.state {
            ItemState::Redirect => item.target()?,
            ItemState::Normal => root,
            _ => return None,
        };
        let mut before: Option<Header> = None;
        loop {
            let header = header(&self.page, at)?;
            let heap_only = header.has(infomask::HEAP_ONLY);
            match before {
                Some(before) if !chain::follows(&before, &header) || !heap_only => return None,
                None if heap_only != (item.state == ItemState::Redirect) => return None,
                _ => {}
            }
            let seen = |xid: Xid| xid.is_valid() && xid.0 & ABORTED == 0 && xid.0 < snapshot;
            if seen(header.xmin) && !seen(header.xmax) {
                return Some(header.xmin.0);
            }
            at = chain::next(&header, 0, at)?;
            before = Some(header);
        }
    }

    /// Every snapshot that may be held finds every row as it is to it.
    fn check(&self) {
        for snapshot in self.horizon..=self.now + 1 {
            for row in &self.rows {
                let sees = |xid: u64| xid < snapshot;
                let mut versions = row.versions.iter();
                let seen = versions.find(|(made, ended)| sees(*made) && !ended.is_some_and(sees));
                let found = self.fetch(row.root, snapshot);
                assert_eq!(found, seen.map(|(made, _)| *made), "root {}, {snapshot}", row.root);
            }
        }
    }

    /// Forgets rows that nobody sees: where line pointers are freed, their roots are others' soon.
    fn forget_dead(&mut self) {
        let horizon = self.horizon;
        let ended = |row: &Row| row.versions.last().and_then(|(_, ended)| *ended);
        self.rows.retain(|row| {
            !row.versions.is_empty() && ended(row).is_none_or(|ended| ended >= horizon)
        });
    }
}

proptest! {
    #[test]
    fn every_snapshot_finds_its_version_however_often_pages_are_pruned(
        steps in proptest::collection::vec((0u8..10, any::<prop::sample::Index>()), 1..300),
        frees in any::<bool>(),
    ) {
        let mut model = Model::default();
        for (step, which) in steps {
            let rows = model.rows.len();
            match step {
                0 | 1 => model.insert(step == 0 || rows % 3 > 0),
                _ if rows == 0 => {}
                2..=5 => model.update(which.index(rows), true),
                6 => model.update(which.index(rows), false),
                7 => model.delete(which.index(rows)),
                _ => {
                    let range = (model.now + 2 - model.horizon) as usize;
                    model.horizon += which.index(range) as u64;
                    model.prune(frees);
                    if frees {
                        model.forget_dead();
                    }
                }
            }
            model.check();
        }
    }

    #[test]
    fn hostile_pages_give_a_plan_and_no_panic(
        words in proptest::collection::vec(any::<u32>(), 1..40),
        headers in proptest::collection::vec(any::<[u8; HEADER_SIZE]>(), 1..40),
    ) {
        let mut model = Model::default();
        for (number, bytes) in (1u16..).zip(&headers) {
            let _ = page::add(&mut model.page, number, bytes);
        }
        let count = usize::from(model.page.item_count());
        for (number, word) in words.iter().enumerate().take(count) {
            if word % 3 == 0 {
                model.page.put_u32(32 + 4 * number, *word);
            }
        }
        for frees in [false, true] {
            let page = &model.page;
            let need = |header: &Header| Ok(needed(header, header.xmin.0));
            let plan = plan(page, 0, frees, |offset| Ok(header(page, offset)), need);
            let _ = page::prune(&mut page.clone(), &plan.expect("nothing can fail"));
        }
    }
}

#[test]
fn a_chain_collapses_as_its_members_die() {
    let mut model = Model::default();
    model.insert(true);
    (0..3).for_each(|_| model.update(0, true));
    let states = |model: &Model| -> Vec<_> {
        let page = &model.page;
        let item = |offset| page.item(offset).map(|item| (item.state, item.target()));
        (1..=page.item_count()).filter_map(item).collect()
    };
    use ItemState::{Dead, Normal, Redirect, Unused};
    model.horizon = 4;
    model.prune(false);
    assert_eq!(
        states(&model),
        [(Redirect, Some(3)), (Unused, None), (Normal, None), (Normal, None)]
    );
    model.horizon = 5;
    model.prune(false);
    assert_eq!(
        states(&model),
        [(Redirect, Some(4)), (Unused, None), (Unused, None), (Normal, None)]
    );
    model.delete(0);
    model.horizon = 6;
    model.prune(false);
    assert_eq!(states(&model), [(Dead, None)], "and what is unused behind it is given up");
    model.prune(true);
    assert_eq!(states(&model), []);
}

/// The story: the transaction that replaced a row was in progress when its first version was looked
/// at, and had rolled back when its second was. The second counted as dead, and took the first along.
#[test]
fn a_roll_back_between_two_looks_at_a_chain_does_not_take_the_row() {
    let mut model = Model::default();
    model.insert(true);
    model.update(0, true);
    let need = |version: &Header| {
        Ok(match version.xmin.0 {
            1 => Need::Until(Xid(2)),
            _ => Need::Dead { by: Xid::INVALID },
        })
    };
    let version = |offset| Ok(header(&model.page, offset));
    let plan = plan(&model.page, 0, false, version, need).expect("nothing can fail");
    assert!(plan.dead.is_empty() && plan.redirects.is_empty(), "{plan:?}");
    assert_eq!((plan.unused.as_slice(), plan.removed), ([2].as_slice(), 1));
}

fn ended(xmax: u64, next: TupleId, hot: bool) -> End {
    let (strength, more_lockers) = (txn::RowLockMode::Update, false);
    End { xmax: Xid(xmax), cid: 0, next, hot, strength, more_lockers }
}
