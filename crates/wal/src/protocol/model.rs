//! Model checks of the protocol: the scheduler decides who runs next at every access to a shared
//! word, at every lock, and before every copy, write and sync. The protocol and the cursor are the
//! real code; words, write lock, ring and disk are the model's. The log begins a few pages before
//! the end of a segment, so that flushes cross into the next one.
//!
//! What is checked:
//! - what is written has been copied in, all of it, by the lap of the ring that it belongs to;
//!   nothing is written twice, left out, or overwritten in the ring before it was written;
//! - when a flush returns, what it was asked for is durable; `before_flush` runs before its
//!   record's end is;
//! - behind each redo position, the first record of each page carries its image;
//! - everything ends (the checker takes a circle of waits for a deadlock, and says so).
//!
//! Fails when, in `protocol` or `cursor`:
//! - a flush does not look at the bounds, looks at them before the insert word, or waits for
//!   insertions under the write lock;
//! - the bound is stored after the swap, or is not raised, or nobody is told, before room is made;
//! - `before_flush` runs after the bound is cleared;
//! - a follower is answered as soon as the leader lets go (mutant `follower-answered-early`);
//! - `flush` is advanced before the sync, or the end of a segment is not synced;
//! - the redo position moves without its generation, or is published after the generation, or
//!   counts before it is published, or the decision is not made again;
//! - a page of the ring is entered without room.

mod ground;

use std::collections::BTreeMap;
use std::sync::Arc;

use shuttle::thread;
use types::Lsn;

use self::ground::{Process, Shared, ZEROS};
use super::Entry;
use crate::cursor::Cursor;
use crate::ground::{Log, Word};
use crate::position::PAGE;

const RANDOM_RUNS: usize = 5_000;
const PCT_RUNS: usize = 5_000;
/// What an image adds to a record, in bytes.
const IMAGE: u64 = 64;

/// A record of a change to a page.
struct Change<'a> {
    process: &'a Process,
    length: u64,
    page_lsn: Lsn,
    image: bool,
}

impl Entry for Change<'_> {
    fn decide(&mut self, redo: Lsn) -> u64 {
        self.image = self.page_lsn <= redo;
        self.length + if self.image { IMAGE } else { 0 }
    }

    fn copy<L: Log>(&mut self, start: Lsn, cursor: &mut Cursor<'_, L>) {
        self.process.shared.facts().records.push((start, self.process.me, self.image));
        cursor.write(&ZEROS[..self.length as usize]);
        cursor.write(&ZEROS[..if self.image { IMAGE as usize } else { 0 }]);
    }
}

impl Process {
    /// Changes this process's own page `times` times; the page's LSN is that of the last record.
    fn change(&self, times: usize, length: u64, flushes: bool) {
        let mut page_lsn = Lsn(0);
        for _ in 0..times {
            let mut change = Change { process: self, length, page_lsn, image: false };
            page_lsn = super::insert(self, &mut change, |end| {
                self.step();
                assert!(self.shared.facts().durable < end.0, "flushed before its time");
            });
            if flushes {
                super::flush(self, page_lsn);
                assert!(self.shared.facts().durable >= page_lsn.0, "answered early");
            }
        }
    }

    fn move_redo(&self) {
        let redo = super::move_redo(self);
        self.shared.facts().redo_positions.push(redo);
    }

    /// What the walwriter does.
    fn write_behind(&self) {
        super::write_behind(self, PAGE);
    }
}

type Work = fn(&Process);

/// Runs each piece of work in a process of its own, and looks at what they leave.
fn run(ring_pages: u64, pages_to_segment_end: u64, work: &[Work]) {
    let shared = Shared::new(work.len(), ring_pages, pages_to_segment_end);
    let spawn = |(me, &work): (usize, &Work)| {
        let process = Process { shared: Arc::clone(&shared), me };
        thread::spawn(move || work(&process))
    };
    let threads: Vec<_> = work.iter().enumerate().map(spawn).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panics"));
    assert!(shared.bounds.iter().all(|bound| bound.get() == 0));
    let mut facts = shared.facts();
    facts.records.sort_unstable();
    for &redo in &facts.redo_positions {
        let mut first = BTreeMap::new();
        for &(start, page, image) in facts.records.iter().filter(|record| record.0 >= redo) {
            assert!(*first.entry(page).or_insert(image), "{start} has no image behind {redo}");
        }
    }
}

fn check(scenario: fn()) {
    shuttle::check_random(scenario, RANDOM_RUNS);
    shuttle::check_pct(scenario, PCT_RUNS, 3);
}

#[test]
fn a_flush_covers_what_it_was_asked_for_and_nothing_that_is_unfinished() {
    check(|| {
        let commits: Work = |process| process.change(2, 3000, true);
        run(8, 1, &[commits, commits, commits]);
    });
}

#[test]
fn asynchronous_insertions_and_the_walwriter_leave_no_gap() {
    check(|| {
        let writes: Work = |process| (0..3).for_each(|_| process.write_behind());
        run(8, 1, &[|p| p.change(3, 5000, false), |p| p.change(1, 3000, true), writes]);
    });
}

#[test]
fn a_ring_of_one_page_is_enough_for_everybody() {
    check(|| {
        let commits: Work = |process| process.change(1, 6000, true);
        let inserts: Work = |process| process.change(2, 5000, false);
        run(1, 2, &[commits, inserts, commits]);
    });
}

#[test]
fn a_record_may_be_larger_than_the_ring() {
    check(|| {
        let large: Work = |process| process.change(1, 20_000, true);
        run(1, 2, &[large, |p| p.change(2, 2000, true), large]);
    });
}

#[test]
fn no_image_is_missed_when_the_redo_position_moves() {
    check(|| {
        let changes: Work = |process| process.change(3, 64, false);
        let checkpoints: Work = |process| (0..2).for_each(|_| process.move_redo());
        run(4, 4, &[changes, changes, checkpoints]);
    });
}
