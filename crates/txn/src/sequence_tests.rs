//! Model checks of the commit sequence: the scheduler decides who runs next at every access to a
//! shared word. The log is a model (reserve, copy, show; flush; publish) in the steps of the real
//! one; the sequence is the real code, with a ring so short that it turns.
//!
//! What is checked of every snapshot, twice, with others running in between:
//! - it does not change its mind;
//! - what it sees had seen, it sees (so also: no asynchronous commit without its past);
//! - its owner's earlier commits are in it, and aborted transactions are not;
//! - nothing was pruned that it needs;
//! - it sees a transaction with all of its parts or none of it, and never a part that rolled back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use shuttle::sync::Mutex;
use shuttle::sync::atomic::AtomicU64;
use shuttle::thread;
use types::{Lsn, Xid};

use super::{Fate, Numbers, Sequence, Sight, Word};

const RANDOM_RUNS: usize = 3_000;
const PCT_RUNS: usize = 3_000;
const FIRST: u64 = 3;
const RECORD: u64 = 8;

impl Word for AtomicU64 {
    fn get(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    fn set(&self, value: u64) {
        self.store(value, Ordering::SeqCst);
    }

    fn exchange(&self, from: u64, to: u64) -> bool {
        self.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// How the transactions of a process end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Synchronous,
    Asynchronous,
    Abort,
    /// With two parts, of which the first rolls back by itself.
    Parts,
    /// With two parts that stay, and all rolls back.
    AbortParts,
}

/// What a process shows to others.
#[derive(Default)]
struct Slot {
    xid: AtomicU64,
    published: AtomicU64,
    inserting: AtomicU64,
}

/// What the model knows and the code does not: plain facts, not scheduled.
#[derive(Default)]
struct Facts {
    /// The status pages: who committed.
    status: BTreeSet<u64>,
    /// What each committed transaction had seen.
    past: BTreeMap<u64, BTreeSet<u64>>,
    /// Committed transactions whose deleted rows were pruned.
    pruned: BTreeSet<u64>,
}

struct Model {
    ring: Vec<AtomicU64>,
    next: AtomicU64,
    oldest: AtomicU64,
    limit: AtomicU64,
    xid_gen: Mutex<()>,
    reserved: AtomicU64,
    flush: AtomicU64,
    asynchronous: AtomicU64,
    slots: Vec<Slot>,
    facts: std::sync::Mutex<Facts>,
}

impl Model {
    fn new(ring: usize, processes: usize) -> Arc<Self> {
        let model = Model {
            ring: (0..ring).map(|_| AtomicU64::new(0)).collect(),
            next: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            xid_gen: Mutex::new(()),
            reserved: AtomicU64::new(RECORD),
            flush: AtomicU64::new(RECORD),
            asynchronous: AtomicU64::new(RECORD),
            slots: (0..processes).map(|_| Slot::default()).collect(),
            facts: std::sync::Mutex::default(),
        };
        model.sequence().start(Xid(FIRST));
        Arc::new(model)
    }

    fn sequence(&self) -> Sequence<'_, AtomicU64> {
        Sequence { ring: &self.ring, next: &self.next, oldest: &self.oldest, limit: &self.limit }
    }

    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.facts.lock().expect("no panics while it is held")
    }

    fn horizon(&self) -> Xid {
        self.sequence().advance(Lsn(self.flush.get()));
        self.sequence().horizon(self.slots.iter().map(|slot| &slot.published))
    }

    fn open(&self, process: usize) -> u64 {
        loop {
            let _lock = self.xid_gen.lock().expect("no panics");
            let own = &self.slots[process].xid;
            if let Some(xid) = self.sequence().open(own, || self.horizon()) {
                return xid.0;
            }
            drop(_lock);
            thread::yield_now();
        }
    }

    /// Inserts a record in the steps of the real log.
    fn insert(&self, process: usize, before_flush: impl FnOnce(u64)) -> u64 {
        let end = loop {
            let start = self.reserved.get();
            self.slots[process].inserting.set(start);
            if self.reserved.exchange(start, start + RECORD) {
                break start + RECORD;
            }
        };
        before_flush(end);
        self.slots[process].inserting.set(0);
        end
    }

    fn open_part(&self, top: u64) -> Option<u64> {
        let _lock = self.xid_gen.lock().expect("no panics");
        self.sequence().open_part(Xid(top), || self.horizon()).map(|xid| xid.0)
    }

