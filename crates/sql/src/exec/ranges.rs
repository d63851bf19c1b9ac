//! From what an index looks up to ranges of its entries.
//!
//! The values are computed once, before the first entry is read. A comparison with NULL is never
//! true, so a NULL among them means that there is nothing to read, or one range less.

use std::cmp::Ordering;
use std::ops::Bound;

use access::btree::{Key, KeyColumn, KeyRange};
use smallvec::SmallVec;
use types::{ColumnType, Datum};

use super::Execution;
use crate::error::{Error, Result};
use crate::expr::eval::EvalContext;
use crate::plan::conditions::{Equal, Limit};
use crate::plan::path::IndexPath;
use crate::values::compare::ordering_of;

/// Ranges in the order in which they are to be read.
pub(super) type Ranges = SmallVec<[KeyRange; 1]>;

/// The values of the leading columns.
type Leading = SmallVec<[Datum; 4]>;

/// A side of the limits of a column: the tightest value, and whether that itself is in.
type Side = Option<(Datum, bool)>;

/// The entries that a path reads.
pub(super) fn ranges(execution: &Execution<'_>, path: &IndexPath) -> Result<Ranges> {
    let evaluator = execution.evaluator();
    let mut keys: SmallVec<[Leading; 1]> = SmallVec::from_iter([Leading::new()]);
    for equal in &path.equal {
        match equal {
            Equal::Value(value) => {
                let value = evaluator.value(value, &[])?;
                if value.is_null() {
                    return Ok(Ranges::new());
                }
                keys.iter_mut().for_each(|key| key.push(value.clone()));
            }
            Equal::Null => keys.iter_mut().for_each(|key| key.push(Datum::Null)),
            Equal::AnyOf(list) => keys = with_each(&keys, list, &evaluator)?,
        }
    }
    let ty = path.columns.get(path.equal.len()).map(|column| column.ty);
    let Some(sides) = sides(&evaluator, &path.limits, ty)? else { return Ok(Ranges::new()) };
    let mut prefixes: SmallVec<[Key; 1]> = SmallVec::new();
    for key in &keys {
        prefixes.push(encode(&path.columns, key)?);
    }
    if prefixes.len() > 1 {
        order(&mut prefixes, path.backward);
    }
    let bounded = path.not_null || !path.limits.is_empty();
    let mut ranges = Ranges::new();
    for prefix in prefixes {
        let range = if bounded {
            let key = prefix.decode(&path.columns).map_err(|_| unreadable())?;
            between(&path.columns, &key, &sides)?
        } else {
            KeyRange::starting_with(prefix)
        };
        if !range.is_empty() {
            ranges.push(range);
        }
    }
    Ok(ranges)
}

fn unreadable() -> Error {
    Error::internal("key that was just made cannot be read")
}

fn encode(columns: &[KeyColumn], values: &[Datum]) -> Result<Key> {
    Key::encode(columns, values).map_err(|error| Error::from_diagnostic(&error))
}

/// Every key with every value of a list behind it.
fn with_each(
    keys: &[Leading],
    list: &[crate::expr::Expr],
    evaluator: &EvalContext<'_>,
) -> Result<SmallVec<[Leading; 1]>> {
    let mut longer = SmallVec::new();
    for value in list {
        let value = evaluator.value(value, &[])?;
        if value.is_null() {
            continue;
        }
        for key in keys {
            let mut key = key.clone();
            key.push(value.clone());
            longer.push(key);
        }
    }
    Ok(longer)
}

/// Puts keys into the order of the index, each once.
fn order(prefixes: &mut SmallVec<[Key; 1]>, backward: bool) {
    prefixes.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    prefixes.dedup_by(|a, b| a.as_bytes() == b.as_bytes());
    if backward {
        prefixes.reverse();
    }
}

/// The tightest limits from below and above; `None`: one of them is NULL.
fn sides(
    evaluator: &EvalContext<'_>,
    limits: &[Limit],
    ty: Option<ColumnType>,
) -> Result<Option<[Side; 2]>> {
    let mut sides: [Side; 2] = [None, None];
    let Some(ty) = ty else { return Ok(Some(sides)) };
    let order = ordering_of(ty);
    for limit in limits {
        let value = evaluator.value(&limit.value, &[])?;
        if value.is_null() {
            return Ok(None);
        }
        let side = &mut sides[usize::from(!limit.lower)];
        let tighter = match side {
            None => true,
            Some((known, inclusive)) => match (order(&value, known), limit.lower) {
                (Ordering::Equal, _) => *inclusive && !limit.inclusive,
                (Ordering::Greater, lower) => lower,
                (Ordering::Less, lower) => !lower,
            },
        };
        if tighter {
            *side = Some((value, limit.inclusive));
        }
    }
    Ok(Some(sides))
}

/// The entries that begin with a key and whose next column is within limits, and so not NULL.
fn between(columns: &[KeyColumn], key: &[Datum], sides: &[Side; 2]) -> Result<KeyRange> {
    let Some(column) = columns.get(key.len()) else {
        return Err(Error::internal("limits of a column that the index does not have"));
    };
    let with = |value: Datum| {
        let mut longer = Leading::from(key);
        longer.push(value);
        encode(columns, &longer)
    };
    let bound = |(value, inclusive): &(Datum, bool)| {
        with(value.clone())
            .map(|key| if *inclusive { Bound::Included(key) } else { Bound::Excluded(key) })
    };
    let [low, high] = sides;
    let (first, last) = if column.descending { (high, low) } else { (low, high) };
    // Where no value bounds a side, NULLs do if they stand there.
    let start = match first {
        Some(side) => bound(side)?,
        None if column.nulls_first => Bound::Excluded(with(Datum::Null)?),
        None => Bound::Included(encode(columns, key)?),
    };
    let end = match last {
        Some(side) => bound(side)?,
        None if column.nulls_first => Bound::Included(encode(columns, key)?),
        None => Bound::Excluded(with(Datum::Null)?),
    };
    Ok(KeyRange::new(start, end))
}
