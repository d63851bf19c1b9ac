//! `FOR UPDATE`, `FOR NO KEY UPDATE`, `FOR SHARE`, `FOR KEY SHARE`.
//!
//! sqlparser knows two of the four. So the parser writes `FOR KEY SHARE OF t` as
//! `FOR SHARE OF <mark>.t` ([`WEAK_LOCK`]), and here the mark is taken off again.

use sqlparser::ast::{
    GroupByExpr, LockClause, LockType, NonBlock, ObjectName, Query as AstQuery, Select, SetExpr,
    Spanned,
};
use txn::RowLockMode;
use types::SqlState;

use super::BindContext;
use super::names::object_name;
use crate::error::{Error, Result};
use crate::parse::WEAK_LOCK;
use crate::planned::{Distinct, Locking, Query, RowSource, RowWait};

/// The table that a clause names, in parts and as it stands.
type Named<'a> = Option<(Vec<String>, &'a ObjectName)>;

/// What the locking clauses of a query ask for together, and the tables that they name.
pub(super) struct Wanted<'a> {
    locking: Locking,
    clauses: Vec<(RowLockMode, Named<'a>)>,
}

/// Reads the locking clauses of a query; `None`: there are none.
pub(super) fn locking_of(query: &AstQuery) -> Result<Option<Wanted<'_>>> {
    let mut wanted: Option<Wanted<'_>> = None;
    for LockClause { lock_type, of, nonblock } in &query.locks {
        let mut names =
            of.as_ref().map(|of| object_name(of).map(|names| (names, of))).transpose()?;
        let weak = names.as_ref().is_some_and(|(n, _)| n.first().is_some_and(|n| n == WEAK_LOCK));
        if weak && let Some((parts, _)) = &mut names {
            parts.remove(0);
        }
        let mode = match (lock_type, weak) {
            (LockType::Update, false) => RowLockMode::Update,
            (LockType::Update, true) => RowLockMode::NoKeyUpdate,
            (LockType::Share, false) => RowLockMode::Share,
            (LockType::Share, true) => RowLockMode::KeyShare,
        };
        let wait = match nonblock {
            None => RowWait::Block,
            Some(NonBlock::SkipLocked) => RowWait::Skip,
            Some(NonBlock::Nowait) => RowWait::Error,
        };
        refuse(&query.body, mode)?;
        let names = names.filter(|(parts, _)| !parts.is_empty());
        let all = wanted
            .get_or_insert_with(|| Wanted { locking: Locking { mode, wait }, clauses: Vec::new() });
        all.locking.mode = all.locking.mode.max(mode);
        all.locking.wait = all.locking.wait.max(wait);
        all.clauses.push((mode, names));
    }
    Ok(wanted)
}

/// `0A000` where rows of the result are no rows of a table.
fn refuse(body: &SetExpr, mode: RowLockMode) -> Result<()> {
    let clause = clause(mode);
    let refused = match body {
        SetExpr::SetOperation { .. } => "is not allowed with UNION/INTERSECT/EXCEPT",
        SetExpr::Values(_) => "cannot be applied to VALUES",
        SetExpr::Select(select) => match refused_with(select) {
            Some(what) => what,
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{clause} {refused}")))
}

fn refused_with(select: &Select) -> Option<&'static str> {
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(exprs, _) => !exprs.is_empty(),
        GroupByExpr::All(_) => true,
    };
    if select.distinct.is_some() {
        Some("is not allowed with DISTINCT clause")
    } else if grouped {
        Some("is not allowed with GROUP BY clause")
    } else if select.having.is_some() {
        Some("is not allowed with HAVING clause")
    } else {
        None
    }
}

/// The clause by its name.
pub(crate) fn clause(mode: RowLockMode) -> &'static str {
    match mode {
        RowLockMode::KeyShare => "FOR KEY SHARE",
        RowLockMode::Share => "FOR SHARE",
        RowLockMode::NoKeyUpdate => "FOR NO KEY UPDATE",
        RowLockMode::Update => "FOR UPDATE",
    }
}

/// Refuses locking clauses that make no sense in a query, which has not been flattened.
pub(super) fn check(context: &BindContext<'_>, wanted: &Wanted<'_>, query: &Query) -> Result<()> {
    for (mode, names) in &wanted.clauses {
        let clause = clause(*mode);
        if query.grouping.is_some() {
            let message = format!("{clause} is not allowed with aggregate functions");
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let Some((parts, name)) = names else { continue };
        let position = context.source.position(name.span().start);
        let [part] = parts.as_slice() else {
            let message = format!("{clause} must specify unqualified relation names");
            return Err(Error::syntax(message).at(position));
        };
        let known = match &query.source {
            RowSource::Table(table) => Some(table.known_as()),
            RowSource::Query(derived) => Some(derived.alias.as_str()),
            _ => None,
        };
        if known != Some(part.as_str()) {
            let message =
                format!("relation \"{part}\" in {clause} clause not found in FROM clause");
            return Err(Error::new(SqlState::UNDEFINED_TABLE, message).at(position));
        }
    }
    if let RowSource::Table(source) = &query.source
        && let catalog::TableKind::Sequence(_) = source.table.kind
    {
        let message = format!("cannot lock rows in sequence \"{}\"", source.table.name);
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    Ok(())
}

/// `0A000` for a query in FROM, or a view, whose rows are no rows of a table.
fn refuse_derived(query: &Query, mode: RowLockMode) -> Error {
    let clause = clause(mode);
    let with = match (&query.distinct, &query.grouping) {
        (Distinct::All | Distinct::On(_), _) => "DISTINCT clause",
        (_, Some(grouping)) if grouping.grouped => "GROUP BY clause",
        (_, Some(grouping)) if grouping.having.is_some() => "HAVING clause",
        (_, Some(_)) => "aggregate functions",
        (_, None) => {
            let what = format!("{clause} of a query that does more than choose rows of a table");
            return Error::unsupported(what);
        }
    };
    let message = format!("{clause} is not allowed with {with}");
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
}

/// Has a bound query lock its rows.
pub(super) fn apply(wanted: Option<Wanted<'_>>, mut query: Query) -> Result<Query> {
    let Some(Wanted { locking, .. }) = wanted else { return Ok(query) };
    query.locking = match &query.source {
        // Rows that the server makes are no rows that one could lock.
        RowSource::Table(table) => {
            Some(locking).filter(|_| table.table.kind != catalog::TableKind::Virtual)
        }
        RowSource::Query(derived) => return Err(refuse_derived(&derived.query, locking.mode)),
        _ => None,
    };
    Ok(query)
}