    /// Opens parts until there are two, or the ring is full.
    fn open_parts(&self, top: u64) -> Vec<u64> {
        (0..2).map_while(|_| self.open_part(top)).collect()
    }

    fn insertions_done(&self) -> u64 {
        let end = self.reserved.get();
        let bounds = self.slots.iter().map(|slot| slot.inserting.get());
        bounds.filter(|&bound| bound != 0).fold(end, u64::min)
    }

    fn wait_for_insertions(&self, upto: u64) -> u64 {
        loop {
            let done = self.insertions_done();
            if done >= upto {
                return done;
            }
            thread::yield_now();
        }
    }

    fn commit(&self, process: usize, xid: u64, parts: &[u64], asynchronous: bool) {
        self.facts().status.extend(parts.iter().chain([&xid]));
        let lsn = self.insert(process, |lsn| {
            self.sequence().close(Xid(xid), Fate::Committed { lsn: Lsn(lsn), asynchronous });
        });
        let done = self.wait_for_insertions(lsn);
        let word = if asynchronous { &self.asynchronous } else { &self.flush };
        word.fetch_max(if asynchronous { lsn } else { done }, Ordering::SeqCst);
        self.slots[process].xid.set(0);
        self.sequence().advance(Lsn(self.flush.get()));
    }

    fn snapshot(&self, process: usize) -> Numbers {
        self.sequence().snapshot(&self.slots[process].published, || {
            let asynchronous = Lsn(self.asynchronous.get());
            Sight { asynchronous, flush: Lsn(self.flush.get()) }
        })
    }

    fn seen(&self, numbers: Numbers) -> BTreeSet<u64> {
        let Numbers { xmin, xmax, sight } = numbers;
        let visible = |&xid: &u64| match Xid(xid) {
            long_ago if long_ago < xmin => self.facts().status.contains(&xid),
            recent => match self.sequence().fate(recent, xmin) {
                Some(fate) => fate.visible(sight),
                None => self.facts().status.contains(&xid),
            },
        };
        (FIRST..xmax.0).filter(visible).collect()
    }

    /// Takes a snapshot, checks all that must hold of it, drops it, and returns what it saw.
    fn look(&self, process: usize) -> BTreeSet<u64> {
        let numbers = self.snapshot(process);
        let seen = self.seen(numbers);
        for xid in &seen {
            let past = self.facts().past.get(xid).cloned().expect("what is seen has committed");
            assert!(past.is_subset(&seen), "{xid} is seen, but of its past {past:?} only {seen:?}");
        }
        assert_eq!(self.seen(numbers), seen, "a snapshot changed its mind");
        let pruned = self.facts().pruned.clone();
        assert!(pruned.is_subset(&seen), "pruned {pruned:?}, but seen only {seen:?}");
        self.slots[process].published.set(0);
        seen
    }

    fn writer(&self, process: usize, ends: &[End]) {
        let mut own = BTreeSet::new();
        for &end in ends {
            // Its last command looks after it got its id: it may have seen a higher one.
            let xid = self.open(process);
            let mut parts = Vec::new();
            if matches!(end, End::Parts | End::AbortParts) {
                parts = self.open_parts(xid);
            }
            let seen = self.look(process);
            assert!(own.is_subset(&seen), "own commits {own:?}, but seen only {seen:?}");
            if end == End::Parts && !parts.is_empty() {
                self.sequence().close(Xid(parts.remove(0)), Fate::Aborted);
            }
            if matches!(end, End::Abort | End::AbortParts) {
                self.sequence().close(Xid(xid), Fate::Aborted);
                self.slots[process].xid.set(0);
                self.sequence().advance(Lsn(self.flush.get()));
                continue;
            }
            // Each part of it sees all others.
            let whole: BTreeSet<u64> = parts.iter().copied().chain([xid]).collect();
            let past: BTreeSet<u64> = seen.union(&whole).copied().collect();
            self.facts().past.extend(whole.iter().map(|&xid| (xid, past.clone())));
            self.commit(process, xid, &parts, end == End::Asynchronous);
            own.extend(whole);
        }
        let seen = self.look(process);
        assert!(own.is_subset(&seen), "own commits {own:?}, but seen only {seen:?}");
    }

