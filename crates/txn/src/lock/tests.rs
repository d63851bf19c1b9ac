//! Tests of the lock table's rules, and of deadlocks, in an order that the test decides: one
//! process plays several, taking on the slot of each in turn.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shmem::proc;
use types::{Diagnostic, Oid, SqlState, Xid};

use super::deadlock::Edge;
use super::manager::Asked;
use super::mode::LockMode::{self, *};
use super::table::PARTITIONS;
use super::{LockManager, LockOwner, LockRow, LockTag, Locked};
use crate::error::Error;
use crate::tests::harness::{SLOTS, World, in_process};

const A: LockTag = LockTag::Relation(Oid(1));
const B: LockTag = LockTag::Relation(Oid(2));

/// Players share the lock table; each has a slot and its own idea of what it holds.
struct Players<'w> {
    world: &'w World,
    locks: Vec<LockManager>,
    /// What each asked for last and did not get at once: tag, mode, share.
    asked: RefCell<[Option<(LockTag, LockMode, u32)>; SLOTS]>,
}

impl<'w> Players<'w> {
    fn new(world: &'w World) -> Self {
        let locks = (0..SLOTS).map(|_| world.locks(Duration::from_secs(1))).collect();
        for (slot, pid) in world.procs.iter().zip(100..) {
            slot.pid.store(pid, Ordering::Relaxed);
        }
        Players { world, locks, asked: RefCell::default() }
    }

    /// Plays the player of that number.
    fn play(&self, player: usize) -> &LockManager {
        proc::attach(self.world.procs, player);
        self.world.procs[player].pid.store(100 + player as i32, Ordering::Relaxed);
        &self.locks[player]
    }

    /// Asks; whether it was granted at once. A later grant is seen by [`Players::waits`].
    fn ask(&self, player: usize, tag: LockTag, mode: LockMode) -> bool {
        self.try_ask(player, tag, mode).expect("no deadlock")
    }

    fn try_ask(&self, player: usize, tag: LockTag, mode: LockMode) -> Result<bool, Error> {
        self.notice(player);
        let asked = self.play(player).request(tag, mode, true)?;
        match asked {
            Asked::Granted(holder) => note(&self.locks[player], tag, mode, holder),
            Asked::Queued(holder) => {
                self.asked.borrow_mut()[player] = Some((tag, mode, holder));
            }
            Asked::Refused => panic!("it may queue"),
        }
        Ok(matches!(asked, Asked::Granted(_)))
    }

    /// The player wakes up: it notes what it has been granted meanwhile.
    fn notice(&self, player: usize) {
        let locks = self.play(player);
        let granted = locks.table.waiter(player as u32).granted.load(Ordering::Relaxed) != 0;
        if let (Some((tag, mode, holder)), true) = (self.asked.borrow_mut()[player].take(), granted)
        {
            note(locks, tag, mode, holder);
        }
    }

    fn waits(&self, player: usize) -> bool {
        self.locks[player].table.waiter(player as u32).wanted().is_some()
    }

    fn waiting(&self) -> Vec<usize> {
        (0..SLOTS).filter(|&player| self.waits(player)).collect()
    }

    /// The player's transaction ends, even if it waits.
    fn release(&self, player: usize) {
        self.play(player).leave_queue(player as u32);
        self.notice(player);
        self.locks[player].release_all();
    }

    fn assert_empty(&self) {
        let table = &self.locks[0].table;
        for partition in 0..PARTITIONS {
            assert_eq!(table.locks_of(partition).count(), 0, "the table is empty");
        }
    }
}

fn note(locks: &LockManager, tag: LockTag, mode: LockMode, holder: u32) {
    locks.held().note(LockOwner::Transaction, tag, mode, holder);
}

