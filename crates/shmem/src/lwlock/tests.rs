//! The lock among real processes, and what their slots say meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sys::process::{Ended, Signal, kill, wait_for};
use zerocopy::FromZeros;

use super::*;
use crate::slot::HeldLock;
use crate::testing::{Shared, end_well, eventually};
use crate::{Layout, WaitEvent, proc};

#[derive(FromZeros)]
#[repr(C)]
struct Guarded {
    lock: LwLock,
    other: LwLock,
    /// Not atomic in what is done with them: only the lock makes that right.
    a: AtomicU64,
    b: AtomicU64,
    stop: AtomicU64,
}

fn shared() -> (Shared, &'static Guarded) {
    let mut layout = Layout::new();
    let region = layout.region::<Guarded>("guarded", 1);
    let shared = Shared::new(layout);
    let guarded = shared.segment.one(region);
    (shared, guarded)
}

/// A lock of this process alone.
fn private() -> &'static LwLock {
    Box::leak(Box::new(LwLock::default()))
}

#[test]
fn processes_exclude_each_other() {
    let (shared, it) = shared();
    let (writers, readers, rounds) = (4, 3, 5000);
    let mut children = Vec::new();
    for _ in 0..writers {
        children.push(shared.spawn(|| {
            for _ in 0..rounds {
                let _guard = it.lock.exclusive(Rank::Misc);
                it.a.store(it.a.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                it.b.store(it.b.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            0
        }));
    }
    for _ in 0..readers {
        children.push(shared.spawn(|| {
            for _ in 0..rounds {
                let _guard = it.lock.shared(Rank::Misc);
                let a = it.a.load(Ordering::Relaxed);
                assert_eq!(a, it.b.load(Ordering::Relaxed), "a writer was inside");
            }
            0
        }));
    }
    end_well(&children);
    assert_eq!(it.a.load(Ordering::Relaxed), writers * rounds);
    assert!(!it.lock.is_held());
    assert!(shared.procs.slots().iter().all(|slot| slot.holds_nothing()));
}

#[test]
fn a_crowd_of_readers_does_not_starve_a_writer() {
    let (shared, it) = shared();
    let readers: Vec<i32> = (0..6)
        .map(|_| {
            shared.spawn(|| {
                while it.stop.load(Ordering::Relaxed) == 0 {
                    let _guard = it.lock.shared(Rank::Misc);
                    std::hint::black_box(it.a.load(Ordering::Relaxed));
                }
                0
            })
        })
        .collect();
    let begin = Instant::now();
    for _ in 0..200 {
        drop(it.lock.exclusive(Rank::Misc));
    }
    let took = begin.elapsed();
    it.stop.store(1, Ordering::Relaxed);
    end_well(&readers);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_busy_writer_starves_neither_a_writer_nor_a_reader() {
    let (shared, it) = shared();
    let busy = shared.spawn(|| {
        while it.stop.load(Ordering::Relaxed) == 0 {
            let _guard = it.lock.exclusive(Rank::Misc);
            // It has the lock nearly always, also when its time slice ends.
            (0..2000).for_each(|n| it.a.store(n, Ordering::Relaxed));
        }
        0
    });
    let begin = Instant::now();
    for _ in 0..100 {
        drop(it.lock.exclusive(Rank::Misc));
        drop(it.lock.shared(Rank::Misc));
    }
    let took = begin.elapsed();
    it.stop.store(1, Ordering::Relaxed);
    end_well(&[busy]);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn followers_find_the_leaders_work_done() {
    let (shared, it) = shared();
    let commits = 300;
    let children: Vec<i32> = (0..6)
        .map(|_| {
            shared.spawn(|| {
                for _ in 0..commits {
                    let mine = it.a.fetch_add(1, Ordering::SeqCst) + 1;
                    while it.b.load(Ordering::SeqCst) < mine {
                        let Some(_guard) = it.lock.acquire_or_wait(Rank::WalWrite) else {
                            continue;
                        };
                        let all = it.a.load(Ordering::SeqCst);
                        std::thread::sleep(Duration::from_micros(200));
                        it.b.store(all, Ordering::SeqCst);
                        it.stop.fetch_add(1, Ordering::Relaxed);
                    }
                }
                0
            })
        })
        .collect();
    end_well(&children);
    let flushes = it.stop.load(Ordering::Relaxed);
    assert!(flushes <= 6 * commits / 2, "{flushes} flushes for {} commits", 6 * commits);
}

#[test]
fn the_slot_tells_what_is_held_and_what_is_waited_for() {
    let (shared, it) = shared();
    let guard = it.lock.exclusive(Rank::WalWrite);
    let child = shared.spawn(|| {
        let _low = it.other.shared(Rank::XidGen);
        let _high = it.lock.shared(Rank::WalWrite);
        0
    });
    let (_, slot) = shared.procs.used().next().expect("the child's");
    assert!(eventually(|| slot.wait_event() == WaitEvent::LwWalWrite));
    let offset = |lock: &LwLock| crate::segment::offset_of(std::ptr::from_ref(lock).addr());
    let held: Vec<HeldLock> = slot.held_lwlocks().collect();
    let low = HeldLock { offset: offset(&it.other), mode: Mode::Shared, rank: Rank::XidGen };
    let high = HeldLock { offset: offset(&it.lock), mode: Mode::Shared, rank: Rank::WalWrite };
    assert_eq!(held, [low]);
    assert_eq!(slot.intended_lwlock(), Some(high));
    assert!(high.offset < shared.segment.size() as u64, "it is an offset, not an address");
    drop(guard);
    end_well(&[child]);
    assert!(slot.holds_nothing() && slot.wait_event() == WaitEvent::None);
}

#[test]
fn a_process_that_is_killed_leaves_what_it_held_in_its_slot() {
    let (shared, it) = shared();
    let child = shared.spawn(|| {
        let _guard = it.lock.exclusive(Rank::FsyncQueue);
        std::thread::park();
        0
    });
    let (_, slot) = shared.procs.used().next().expect("the child's");
    assert!(eventually(|| slot.held_lwlocks().count() == 1));
    kill(child, Signal::SIGKILL).expect("it lives");
    assert_eq!(wait_for(child), Some(Ended::Signaled(Signal::SIGKILL as i32)));
    assert!(it.lock.is_held_exclusively() && !slot.holds_nothing());
    shared.segment.reset();
    assert!(!it.lock.is_held() && slot.holds_nothing());
}

#[test]
fn a_killed_waiter_keeps_nobody_from_the_lock() {
    let (shared, it) = shared();
    let guard = it.lock.shared(Rank::Misc);
    let wait_then_die = || {
        shared.spawn(|| {
            drop(it.lock.exclusive(Rank::Misc));
            0
        })
    };
    let doomed = wait_then_die();
    let (_, slot) = shared.procs.used().next().expect("the child's");
    assert!(eventually(|| slot.wait_event() == WaitEvent::LwMisc));
    kill(doomed, Signal::SIGKILL).expect("it lives");
    wait_for(doomed);
    let heir = wait_then_die();
    drop(guard);
    end_well(&[heir]);
    it.lock.wake_after_death();
    drop(it.lock.try_shared(Rank::Misc).expect("free"));
}

#[test]
fn trying_does_not_wait() {
    let lock = private();
    let guard = lock.try_exclusive(Rank::Misc).expect("free");
    assert!(lock.try_exclusive(Rank::Misc).is_none() && lock.try_shared(Rank::Misc).is_none());
    drop(guard);
    let (one, two) = (lock.try_shared(Rank::Misc), lock.try_shared(Rank::Misc));
    assert!(one.is_some() && two.is_some() && lock.try_exclusive(Rank::Misc).is_none());
    assert_eq!(proc::me().held_lwlocks().count(), 2);
    drop(one);
    assert!(lock.is_held() && !lock.is_held_exclusively());
    drop(two);
    assert!(!lock.is_held() && proc::me().holds_nothing());
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let locks: Vec<_> = (0..4).map(|_| private()).collect();
    let mut guards: Vec<_> = locks.iter().map(|lock| lock.shared(Rank::BufferContent)).collect();
    let mut left: Vec<u64> =
        locks.iter().map(|lock| std::ptr::from_ref(*lock).addr() as u64).collect();
    for index in [1, 2, 0, 0] {
        drop(guards.remove(index));
        left.remove(index);
        let noted: Vec<u64> = proc::me().held_lwlocks().map(|held| held.offset).collect();
        assert_eq!(noted, left);
        assert_eq!(locks.iter().filter(|lock| lock.is_held()).count(), left.len());
    }
    assert!(proc::me().holds_nothing());
}

#[test]
fn more_locks_than_a_slot_has_room_for_are_counted() {
    let locks: Vec<_> = (0..40).map(|_| private()).collect();
    let mut guards: Vec<_> = locks.iter().map(|lock| lock.shared(Rank::BufferContent)).collect();
    let me = proc::me();
    let counts = || (me.lwlock_count.load(Ordering::Relaxed) as usize, me.held_lwlocks().count());
    assert_eq!(counts(), (40, crate::LWLOCK_SLOTS));
    // One that was noted goes; there are still some that are not, and the count tells.
    drop(guards.remove(3));
    assert_eq!(counts(), (39, 31));
    guards.truncate(32);
    assert_eq!(counts(), (32, 31));
    // The next one finds the place.
    guards.push(locks[3].shared(Rank::BufferContent));
    assert_eq!(counts(), (33, 32));
    drop(guards);
    assert_eq!(counts(), (0, 0));
    assert!(me.holds_nothing() && locks.iter().all(|lock| !lock.is_held()));
}

#[test]
#[should_panic(expected = "WalSegments lock taken while holding WalWrite")]
#[cfg(debug_assertions)]
fn a_lower_rank_after_a_higher_one_is_refused() {
    let _high = private().shared(Rank::WalWrite);
    let _low = private().shared(Rank::WalSegments);
}

#[test]
#[should_panic(expected = "XidGen lock taken while holding XidGen")]
#[cfg(debug_assertions)]
fn the_same_rank_twice_is_refused() {
    let _one = private().shared(Rank::XidGen);
    let _two = private().shared(Rank::XidGen);
}

#[test]
#[should_panic(expected = "BufferContent lock taken twice by one process")]
#[cfg(debug_assertions)]
fn the_same_lock_twice_is_refused_even_shared() {
    let lock = private();
    let _one = lock.shared(Rank::BufferContent);
    let _two = lock.shared(Rank::BufferContent);
}

#[test]
fn ranks_rise_and_lead_back_from_their_numbers() {
    assert!(Rank::ALL.is_sorted());
    for &rank in Rank::ALL {
        assert_eq!(Rank::from_number(rank as u8), Some(rank));
    }
    assert_eq!(Rank::from_number(0), None);
}
