//! What a session keeps about its transaction.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use shmem::proc;
use types::{Lsn, Oid, RelFileNumber, Xid};

use crate::error::{Error, Result};
use crate::own::OwnXids;
use crate::subtransaction::Level;

/// A transaction of this process, from its beginning to its commit or abort. It gets an id only
/// when it first writes ([`crate::Txn::assign_xid`]).
///
/// It must be given to [`crate::Txn::commit`] or [`crate::Txn::abort`]; both leave it empty.
#[derive(Debug, Default)]
pub struct Transaction {
    pub(crate) own: Rc<OwnXids>,
    /// Its open subtransactions, each within the one before it; see `subtransaction.rs`.
    pub(crate) levels: Vec<Level>,
    /// How many status pages the ids of its subtransactions lie on.
    pub(crate) status_pages: usize,
    command: u32,
    started: i64,
    keeps_snapshot: bool,
    pub(crate) created: Vec<RelFileNumber>,
    pub(crate) dropped: Vec<RelFileNumber>,
    pub(crate) invalidations: Vec<Oid>,
    /// What others have logged that its client is told of.
    pub(crate) relies_on: Lsn,
}

impl Transaction {
    /// A transaction that begins now.
    pub(crate) fn begin() -> Self {
        let started = sys::clock::wall_micros_since_2000();
        let slot = proc::me();
        let number = slot.local_xid.load(Ordering::Relaxed) + 1;
        slot.local_xid.store(number, Ordering::Relaxed);
        slot.xact_start.store(started, Ordering::Relaxed);
        Transaction { started, ..Transaction::default() }
    }

    /// Its id, if it has written. What it writes in a subtransaction goes by another one.
    pub fn xid(&self) -> Option<Xid> {
        self.own.top()
    }

    /// All the ids that it goes by, now and later.
    pub fn own(&self) -> &Rc<OwnXids> {
        &self.own
    }

    /// The number of its current command, from 0: a command sees what earlier ones did.
    pub fn command(&self) -> u32 {
        self.command
    }

    /// Begins the next command.
    pub fn next_command(&mut self) -> Result<()> {
        self.command = self.command.checked_add(1).ok_or(Error::TooManyCommands)?;
        Ok(())
    }

    /// From now on all its commands see with one snapshot, as repeatable read has it
    /// ([`Snapshot::renewed`](crate::Snapshot::renewed)).
    pub fn keep_snapshot(&mut self) {
        self.keeps_snapshot = true;
    }

    /// Whether all its commands see with one snapshot.
    pub fn keeps_snapshot(&self) -> bool {
        self.keeps_snapshot
    }

    /// When it began, in microseconds since 2000: what `now()` returns throughout.
    pub fn started(&self) -> i64 {
        self.started
    }

    /// Notes a relation file that goes away if the transaction aborts. To be called before the
    /// file is made.
    pub fn will_create(&mut self, file: RelFileNumber) {
        let slot = proc::me();
        if let Some(place) = slot.created_files.get(self.created.len()) {
            place.store(file.0, Ordering::Relaxed);
        }
        self.created.push(file);
        slot.created_file_count.store(self.created.len() as u32, Ordering::Release);
    }

    /// Forgets the files made since `place`: they are gone.
    pub(crate) fn forget_created(&mut self, place: usize) {
        let slot = proc::me();
        slot.created_file_count.store(place as u32, Ordering::Release);
        let noted = slot.created_files.iter().take(self.created.len()).skip(place);
        noted.for_each(|place| place.store(0, Ordering::Relaxed));
        self.created.truncate(place);
    }

    /// Notes a relation file that goes away if the transaction commits.
    pub fn will_drop(&mut self, file: RelFileNumber) {
        self.dropped.push(file);
    }

    /// Notes that the transaction changed the system tables' entries about a relation: once it is
    /// visible, caches of it are out of date.
    pub fn invalidate(&mut self, relation: Oid) {
        // An earlier entry may belong to a subtransaction around this one: it stays, whatever
        // becomes of this one.
        if !self.invalidations.contains(&relation) {
            self.invalidations.push(relation);
        }
    }

    /// Notes that the client is told what the log says up to there, a number of a sequence: it must
    /// be durable before the client hears that the transaction has committed, also if that itself
    /// logs nothing. What it logs itself lies behind that anyway.
    pub fn rely_on(&mut self, lsn: Lsn) {
        self.relies_on = self.relies_on.max(lsn);
    }

    /// Forgets everything: the transaction is over.
    pub(crate) fn finish(&mut self) {
        self.forget_created(0);
        proc::me().xact_start.store(0, Ordering::Relaxed);
        *self = Transaction::default();
    }
}