    fn prune(&self) {
        let horizon = self.horizon();
        let mut facts = self.facts();
        let dead: Vec<u64> = facts.status.iter().copied().filter(|&x| x < horizon.0).collect();
        facts.pruned.extend(dead);
    }
}

/// Runs one writer for each list of ends, a reader, and a pruner that also flushes.
fn run(ring: usize, writers: &'static [&'static [End]]) {
    let model = Model::new(ring, writers.len() + 2);
    let mut threads = spawn_writers(&model, writers);
    threads.push(spawn(&model, |model, process| {
        model.look(process - 1);
        model.look(process - 1);
    }));
    threads.push(spawn(&model, |model, _| {
        for _ in 0..3 {
            model.prune();
            let done = model.insertions_done();
            model.flush.fetch_max(done, Ordering::SeqCst);
        }
    }));
    threads.into_iter().for_each(|thread| thread.join().expect("no panics"));
    model.settle();
}

/// Runs one writer for each list of ends, and a reader: few steps, so that many orders are tried.
fn run_small(writers: &'static [&'static [End]]) {
    let model = Model::new(8, writers.len() + 1);
    let mut threads = spawn_writers(&model, writers);
    threads.push(spawn(&model, |model, process| {
        model.look(process);
    }));
    threads.into_iter().for_each(|thread| thread.join().expect("no panics"));
    model.settle();
}

/// A thread for the model's last process.
fn spawn(model: &Arc<Model>, work: impl FnOnce(&Model, usize) + Send + 'static) -> Thread {
    let model = Arc::clone(model);
    thread::spawn(move || work(&model, model.slots.len() - 1))
}

fn spawn_writers(model: &Arc<Model>, writers: &'static [&'static [End]]) -> Vec<Thread> {
    let writer = |(process, ends): (usize, &&'static [End])| {
        let (model, ends) = (Arc::clone(model), *ends);
        thread::spawn(move || model.writer(process, ends))
    };
    writers.iter().enumerate().map(writer).collect()
}

type Thread = thread::JoinHandle<()>;

impl Model {
    /// When all is flushed and over, nothing holds `oldest` back.
    fn settle(&self) {
        self.flush.fetch_max(self.reserved.get(), Ordering::SeqCst);
        assert_eq!(self.horizon().0, self.next.get(), "everything has ended");
    }
}

fn check(scenario: fn()) {
    shuttle::check_random(scenario, RANDOM_RUNS);
    shuttle::check_pct(scenario, PCT_RUNS, 4);
}

use End::{Abort, AbortParts, Asynchronous, Parts, Synchronous};

#[test]
fn snapshots_of_synchronous_commits() {
    check(|| run(8, &[&[Synchronous, Synchronous], &[Synchronous, Abort], &[Synchronous]]));
}

#[test]
fn snapshots_of_asynchronous_commits_among_synchronous_ones() {
    check(|| run(8, &[&[Asynchronous, Synchronous], &[Synchronous, Asynchronous]]));
}

#[test]
fn an_asynchronous_commit_is_seen_with_the_flushed_one_it_built_on() {
    check(|| run_small(&[&[Synchronous, Asynchronous]]));
}

#[test]
fn what_a_transaction_with_a_lower_id_has_seen_is_seen() {
    check(|| run_small(&[&[Synchronous], &[Synchronous]]));
}

#[test]
fn the_ring_may_turn_at_any_moment() {
    check(|| run(2, &[&[Synchronous, Abort, Synchronous], &[Synchronous, Synchronous]]));
}

#[test]
fn a_transaction_is_seen_with_all_its_parts_or_not_at_all() {
    check(|| run_small(&[&[Parts], &[Parts, Synchronous]]));
}

#[test]
fn parts_among_others_while_the_ring_turns() {
    check(|| run(4, &[&[Parts, AbortParts], &[Synchronous, Abort, Synchronous]]));
}

