//! The durability model: is fed the journal up to the cut, then draws one of the states in which
//! the disk may legally be.
//!
//! Data (`model/file.rs`): after a completed fsync or fdatasync all earlier writes to the file are
//! on disk. Of each later one, any of its sectors may be. A sector holds what the page cache held at
//! some moment. A shrinking truncate that is not on disk holds back all that follows in that file.
//!
//! Names (`model/names.rs`: create, unlink, rename, link, mkdir, rmdir): durable as one of three
//! models says. In all three a rename is atomic, and the changes of one name stay in order.
//!
//! Modes and owners, and the targets of symbolic links, are durable at once: they are not modelled.
//!
//! Invariant: `disk` holds what is durable and nothing else; everything later is pending, with the
//! number of its record, in order.

mod file;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use nix::sys::stat::SFlag;

use crate::draw::{Draw, Policy, Random, Tally};
use crate::journal::Change;
use crate::tree::{Tree, kind};

pub use names::Names;

/// A pending change with its number.
type Numbered = (u64, Change<'static>);

/// The disk, and what is on its way to it.
pub struct Model {
    /// What is durable.
    disk: Tree,
    /// By inode: writes and changes of the length that are pending. A file stays in the map when
    /// nothing of it is pending any more: the cut draws for it nevertheless, as seeds have it.
    data: BTreeMap<u64, Vec<Numbered>>,
    /// Changes of names that are pending.
    names: Vec<Numbered>,
    /// By the number of a sync under way: that of its record, and whether it is for data only.
    syncs: HashMap<u64, (u64, bool)>,
    /// The number of the last record.
    last: u64,
    how: Names,
}

impl Model {
    /// An empty disk, where names become durable like that.
    pub fn new(how: Names) -> Model {
        let (disk, data, syncs) = (Tree::default(), BTreeMap::new(), HashMap::new());
        Model { disk, data, names: Vec::new(), syncs, last: 0, how }
    }

    /// Takes the next record.
    pub fn feed(&mut self, change: Change<'static>) {
        self.last += 1;
        match change {
            Change::New { .. } | Change::Attributes { .. } => self.disk.apply(&change),
            Change::Add { .. } | Change::Delete { .. } | Change::Move { .. } => {
                self.names.push((self.last, change));
            }
            Change::Write { inode, .. } | Change::Truncate { inode, .. } => {
                self.feed_data(inode, change);
            }
            Change::SyncBegin { number, data_only, .. } => {
                self.syncs.insert(number, (self.last, data_only));
            }
            Change::SyncEnd { inode, number } => {
                if let Some((begin, data_only)) = self.syncs.remove(&number) {
                    self.synced(inode, begin, data_only);
                }
            }
            Change::SyncFail { inode } => self.sync_failed(inode),
            Change::Start => self.start(),
        }
    }

    fn feed_data(&mut self, inode: u64, change: Change<'static>) {
        let is_link = self.disk.node(inode).is_some_and(|n| kind(n.mode) == SFlag::S_IFLNK);
        if is_link {
            self.disk.apply(&change);
        } else {
            self.data.entry(inode).or_default().push((self.last, change));
        }
    }

    /// The initial content is durable.
    fn start(&mut self) {
        self.settle(&vec![true; self.names.len()]);
        for (_, change) in std::mem::take(&mut self.data).values().flatten() {
            self.disk.apply(change);
        }
    }

    /// An fsync of `inode` is complete; it covers the records before the one with which it began.
    fn synced(&mut self, inode: u64, begin: u64, data_only: bool) {
        if let Some(pending) = self.data.get_mut(&inode) {
            let covered = pending.partition_point(|(number, _)| *number < begin);
            for (_, change) in pending.drain(..covered) {
                self.disk.apply(&change);
            }
        }
        let kept = names::covered(self.how, &self.names, inode, begin, data_only);
        if let Some(kept) = kept {
            self.settle(&kept);
        }
    }

    /// The kernel marks the pages clean, on disk or not: no later fsync brings them back.
    fn sync_failed(&mut self, inode: u64) {
        let mut draw = Draw::new(Policy::Random, 0);
        draw.random = Random(self.last);
        self.cut_file(inode, &mut draw);
    }

    /// Makes the chosen changes of names durable, in order; the others stay pending.
    fn settle(&mut self, kept: &[bool]) {
        let mut kept = kept.iter();
        let mut chosen = |_: &mut Numbered| *kept.next().unwrap_or(&false);
        for (_, change) in self.names.extract_if(.., &mut chosen) {
            self.disk.apply(&change);
        }
    }

    /// Cuts the power: draws the state of the disk.
    pub fn cut(mut self, draw: &mut Draw) -> Tree {
        let kept = names::drawn(self.how, &self.names, draw);
        draw.tally.names = kept.len() as u64;
        draw.tally.names_lost = kept.iter().filter(|kept| !**kept).count() as u64;
        if draw.verbose {
            names::tell(&self.names, &kept);
        }
        self.settle(&kept);
        for inode in self.data.keys().copied().collect::<Vec<_>>() {
            let before = draw.tally;
            self.cut_file(inode, draw);
            if draw.verbose && draw.tally.writes > before.writes {
                self.tell_file(inode, before, draw.tally);
            }
        }
        self.disk
    }

    /// Draws the content of one file; nothing of it is pending after that.
    fn cut_file(&mut self, inode: u64, draw: &mut Draw) {
        let pending = self.data.remove(&inode).unwrap_or_default();
        if let Some(node) = self.disk.node_mut(inode) {
            file::cut(&pending, &mut node.data, draw);
        }
    }

    fn tell_file(&self, inode: u64, before: Tally, after: Tally) {
        let name = self.disk.node(inode).map(|n| String::from_utf8_lossy(&n.home.1));
        let name = name.unwrap_or_default();
        let [writes, lost, torn] = [
            after.writes - before.writes,
            after.writes_lost - before.writes_lost,
            after.writes_torn - before.writes_torn,
        ];
        eprintln!("inode {inode} {name}: {writes} writes pending, {lost} lost, {torn} torn");
    }
}