fn play(script: impl FnOnce(&Players<'_>)) {
    in_process(World::new(), |world| {
        let players = Players::new(world);
        script(&players);
        (0..SLOTS).for_each(|player| players.release(player));
        players.assert_empty();
    });
}

#[test]
fn a_stream_of_readers_does_not_starve_a_writer() {
    play(|p| {
        assert!(p.ask(0, A, AccessShare));
        assert!(p.ask(1, A, AccessShare));
        assert!(!p.ask(2, A, AccessExclusive));
        assert!(!p.ask(3, A, AccessShare), "behind the writer");
        p.release(0);
        assert_eq!(p.waiting(), [2, 3]);
        p.release(1);
        assert_eq!(p.waiting(), [3]);
        p.release(2);
        assert_eq!(p.waiting(), []);
    });
}

#[test]
fn waiters_are_granted_in_order_as_far_as_they_are_compatible() {
    play(|p| {
        assert!(p.ask(0, A, AccessExclusive));
        for (player, mode) in [(1, RowShare), (2, RowExclusive), (3, Exclusive), (4, AccessShare)] {
            assert!(!p.ask(player, A, mode));
        }
        assert!(!p.ask(5, A, RowShare));
        p.release(0);
        assert_eq!(p.waiting(), [3, 5], "RowShare does not go past Exclusive; AccessShare may");
        p.release(1);
        p.release(2);
        assert_eq!(p.waiting(), [5]);
    });
}

#[test]
fn who_holds_the_lock_goes_before_those_that_wait_for_it() {
    play(|p| {
        assert!(p.ask(0, A, AccessShare));
        assert!(p.ask(1, A, AccessShare));
        assert!(!p.ask(2, A, AccessExclusive));
        assert!(p.ask(0, A, RowExclusive), "nothing before the writer conflicts");
        assert!(!p.ask(1, A, ShareRowExclusive), "0 has RowExclusive");
        p.release(0);
        assert_eq!(p.waiting(), [2], "1 went before 2");
        p.release(1);
        assert_eq!(p.waiting(), []);
    });
}

#[test]
fn two_upgrades_of_one_lock_are_a_deadlock_at_once() {
    play(|p| {
        assert!(p.ask(0, A, Share));
        assert!(p.ask(1, A, Share));
        assert!(!p.ask(0, A, AccessExclusive));
        let error = p.play(1).request(A, AccessExclusive, true).expect_err("deadlock");
        assert_eq!(error.sqlstate(), SqlState::DEADLOCK_DETECTED);
        assert_eq!(
            error.detail().expect("the cycle"),
            "Process 101 waits for AccessExclusiveLock on relation 1 of database 5; blocked by process 100.\n\
             Process 100 waits for AccessExclusiveLock on relation 1 of database 5; blocked by process 101."
        );
        p.release(1);
        assert_eq!(p.waiting(), []);
    });
}

#[test]
fn locks_of_different_things_do_not_meet() {
    play(|p| {
        assert!(p.ask(0, A, AccessExclusive));
        assert!(p.ask(1, B, AccessExclusive));
        assert!(p.ask(2, LockTag::name("public", "t"), Exclusive));
        assert!(p.ask(3, LockTag::name("other", "t"), Exclusive));
        assert!(!p.ask(4, LockTag::name("public", "t"), Exclusive));
    });
}

#[test]
fn a_lock_that_is_held_is_not_asked_for_again() {
    play(|p| {
        let locks = p.play(0);
        for _ in 0..3 {
            locks.acquire(A, RowExclusive).expect("free");
            locks.acquire(A, AccessShare).expect("free");
        }
        assert!(locks.holds(A, RowExclusive) && !locks.holds(A, Share));
        let slot = proc::me();
        assert_eq!(slot.heavy_lock_count.load(Ordering::Relaxed), 1);
        assert_eq!(slot.heavy_locks[0].modes.load(Ordering::Relaxed), 0b101);
        assert_eq!(locks.locks().count(), 2);
        p.release(0);
        assert_eq!(slot.heavy_lock_count.load(Ordering::Relaxed), 0);
        assert_eq!(slot.heavy_locks[0].modes.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_full_table_is_an_error_and_all_of_it_can_be_used_again() {
    in_process(World::with_locks(10), |world| {
        let players = Players::new(world);
        let locks = players.play(0);
        let take = || {
            let tags = (0..).map(|oid| LockTag::Relation(Oid(oid)));
            let error = tags.map(|tag| locks.acquire(tag, AccessShare)).find_map(Result::err);
            let error = error.expect("the table is bounded");
            assert_eq!(error.sqlstate(), SqlState::OUT_OF_MEMORY);
            assert_eq!(error.to_string(), "out of shared memory");
            for oid in 1_000_000..1_000_500 {
                assert!(locks.acquire(LockTag::Relation(Oid(oid)), Share).is_err(), "still full");
            }
            locks.locks().count()
        };
        for _ in 0..3 {
            assert_eq!(take(), 10 * SLOTS);
            players.release(0);
            players.assert_empty();
        }
        take();
        let tag = |row: LockRow| match row.on {
            Locked::Tag(tag) => tag,
            Locked::Own => panic!("nobody has begun a transaction"),
        };
        let held: Vec<LockTag> = locks.locks().map(tag).collect();
        let together = held.into_iter().all(|tag| players.ask(1, tag, AccessShare));
        assert!(together, "two processes may share each lock");
        players.release(0);
        players.release(1);
        players.assert_empty();
    });
}

#[test]
fn a_cycle_of_locks_is_found_and_told() {
    play(|p| {
        assert!(p.ask(0, A, AccessExclusive));
        assert!(p.ask(1, B, RowExclusive));
        assert!(!p.ask(0, B, Share));
        p.play(0).check_deadlock().expect("1 does not wait");
        assert!(!p.ask(1, A, AccessShare));
        let error = p.play(1).check_deadlock().expect_err("a cycle");
        assert_eq!(
            error.detail().expect("the cycle"),
            "Process 101 waits for AccessShareLock on relation 1 of database 5; blocked by process 100.\n\
             Process 100 waits for ShareLock on relation 2 of database 5; blocked by process 101."
        );
        assert_eq!(p.waiting(), [0], "the victim waits no more");
        p.play(0).check_deadlock().expect("one victim is enough");
        p.release(1);
        assert_eq!(p.waiting(), []);
    });
}

#[test]
fn a_cycle_through_transactions_and_locks_is_found() {
    play(|p| {
        for (player, xid) in [(0, 10), (1, 11), (2, 12)] {
            p.world.procs[player].xid.store(xid, Ordering::Relaxed);
        }
        assert!(p.ask(2, A, AccessExclusive));
        p.play(0).announce_xid_wait(Xid(11));
        assert!(!p.ask(1, A, AccessShare));
        p.play(0).check_deadlock().expect("2 does not wait");
        p.play(2).announce_xid_wait(Xid(10));
        let error = p.play(2).check_deadlock().expect_err("a cycle");
        assert_eq!(
            error.detail().expect("the cycle"),
            "Process 102 waits for ShareLock on transaction 10; blocked by process 100.\n\
             Process 100 waits for ShareLock on transaction 11; blocked by process 101.\n\
             Process 101 waits for AccessShareLock on relation 1 of database 5; blocked by process 102."
        );
        assert_eq!(p.world.procs[2].waiting_xid.load(Ordering::Relaxed), 0);
        p.play(0).check_deadlock().expect("one victim is enough");
        p.play(0).withdraw_xid_wait();
        p.world.procs.iter().for_each(|slot| slot.xid.store(0, Ordering::Relaxed));
    });
}

#[test]
fn a_wait_for_a_transaction_that_has_ended_is_no_edge() {
    play(|p| {
        p.world.procs[0].xid.store(10, Ordering::Relaxed);
        p.play(0).announce_xid_wait(Xid(11));
        p.play(1).announce_xid_wait(Xid(10));
        p.play(1).check_deadlock().expect("nobody has transaction 11");
        p.play(0).withdraw_xid_wait();
        p.play(1).withdraw_xid_wait();
        p.world.procs[0].xid.store(0, Ordering::Relaxed);
    });
}

/// 0 reads A and waits for 2, which waits for A only because 1 was there first.
#[test]
fn a_cycle_with_a_soft_edge_is_resolved_by_moving() {
    play(|p| {
        assert!(p.ask(0, A, AccessShare));
        assert!(!p.ask(1, A, AccessExclusive));
        assert!(p.ask(2, B, AccessExclusive));
        assert!(!p.ask(2, A, AccessShare));
        assert!(!p.ask(0, B, AccessShare));
        p.play(0).check_deadlock().expect("it can be resolved");
        assert_eq!(p.waiting(), [0, 1], "2 went before 1");
        p.release(2);
        assert_eq!(p.waiting(), [1]);
    });
}

/// As before, but 2 wants what conflicts with 0 itself: its edge is hard, moving does not help.
#[test]
fn a_cycle_that_moving_does_not_resolve_has_a_victim() {
    play(|p| {
        assert!(p.ask(0, A, AccessShare));
        assert!(!p.ask(1, A, AccessExclusive));
        assert!(p.ask(2, B, AccessExclusive));
        assert!(!p.ask(2, A, AccessExclusive));
        assert!(!p.ask(0, B, AccessShare));
        assert!(matches!(p.play(0).check_deadlock(), Err(Error::Deadlock { .. })));
        assert_eq!(p.waiting(), [1, 2], "the queue is as it was");
        p.release(0);
        assert_eq!(p.waiting(), [2], "first come, first served");
    });
}

/// The cycle 0 -> 2 -> 1 -> 0 has a soft edge, but there is another, 0 -> 2 -> 3 -> 1 -> 0, without.
#[test]
fn a_move_that_does_not_help_is_taken_back() {
    const C: LockTag = LockTag::Relation(Oid(3));
    play(|p| {
        assert!(p.ask(0, A, AccessShare));
        assert!(p.ask(3, A, Share));
        assert!(p.ask(1, C, Exclusive));
        assert!(p.ask(2, B, Exclusive));
        assert!(!p.ask(1, A, AccessExclusive));
        assert!(!p.ask(2, A, RowExclusive));
        assert!(!p.ask(3, C, RowShare));
        assert!(!p.ask(0, B, RowShare));
        let (locks, mode) = (p.play(0), RowExclusive);
        let edge = Edge { waiter: 2, blocker: 1, tag: A, mode, xid_wait: 0, soft: true };
        assert!(!locks.resolved_by_moving(&edge, 0));
        let lock = locks.table.find(A).expect("it is held");
        assert_eq!(locks.table.waiters_of(lock).collect::<Vec<_>>(), [1, 2]);
        assert!(locks.check_deadlock().is_err());
    });
}

#[test]
fn what_one_holds_oneself_is_no_edge() {
    play(|p| {
        assert!(p.ask(0, A, Share));
        assert!(p.ask(1, A, Share));
        assert!(!p.ask(0, A, AccessExclusive));
        p.play(0).check_deadlock().expect("1 does not wait");
    });
}

#[test]
fn a_waiter_is_moved_before_all_that_it_waits_behind() {
    play(|p| {
        assert!(p.ask(0, A, AccessShare));
        assert!(!p.ask(1, A, AccessExclusive));
        assert!(!p.ask(3, A, AccessExclusive));
        assert!(p.ask(2, B, AccessExclusive));
        assert!(!p.ask(2, A, AccessShare));
        assert!(!p.ask(0, B, AccessShare));
        p.play(0).check_deadlock().expect("it can be resolved");
        assert_eq!(p.waiting(), [0, 1, 3]);
    });
}

#[test]
fn who_gives_up_lets_those_behind_it_go_on() {
    play(|p| {
        assert!(p.ask(0, A, AccessShare));
        let Ok(Asked::Queued(share)) = p.play(1).request(A, AccessExclusive, true) else {
            panic!("it waits")
        };
        assert!(p.locks[1].table.holder(share).modes().is_empty());
        assert!(!p.ask(2, A, AccessShare));
        assert!(!p.play(1).give_up(A), "it was not granted");
        assert_eq!(p.waiting(), []);
        assert_eq!(p.locks[0].locks().filter(|row| row.pid == 101).count(), 0);
    });
}

#[test]
fn who_gives_up_too_late_has_the_lock() {
    play(|p| {
        assert!(p.ask(0, A, AccessExclusive));
        let Ok(Asked::Queued(holder)) = p.play(1).request(A, AccessShare, true) else {
            panic!("it waits")
        };
        p.release(0);
        assert!(p.play(1).give_up(A), "it was granted");
        note(&p.locks[1], A, AccessShare, holder);
        assert!(!p.ask(2, A, AccessExclusive));
        p.release(1);
        assert_eq!(p.waiting(), []);
    });
}

#[test]
fn who_does_not_want_to_wait_leaves_nothing_behind() {
    play(|p| {
        assert!(p.ask(0, A, Share));
        let try_for = |player: usize, mode| {
            let locks = p.play(player);
            locks.try_acquire_for(LockOwner::Transaction, A, mode).expect("there is room")
        };
        assert!(!try_for(1, RowExclusive) && try_for(1, AccessShare) && try_for(1, AccessShare));
        assert!(!p.ask(2, A, AccessExclusive));
        assert!(!try_for(3, AccessShare), "not past the queue");
        let lock = p.locks[0].table.find(A).expect("it is held");
        assert_eq!(p.locks[0].table.holders_of(lock).count(), 3, "0 and 1, and 2 that waits");
    });
}

#[test]
fn what_the_session_holds_outlives_the_transaction_and_is_counted() {
    play(|p| {
        let locks = p.play(0);
        for (owner, mode) in [
            (LockOwner::Session, Exclusive),
            (LockOwner::Session, Exclusive),
            (LockOwner::Transaction, Exclusive),
            (LockOwner::Transaction, Share),
        ] {
            locks.acquire_for(owner, A, mode).expect("nobody else is there");
        }
        let shown = || p.world.procs[0].heavy_locks[0].modes.load(Ordering::Relaxed);
        let bit = |mode: LockMode| 1u64 << (mode as u8 - 1);
        let session = bit(Exclusive) << super::SESSION_MODES_SHIFT;
        assert_eq!(shown(), bit(Exclusive) | bit(Share) | session);
        locks.release_all();
        assert_eq!(shown(), bit(Exclusive) | session);
        assert!(locks.holds(A, Exclusive) && !locks.holds(A, Share));
        assert!(!p.ask(1, A, RowShare));
        let locks = p.play(0);
        assert!(locks.release_for_session(A, Exclusive) && locks.holds(A, Exclusive));
        assert!(locks.release_for_session(A, Exclusive) && !locks.holds(A, Exclusive));
        assert!(!locks.release_for_session(A, Exclusive), "it has no more");
        assert_eq!(shown(), 0);
        assert_eq!(p.world.procs[0].heavy_lock_count.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_part_of_what_the_transaction_took_can_be_released() {
    play(|p| {
        let locks = p.play(0);
        let take = |tag, mode| locks.acquire(tag, mode).expect("nobody else is there");
        take(A, AccessShare);
        let mark = locks.mark();
        take(A, AccessShare);
        take(A, AccessExclusive);
        take(B, Share);
        locks.release_since(mark);
        assert!(locks.holds(A, AccessShare) && !locks.holds(A, AccessExclusive));
        assert!(!locks.holds(B, Share) && locks.table.find(B).is_none());
        assert_eq!(p.world.procs[0].heavy_lock_count.load(Ordering::Relaxed), 1);
        assert!(p.ask(1, A, RowExclusive));
    });
}

/// A forked process has a copy of what its parent noted, but none of it is the child's.
#[test]
fn another_process_begins_with_nothing() {
    play(|p| {
        assert!(p.ask(0, A, Share));
        let copy = &p.locks[0];
        proc::attach(p.world.procs, 1);
        assert!(!copy.holds(A, Share));
        copy.release_all();
        assert!(p.locks[2].table.find(A).is_some(), "the parent's lock is untouched");
        proc::attach(p.world.procs, 0);
        let lock = p.locks[0].table.find(A).expect("held");
        let share = p.locks[0].table.holder_of(lock, 0).expect("by 0");
        note(&p.locks[0], A, Share, share);
    });
}

/// After any sequence of requests and releases: what is granted does not conflict, the first in
/// each queue waits for somebody, and in the end the table is empty.
#[test]
fn random_play_keeps_the_rules() {
    let mut seed = 42u64;
    let mut draw = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    play(|p| {
        for _ in 0..20_000 {
            let player = draw(SLOTS);
            let (tag, mode) = ([A, B][draw(2)], LockMode::ALL[draw(8)]);
            if !p.waits(player) {
                p.notice(player);
            }
            if p.waits(player) || draw(4) == 0 {
                p.release(player);
            } else if !p.locks[player].holds(tag, mode) {
                ask_or_release(p, player, tag, mode);
            }
            [A, B].into_iter().for_each(|tag| assert_sound(p, tag));
        }
    });
}

fn ask_or_release(p: &Players<'_>, player: usize, tag: LockTag, mode: LockMode) {
    match p.try_ask(player, tag, mode) {
        Ok(_) => {}
        Err(Error::Deadlock { .. }) => p.release(player),
        Err(other) => panic!("{other}"),
    }
}

fn assert_sound(p: &Players<'_>, tag: LockTag) {
    let table = &p.locks[0].table;
    let Some(lock) = table.find(tag) else { return };
    let shares: Vec<_> = table.holders_of(lock).map(|index| table.holder(index)).collect();
    for (at, one) in shares.iter().enumerate() {
        for other in &shares[at + 1..] {
            let conflict = one.modes().iter().any(|m| m.conflicts().meets(other.modes()));
            assert!(!conflict, "{:?} and {:?}", one.modes(), other.modes());
        }
    }
    let Some(first) = table.waiters_of(lock).next() else { return };
    let (_, mode) = table.waiter(first).wanted().expect("it waits");
    let others = table.granted_to_others(lock, table.modes_of(lock, first));
    assert!(mode.conflicts().meets(others), "the first waits for nobody");
}