#[test]
fn a_part_read_without_a_snapshot_is_never_taken_for_what_it_is_not() {
    check(|| {
        let model = Model::new(4, 2);
        let writer = Arc::clone(&model);
        let (top, undone, kept) = (FIRST, FIRST + 1, FIRST + 2);
        let thread = thread::spawn(move || {
            let xid = writer.open(0);
            let parts = writer.open_parts(xid);
            writer.sequence().close(Xid(parts[0]), Fate::Aborted);
            writer.commit(0, xid, &parts[1..], false);
            for _ in 0..3 {
                let xid = writer.open(0);
                writer.sequence().close(Xid(xid), Fate::Aborted);
                writer.slots[0].xid.set(0);
            }
        });
        while model.next.get() <= kept {
            thread::yield_now();
        }
        for xid in [undone, kept, top] {
            let right = match model.sequence().recent(Xid(xid)) {
                Some(Fate::Committed { .. }) => xid != undone,
                Some(Fate::Aborted) => xid == undone,
                None => model.facts().status.contains(&xid) == (xid != undone),
                Some(Fate::Running) => true,
                Some(Fate::PartOf(_)) => false,
            };
            assert!(right, "{xid}");
            let named = model.sequence().top(Xid(xid));
            assert!(named.is_none_or(|named| named.0 == top || xid == undone), "{xid}");
        }
        thread.join().expect("no panics");
    });
}

#[test]
fn an_entry_read_without_a_snapshot_is_never_another_transactions() {
    check(|| {
        let model = Model::new(2, 2);
        let writer = Arc::clone(&model);
        let thread = thread::spawn(move || {
            for end in [Synchronous, Abort, Abort, Synchronous] {
                let xid = writer.open(0);
                match end {
                    Abort => writer.sequence().close(Xid(xid), Fate::Aborted),
                    _ => writer.commit(0, xid, &[], false),
                }
            }
        });
        for xid in [FIRST, FIRST + 1] {
            let fate = model.sequence().recent(Xid(xid));
            let commits = xid == FIRST;
            let right = match fate {
                Some(Fate::Committed { .. }) => commits,
                Some(Fate::Aborted) => !commits,
                Some(Fate::Running) | None => true,
                Some(Fate::PartOf(_)) => false,
            };
            assert!(right, "{xid}: {fate:?}");
        }
        thread.join().expect("no panics");
    });
}

#[test]
fn the_ring_refuses_when_it_is_full_and_goes_on_when_it_is_not() {
    let words: Vec<std::sync::atomic::AtomicU64> = (0..8).map(|_| 0.into()).collect();
    let [ring @ .., next, oldest, limit, own] = words.as_slice() else { unreachable!() };
    let sequence = Sequence { ring, next, oldest, limit };
    sequence.start(Xid(FIRST));
    let open = || sequence.open(own, || Xid(oldest.get()));
    let opened: Vec<Xid> = (0..4).filter_map(|_| open()).collect();
    assert_eq!(opened, [Xid(3), Xid(4), Xid(5), Xid(6)]);
    assert_eq!(open(), None);
    let commit = |lsn| Fate::Committed { lsn: Lsn(lsn), asynchronous: false };
    sequence.close(Xid(4), Fate::Aborted);
    sequence.advance(Lsn(100));
    assert_eq!(open(), None, "the oldest still runs");
    sequence.close(Xid(3), commit(200));
    sequence.advance(Lsn(199));
    assert_eq!(open(), None, "its commit is not flushed");
    sequence.advance(Lsn(200));
    assert_eq!(oldest.get(), 5);
    assert_eq!((open(), open(), open()), (Some(Xid(7)), Some(Xid(8)), None));
    assert_eq!(sequence.recent(Xid(4)), None);
    assert_eq!(sequence.recent(Xid(7)), Some(Fate::Running));
}

#[test]
fn fates_round_trip() {
    let commit = |asynchronous| Fate::Committed { lsn: Lsn(0x1234_5678), asynchronous };
    let part = Fate::PartOf(Xid(0x1_2345));
    for fate in [Fate::Running, Fate::Aborted, commit(false), commit(true), part] {
        assert_eq!(Fate::decode(fate.encode()), fate);
    }
    let sight = |asynchronous, flush| Sight { asynchronous: Lsn(asynchronous), flush: Lsn(flush) };
    assert!(commit(false).visible(sight(0, 0x1234_5678)));
    assert!(!commit(false).visible(sight(u64::MAX, 0x1234_5677)));
    assert!(commit(true).visible(sight(0x1234_5678, 0)));
    assert!(!Fate::Running.visible(sight(u64::MAX, u64::MAX)));
    assert!(!Fate::Aborted.visible(sight(u64::MAX, u64::MAX)));
}
