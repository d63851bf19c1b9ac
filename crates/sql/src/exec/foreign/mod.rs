//! Foreign keys: no row refers to one that is not there.
//!
//! ```text
//!  INSERT, UPDATE, DELETE, COPY        change rows, and note for each what is to be looked at
//!        │ events
//!        ▼
//!  end of the statement     child row    is the row that it refers to there?  lock it FOR KEY SHARE
//!        ▲   first come,    parent row   does any row refer to the old key?   refuse, or change those:
//!        │   first served                                                      that is noted in turn
//!        └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! As in PostgreSQL everything is looked at when the statement has changed all its rows, event by
//! event in the order in which they came; what an action changes stands at the end of the queue. So
//! actions of actions need no recursion, and a circle ends where nothing refers to the old key any
//! more. Each event is a command of its own: it sees what the statement and the events before it have
//! done. A row that has been changed again by then is passed by: its newer version is in the queue.
//!
//! # What keeps the promise among several transactions
//! - Whoever makes a child locks its parent FOR KEY SHARE, in the parent's table, to his end. Whoever
//!   deletes the parent or changes its key holds it FOR UPDATE. So one waits for the other, and whoever
//!   comes second sees what the first has done.
//! - Children are looked for in what is committed now, under repeatable read too: one that the
//!   transaction's snapshot does not see keeps its parent, and must not be changed (`40001`). Parents
//!   are looked for in what the transaction sees.
//! - A definition is changed with both tables locked, and both get another version.
//!
//! An event is a row version by its place, 24 bytes; they may take 64 times `work_mem`, then the
//! statement fails with `53200`. Tables without foreign keys pay the look at two empty lists.
//!
//! What if the process dies: nothing here is shared; the transaction aborts.

mod actions;
mod check;
mod define;
mod events;
mod key;
mod rows;

use std::cell::RefCell;
use std::rc::Rc;

use catalog::{ConstraintDef, TableDef};
use smallvec::SmallVec;
use txn::LockMode;
use types::{Datum, Oid};

use super::Execution;
use crate::error::{Error, Result};
use crate::expr::eval::EvalContext;
use crate::planned::Check;
use crate::storage::Storage;
pub(super) use define::{add, truncated_together};
pub(crate) use events::Events;
use events::Side;

/// Interrupts are looked for once in so many events.
const INTERRUPT_EVERY: u32 = 256;

/// The events of one statement being looked at.
struct Run<'a, 'e> {
    execution: &'a Execution<'e>,
    evaluator: EvalContext<'e>,
    /// The other tables that were opened, and how they are locked.
    opened: RefCell<Vec<(LockMode, Rc<TableDef>)>>,
    /// The CHECKs of tables that actions change.
    checks: RefCell<Vec<(Oid, Rc<[Check]>)>>,
    /// The constraint and the key that were found last, with nothing changed since: rows that come
    /// together often refer to the same one.
    found: RefCell<Option<(Oid, SmallVec<[Datum; 2]>)>>,
}

/// Looks at everything that the statement has noted.
pub(super) fn run(execution: &Execution<'_>) -> Result<()> {
    if execution.events.borrow().is_empty() {
        return Ok(());
    }
    let run = Run {
        execution,
        evaluator: execution.evaluator(),
        opened: RefCell::default(),
        checks: RefCell::default(),
        found: RefCell::default(),
    };
    let mut count = 0u32;
    loop {
        let next = execution.events.borrow_mut().take();
        let Some((table, event)) = next else { return Ok(()) };
        if count.is_multiple_of(INTERRUPT_EVERY) {
            run.storage().check_interrupts()?;
        }
        count = count.wrapping_add(1);
        match event.side {
            Side::Child => {
                check::look(&run, &table, constraint(&table.constraints, event)?, event)?
            }
            Side::Deleted | Side::Updated => {
                run.found.take();
                actions::act(&run, &table, constraint(&table.referenced_by, event)?, event)?;
            }
        }
    }
}

fn constraint(list: &[ConstraintDef], event: events::Event) -> Result<&ConstraintDef> {
    let found = list.get(usize::from(event.constraint));
    found.ok_or_else(|| Error::internal("event of a constraint that is not there"))
}

impl Run<'_, '_> {
    fn storage(&self) -> &dyn Storage {
        &*self.execution.session.storage
    }

    /// Begins a command: it sees what was done so far, and what is committed now; under repeatable
    /// read that only if `newest`.
    fn begin_command(&self, newest: bool) -> Result<()> {
        self.storage().end_command()?;
        if newest { self.storage().read_newest() } else { Ok(()) }
    }

    /// The other table of a constraint, locked.
    fn open(&self, oid: Oid, mode: LockMode) -> Result<Rc<TableDef>> {
        let fits = |(held, table): &&(LockMode, Rc<TableDef>)| *held == mode && table.oid == oid;
        if let Some((_, table)) = self.opened.borrow().iter().find(fits) {
            return Ok(Rc::clone(table));
        }
        let storage = &self.execution.session.storage;
        let table = storage.define(|catalog, tx| catalog.open_oid(tx, oid, mode))?;
        let table =
            table.ok_or_else(|| Error::internal("a table of a foreign key is not there"))?;
        self.opened.borrow_mut().push((mode, Rc::clone(&table)));
        Ok(table)
    }

    /// The CHECKs of a table.
    fn checks_of(&self, table: &TableDef) -> Result<Rc<[Check]>> {
        if let Some((_, checks)) = self.checks.borrow().iter().find(|(oid, _)| *oid == table.oid) {
            return Ok(Rc::clone(checks));
        }
        let session = self.execution.session;
        let checks = session.bind(|context| crate::bind::bind_checks(context, table))?;
        let checks: Rc<[Check]> = checks.into();
        self.checks.borrow_mut().push((table.oid, Rc::clone(&checks)));
        Ok(checks)
    }
}
