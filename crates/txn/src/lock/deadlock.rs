//! Looking for deadlocks among processes that wait for locks and for transactions.
//!
//! A waiter that has waited for `deadlock_timeout` follows the edges from itself:
//!
//! | who waits | for | edge |
//! |---|---|---|
//! | for a transaction | the process whose xid it is | hard |
//! | for a lock | each other holder of a conflicting mode | hard |
//! | for a lock | each waiter before it that wants a conflicting mode | soft |
//!
//! If the way leads back to itself there is a cycle. If the cycle has a soft edge, moving that
//! waiter before the one it waits behind may resolve it, as in PostgreSQL (which also tries several
//! such moves at once; here it is one). Else the process that looks is the victim: it leaves its
//! queue before it lets the locks go, so the next to look finds no cycle.
//!
//! # Why a cycle found is real
//! All partition locks are held, so edges of locks stand still. Those of transactions do not; so
//! they are looked at twice. Each wait for a transaction has a number that changes when it begins
//! and when it ends. All edges are read before any is read again; where each is the same at both
//! readings, all these waits were there at once, at the moment between the two passes. A waiting
//! process keeps its xid, and a process blocked at one moment by each other for ever is a deadlock.
//!
//! # Why a deadlock is found
//! Some process was the last to begin its wait; the others' waits were there by then, and it looks
//! after `deadlock_timeout` (and again, ever less often, for as long as it waits).
//!
//! If the process dies here it holds LWLocks, and shared memory is reset.

use std::sync::atomic::Ordering;

use shmem::{ExclusiveGuard, ProcKind, ProcSlot, Rank, SharedGuard, proc};
use types::Xid;

use super::manager::LockManager;
use super::mode::LockMode;
use super::tag::LockTag;
use crate::error::{Error, Result};

/// A process waits for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Edge {
    pub waiter: u32,
    pub blocker: u32,
    pub tag: LockTag,
    pub mode: LockMode,
    /// The number of the wait, if it is for a transaction.
    pub xid_wait: u32,
    pub soft: bool,
}

impl LockManager {
    /// Looks for a deadlock that this process is part of. `Err`: it is the victim, and no longer
    /// waits for anything.
    pub(crate) fn check_deadlock(&self) -> Result<()> {
        let head = self.table.head;
        let _search = head.deadlock.exclusive(Rank::Deadlock);
        let _partitions: Vec<ExclusiveGuard> =
            head.partitions.iter().map(|lock| lock.exclusive(Rank::LockPartition)).collect();
        let process = self.process();
        let Some(cycle) = self.find_cycle(process) else { return Ok(()) };
        if cycle.iter().any(|edge| self.resolved_by_moving(edge, process)) {
            return Ok(());
        }
        self.withdraw_xid_wait();
        self.leave_queue(process);
        Err(self.deadlock(&cycle))
    }

    /// The report of two processes of which each holds what the other asks for in vain.
    pub(crate) fn upgrade_deadlock(&self, tag: LockTag, mode: LockMode, other: u32) -> Error {
        let process = self.process();
        let theirs = self.table.waiter(other).wanted().map_or(mode, |(_, mode)| mode);
        let edge =
            |waiter, mode, blocker| Edge { waiter, blocker, tag, mode, xid_wait: 0, soft: false };
        self.deadlock(&[edge(process, mode, other), edge(other, theirs, process)])
    }

