//! What must hold of the page.

use buffer::{ItemState, PageAccess};

use super::super::super::{chain, page};
use super::world::{Snapshot, Version, World};
use crate::tuple::{Header, infomask};
use types::Xid;

/// What must hold.
impl World {
    /// The snapshots that count: held, taken now, and taken when all have ended.
    pub fn check(&self) {
        for &snapshot in self.snapshots.iter().chain([&self.snapshot_now()]) {
            self.check_snapshot(snapshot);
        }
        for commits in [false, true] {
            let later = self.clone();
            later.open().into_iter().for_each(|xid| later.end(xid, commits));
            later.check_snapshot(later.snapshot_now());
        }
    }

    pub fn check_snapshot(&self, snapshot: Snapshot) {
        let mut rows: Vec<u64> = self.versions.iter().map(|version| version.row).collect();
        rows.sort_unstable();
        rows.dedup();
        for row in rows {
            let seen = |version: &&Version| {
                version.row == row
                    && self.sees(snapshot, version.made)
                    && !version.ended.iter().any(|xid| self.sees(snapshot, *xid))
            };
            let must: Vec<u64> =
                self.versions.iter().filter(seen).map(|version| version.id).collect();
            let roots = self.entries.iter().filter(|entry| entry.0 == row);
            let found: Vec<u64> =
                roots.filter_map(|(_, root)| self.fetch(row, *root, snapshot)).collect();
            assert_eq!(
                found,
                must,
                "row {row}, {snapshot:?}, {:?}\n{self:?}",
                self.events.borrow()
            );
        }
    }

    /// What an index entry leads a snapshot to, by the rules of `chain`.
    pub fn fetch(&self, row: u64, root: u16, snapshot: Snapshot) -> Option<u64> {
        let item = self.page.item(root).expect("no entry leads out of the page");
        let mut at = match item.state {
            ItemState::Normal => root,
            ItemState::Redirect => item.target().expect("a redirection has a target"),
            ItemState::Dead => return None,
            ItemState::Unused => panic!("entry of row {row} leads to nothing\n{self:?}"),
        };
        let mut before: Option<Header> = None;
        loop {
            let header = self.header(at)?;
            let heap_only = header.has(infomask::HEAP_ONLY);
            match &before {
                Some(before) if !heap_only || !chain::follows(before, &header) => return None,
                None if heap_only != (at != root) => panic!("{root} is no root\n{self:?}"),
                _ => {}
            }
            let id = self.id_at(at).expect("a version");
            assert_eq!(self.versions[id as usize].row, row, "another row's\n{self:?}");
            let ended = header.xmax.is_valid() && !header.has(infomask::LOCK_ONLY);
            let sees = |xid: Xid| self.sees(snapshot, xid.0);
            if sees(header.xmin) && !(ended && sees(header.xmax)) {
                return Some(id);
            }
            at = chain::next(&header, 0, at)?;
            before = Some(header);
        }
    }

    pub fn check_all_visible(&self) {
        if self.page.flags() & page::ALL_VISIBLE == 0 {
            return;
        }
        for &snapshot in self.snapshots.iter().chain([&self.snapshot_now()]) {
            for header in (1..=self.page.item_count()).filter_map(|offset| self.header(offset)) {
                let ended = header.xmax.is_valid() && !header.has(infomask::LOCK_ONLY);
                let sees = self.sees(snapshot, header.xmin.0)
                    && !(ended && self.sees(snapshot, header.xmax.0));
                assert!(sees, "not all-visible: {header:?}, {snapshot:?}\n{self:?}");
            }
        }
    }

    /// With nobody in progress and no snapshot held, nothing is left but what is there.
    pub fn check_nothing_is_left(&mut self) {
        self.snapshots.clear();
        self.open().into_iter().for_each(|xid| self.end(xid, xid % 2 == 0));
        self.vacuum();
        self.check();
        let now = self.snapshot_now();
        let left = (1..=self.page.item_count()).filter_map(|offset| self.id_at(offset));
        let mut left: Vec<u64> = left.collect();
        left.sort_unstable();
        let there = |version: &&Version| {
            self.sees(now, version.made) && !version.ended.iter().any(|xid| self.sees(now, *xid))
        };
        let must: Vec<u64> = self.versions.iter().filter(there).map(|version| version.id).collect();
        assert_eq!(left, must, "{self:?}");
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for number in 1..=self.page.item_count() {
            let item = self.page.item(number);
            let state = item.map(|item| (item.state, item.target()));
            writeln!(f, "{number}: {state:?} {:?} {:?}", self.id_at(number), self.header(number))?;
        }
        writeln!(f, "{:?}\n{:?}\n{:?}", self.txs, self.versions, self.entries)
    }
}
