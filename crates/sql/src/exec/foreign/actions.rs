//! A row that others may refer to, and that is gone or has another key: what becomes of those.
//!
//! They are looked for in what is committed now. A row that another transaction is about to change is
//! waited for, and looked at again. Under repeatable read a row that the transaction's snapshot does
//! not see must not be changed: that is `40001`, as if it had been changed since.

use std::rc::Rc;

use catalog::{ConstraintDef, ReferentialAction as Action, TableDef};
use txn::LockMode;
use types::{Datum, Row, SqlState, TupleId};

use super::super::modify::{check_not_null, check_row};
use super::Run;
use super::events::{Event, Side};
use super::rows::{Rows, Values, parent_is_there};
use crate::bind::{Context as CastContext, Scope, default_of};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::key::describe;
use crate::storage::{Changed, Flow, Version};
use crate::values::names::base;

/// A foreign key at work: the tables on both sides, and the key that is no more.
struct Case<'a, 'r, 'e> {
    run: &'r Run<'r, 'e>,
    key: &'a ConstraintDef,
    parent: &'a TableDef,
    child: Rc<TableDef>,
    values: Values,
}

/// What becomes of the rows that refer to the key.
enum Change {
    Delete,
    /// These columns get these values.
    Set(Vec<(usize, Expr)>),
}

/// Does what is to be done because a row was deleted, or has got another key.
pub(super) fn act(
    run: &Run<'_, '_>,
    parent: &TableDef,
    key: &ConstraintDef,
    event: Event,
) -> Result<()> {
    let deleted = event.side == Side::Deleted;
    let action = if deleted { key.on_delete } else { key.on_update };
    let mut row = Row::new();
    run.storage().own_version(parent, event.old, &mut row)?;
    let values: Values = key.foreign_columns.iter().map(|column| row[*column].clone()).collect();
    if values.iter().any(Datum::is_null) {
        return Ok(());
    }
    let refuses = matches!(action, Action::NoAction | Action::Restrict);
    let mode = if refuses { LockMode::RowShare } else { LockMode::RowExclusive };
    let child = run.open(key.table, mode)?;
    let case = Case { run, key, parent, child, values };
    let change = match action {
        Action::NoAction | Action::Restrict => return case.refuse(action == Action::NoAction),
        Action::Cascade if deleted => Change::Delete,
        Action::Cascade => Change::Set(case.new_key(event.new)?),
        Action::SetNull => Change::Set(case.nulls(deleted)),
        Action::SetDefault => Change::Set(case.defaults(deleted)?),
    };
    case.carry_out(&change)?;
    // What has the key as its default has it still, and that is nobody's now.
    if action == Action::SetDefault { case.refuse(true) } else { Ok(()) }
}

impl Case<'_, '_, '_> {
    fn children(&self) -> Rows<'_> {
        Rows::of_child(&self.child, self.parent, self.key, &self.values)
    }

    /// `23503` if a row refers to the key; `look_again`: unless another row has it by now.
    fn refuse(&self, look_again: bool) -> Result<()> {
        let (run, children) = (self.run, self.children());
        run.begin_command(true)?;
        if !children.any(run.storage(), false)? {
            return Ok(());
        }
        if look_again && parent_is_there(run, self.parent, self.key, &self.values)? {
            return Ok(());
        }
        if !children.any(run.storage(), true)? {
            return Ok(());
        }
        let Case { key, parent, child, values, .. } = self;
        let message = format!(
            "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
            parent.name, key.name, child.name
        );
        let shown = describe(parent, key.foreign_columns.iter().copied(), values);
        Err(Error::new(SqlState::FOREIGN_KEY_VIOLATION, message)
            .detail(format!("Key {shown} is still referenced from table \"{}\".", child.name)))
    }

    /// The key that the row has now, for the columns that refer to it.
    fn new_key(&self, place: TupleId) -> Result<Vec<(usize, Expr)>> {
        let mut row = Row::new();
        self.run.storage().own_version(self.parent, place, &mut row)?;
        let pairs = self.key.columns.iter().zip(&self.key.foreign_columns);
        let set = |(&column, &other): (&usize, &usize)| {
            let value = Expr::constant(row[other].clone(), base(self.parent.columns[other].ty));
            Ok((column, self.assigned(value, column)?))
        };
        pairs.map(set).collect()
    }

    fn assigned(&self, value: Expr, column: usize) -> Result<Expr> {
        let ty = self.child.columns[column].ty;
        let assigned = self.run.execution.session.bind(|context| {
            context.binder(Scope::default()).coerce(value, ty.into(), CastContext::Assignment)
        })?;
        assigned.ok_or_else(|| Error::internal("key of a type that cannot be assigned"))
    }

    /// The columns that SET NULL and SET DEFAULT are about.
    fn columns_set(&self, deleted: bool) -> &[usize] {
        let named = &self.key.delete_columns;
        if deleted && !named.is_empty() { named } else { &self.key.columns }
    }

    fn nulls(&self, deleted: bool) -> Vec<(usize, Expr)> {
        let null = |&column: &usize| {
            (column, Expr::constant(Datum::Null, base(self.child.columns[column].ty)))
        };
        self.columns_set(deleted).iter().map(null).collect()
    }

    fn defaults(&self, deleted: bool) -> Result<Vec<(usize, Expr)>> {
        self.run.execution.session.bind(|context| {
            let default = |&column: &usize| Ok((column, default_of(context, &self.child, column)?));
            self.columns_set(deleted).iter().map(default).collect()
        })
    }

    /// Changes the rows that refer to the key.
    fn carry_out(&self, change: &Change) -> Result<()> {
        self.run.begin_command(true)?;
        let storage = self.run.storage();
        self.children().each(storage, &mut |version| {
            if !storage.keeps_in_sight(version.xmin)? {
                return Err(Error::from_diagnostic(&access::Error::ConcurrentUpdate));
            }
            match change {
                Change::Delete => self.delete(version.place)?,
                Change::Set(set) => self.update(version, set)?,
            }
            Ok(Flow::Continue)
        })
    }

    fn delete(&self, mut place: TupleId) -> Result<()> {
        loop {
            match self.run.storage().delete(&self.child, place)? {
                Changed::Done(_) => return self.run.execution.note_delete(&self.child, place),
                Changed::Replaced(newest, row) if self.children().has(&row) => place = newest,
                Changed::Replaced(..) | Changed::Gone => return Ok(()),
            }
        }
    }

    fn update(&self, version: Version<'_>, set: &[(usize, Expr)]) -> Result<()> {
        let (run, child) = (self.run, &self.child);
        let storage = run.storage();
        let mut made_here = version.xmin == storage.writing_id()?;
        let (mut place, mut old) = (version.place, std::mem::take(version.row));
        let checks = run.checks_of(child)?;
        loop {
            let mut new = old.clone();
            for (column, value) in set {
                new[*column] = run.evaluator.value(value, &[])?;
            }
            // What was dropped takes no room in the new version.
            for (value, column) in new.iter_mut().zip(&child.columns) {
                if column.dropped {
                    *value = Datum::Null;
                }
            }
            check_not_null(child, &new)?;
            check_row(&run.evaluator, child, &checks, &new)?;
            match storage.update(child, place, &new)? {
                Changed::Done(now) => {
                    let (old, new) = ((place, old.as_slice()), (now, new.as_slice()));
                    return run.execution.note_update(child, old, new, made_here);
                }
                Changed::Replaced(newest, row) if self.children().has(&row) => {
                    (place, old, made_here) = (newest, row, false);
                }
                Changed::Replaced(..) | Changed::Gone => return Ok(()),
            }
        }
    }
}