    /// The processes that keep that one waiting, by holding what it waits for or by waiting before
    /// it, in no order. None if it does not wait.
    pub fn blocking_pids(&self, pid: i32) -> Vec<i32> {
        let pid_of = |slot: &ProcSlot| slot.pid.load(Ordering::Relaxed);
        let used = |slot: &&ProcSlot| slot.kind() != ProcKind::None && pid_of(slot) == pid;
        let Some(waiter) = self.procs.iter().position(|slot| used(&slot)) else {
            return Vec::new();
        };
        let _partitions: Vec<SharedGuard> = self
            .table
            .head
            .partitions
            .iter()
            .map(|lock| lock.shared(Rank::LockPartition))
            .collect();
        let edges = self.edges_of(waiter as u32);
        let mut pids: Vec<i32> = edges.iter().map(|edge| pid_of(self.slot(edge.blocker))).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    fn deadlock(&self, cycle: &[Edge]) -> Error {
        let pid = |process| self.slot(process).pid.load(Ordering::Relaxed);
        let line = |edge: &Edge| {
            let Edge { waiter, blocker, tag, mode, .. } = *edge;
            let (waiter, blocker) = (pid(waiter), pid(blocker));
            format!("Process {waiter} waits for {mode} on {tag}; blocked by process {blocker}.")
        };
        Error::Deadlock { cycle: cycle.iter().map(line).collect::<Vec<_>>().join("\n") }
    }

    /// A way of edges from `start` back to it, each of them looked at twice.
    fn find_cycle(&self, start: u32) -> Option<Vec<Edge>> {
        let cycle = self.walk(start)?;
        cycle.iter().all(|edge| self.still_there(edge)).then_some(cycle)
    }

    /// Depth first. `path` is the way from `start`; each step keeps the edges not tried yet.
    fn walk(&self, start: u32) -> Option<Vec<Edge>> {
        let mut seen = vec![false; self.procs.len() + 1];
        let mut path: Vec<Edge> = Vec::new();
        let mut untried = vec![self.edges_of(start)];
        while let Some(edges) = untried.last_mut() {
            let Some(edge) = edges.pop() else {
                untried.pop();
                path.pop();
                continue;
            };
            if edge.blocker == start {
                path.push(edge);
                return Some(path);
            }
            if !std::mem::replace(&mut seen[edge.blocker as usize], true) {
                path.push(edge);
                untried.push(self.edges_of(edge.blocker));
            }
        }
        None
    }

    fn still_there(&self, edge: &Edge) -> bool {
        match edge.tag {
            LockTag::Transaction(_) => self.xid_edge(edge.waiter) == Some(*edge),
            _ => true,
        }
    }

    fn edges_of(&self, waiter: u32) -> Vec<Edge> {
        match self.table.waiter(waiter).wanted() {
            Some((lock, mode)) => self.lock_edges(waiter, lock, mode),
            None => self.xid_edge(waiter).into_iter().collect(),
        }
    }

    fn xid_edge(&self, waiter: u32) -> Option<Edge> {
        let number = &self.table.waiter(waiter).xid_wait;
        let xid_wait = number.load(Ordering::SeqCst);
        let xid = Xid(self.slot_of(waiter)?.waiting_xid.load(Ordering::SeqCst));
        let owner = |slot: &ProcSlot| slot.xid.load(Ordering::SeqCst) == xid.0;
        let blocker = self.procs.iter().position(owner).filter(|_| xid.is_valid())? as u32;
        let (tag, mode) = (LockTag::Transaction(xid), LockMode::Share);
        let steady = number.load(Ordering::SeqCst) == xid_wait;
        steady.then_some(Edge { waiter, blocker, tag, mode, xid_wait, soft: false })
    }

    /// The slot of a process; of the one without a number only if it is this one.
    fn slot_of(&self, process: u32) -> Option<&'static ProcSlot> {
        let own = (process == self.process()).then(proc::me);
        self.procs.get(process as usize).or(own)
    }

    fn lock_edges(&self, waiter: u32, lock: u32, mode: LockMode) -> Vec<Edge> {
        let table = &self.table;
        let Some(tag) = table.lock(lock).tag() else { return Vec::new() };
        let edge = |blocker, soft| Edge { waiter, blocker, tag, mode, xid_wait: 0, soft };
        let ahead = table.waiters_of(lock).take_while(|&other| other != waiter);
        let conflicting = ahead.filter(|&other| {
            table.waiter(other).wanted().is_some_and(|(_, wanted)| mode.conflicts_with(wanted))
        });
        let mut edges: Vec<Edge> = conflicting.map(|other| edge(other, true)).collect();
        edges.reverse();
        for holder in table.holders_of(lock).map(|index| table.holder(index)) {
            let process = holder.process.load(Ordering::Relaxed);
            if process != waiter && mode.conflicts().meets(holder.modes()) {
                edges.push(edge(process, false));
            }
        }
        // Taken from the end: hard edges first, then the soft ones from the head of the queue, so
        // that a waiter is moved before all that it waits behind.
        edges
    }

    /// Tries to resolve a cycle at a soft edge: moves the waiter before the one it waits behind.
    /// If some process of that queue would then be in a cycle, moves it back.
    pub(super) fn resolved_by_moving(&self, edge: &Edge, process: u32) -> bool {
        let (Edge { waiter, blocker, mode, soft: true, .. }, Some((lock, _))) =
            (*edge, self.table.waiter(edge.waiter).wanted())
        else {
            return false;
        };
        let behind = self.table.waiter(waiter).next.load(Ordering::Relaxed).checked_sub(1);
        self.move_before(waiter, lock, mode, Some(blocker));
        let mut touched: Vec<u32> = self.table.waiters_of(lock).collect();
        touched.push(process);
        if touched.into_iter().any(|process| self.find_cycle(process).is_some()) {
            self.move_before(waiter, lock, mode, behind);
            return false;
        }
        self.wake(&self.table.grant_next(lock));
        true
    }

    fn move_before(&self, process: u32, lock: u32, mode: LockMode, before: Option<u32>) {
        self.table.dequeue(process);
        self.table.enqueue(process, lock, mode, before);
    }
}
