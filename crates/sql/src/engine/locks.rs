//! Locks that statements and functions ask for: of tables, of rows, and advisory ones.

use access::Locked;
use catalog::{Opened, TableDef, TableKind};
use txn::{LockMode, LockOwner, LockTag, RowLockMode, Transaction};
use types::{Oid, Row, SqlState, TupleId};

use super::{Engine, told};
use crate::bind::TableName;
use crate::error::{Error, Result};
use crate::functions::AdvisoryLock;
use crate::storage::{RowLocked, Storage};

/// `42809` for what LOCK TABLE is not for.
fn check_lockable(table: &TableDef) -> Result<()> {
    let (message, kind) = match table.kind {
        TableKind::Index(_) => (format!("\"{}\" is not a table or view", table.name), "indexes"),
        TableKind::Sequence(_) => (format!("cannot lock relation \"{}\"", table.name), "sequences"),
        _ => return Ok(()),
    };
    let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message);
    Err(error.detail(format!("This operation is not supported for {kind}.")))
}

impl Engine {
    /// LOCK TABLE; `None` if there is no such table, false if somebody else has it.
    pub(super) fn lock_named(
        &self,
        name: &TableName,
        mode: LockMode,
        nowait: bool,
    ) -> Result<Option<bool>> {
        if !nowait {
            let Some(table) = self.open(name, mode)? else { return Ok(None) };
            return check_lockable(&table).map(|()| Some(true));
        }
        let opened = self.with_transaction(|tx| {
            let schema = name.schema.as_deref();
            self.rooms.catalog.open_nowait(tx, schema, &name.name, mode).map_err(told)
        })?;
        Ok(match opened {
            Opened::Table(table) => {
                check_lockable(&table)?;
                Some(true)
            }
            Opened::Busy => Some(false),
            Opened::Missing => None,
        })
    }

    /// Locks a relation; false if that was not to wait and would have to.
    pub(super) fn lock_relation(
        &self,
        relation: Oid,
        mode: LockMode,
        nowait: bool,
    ) -> Result<bool> {
        let (locks, tag) = (self.rooms.txn.locks(), LockTag::Relation(relation));
        if nowait {
            return locks.try_acquire_for(LockOwner::Transaction, tag, mode).map_err(told);
        }
        locks.acquire(tag, mode).map_err(told)?;
        Ok(true)
    }

    /// Takes an advisory lock; false if that was not to wait and would have to.
    pub(super) fn take_advisory(&self, lock: AdvisoryLock, wait: bool) -> Result<bool> {
        let AdvisoryLock { key, mode, owner } = lock;
        let (locks, tag) = (self.rooms.txn.locks(), LockTag::Advisory(key));
        if !wait {
            return locks.try_acquire_for(owner, tag, mode).map_err(told);
        }
        locks.acquire_for(owner, tag, mode).map_err(told)?;
        Ok(true)
    }

    /// Locks a row, if its version is still the newest.
    pub(super) fn lock_version(
        &self,
        table: &TableDef,
        place: TupleId,
        mode: RowLockMode,
        wait: bool,
    ) -> Result<RowLocked> {
        let heap = self.heap(table);
        let locked = |tx: &mut Transaction| heap.lock(tx, place, mode, wait).map_err(told);
        Ok(match self.with_transaction(locked)? {
            Locked::Done => RowLocked::Done,
            Locked::Gone => RowLocked::Gone,
            Locked::WouldBlock => RowLocked::Busy,
            Locked::Changed(newest) => {
                let mut row = Row::new();
                heap.decode(newest.place, &newest.tuple, None, &mut row).map_err(told)?;
                RowLocked::Replaced(newest.place, row)
            }
        })
    }
}
