//! Sorting of rows in memory, in steps between which it can be interrupted.
//!
//! Runs of [`RUN`] rows are sorted, then neighbouring runs are merged until there is one. A
//! comparison that gave up in the midst of a sort would lie about the order; so interrupts are
//! looked for between runs, and between the rows of a merge.

use std::cmp::Ordering;

use types::Row;

use crate::error::Result;
use crate::interrupts;
use crate::planned::Query;
use crate::values::compare::ordering_of;

/// Rows that are sorted at a stretch.
const RUN: usize = 4096;

/// Sorts rows by the keys of a query; equal rows keep their order. After an error some are lost.
pub(super) fn sort(rows: &mut Vec<Row>, query: &Query) -> Result<()> {
    let keys: Vec<_> =
        query.sort.iter().map(|key| (*key, ordering_of(query.targets[key.target].ty))).collect();
    let compare = |a: &Row, b: &Row| {
        for (key, order) in &keys {
            let (a, b) = (&a[key.target], &b[key.target]);
            let decided = match (a.is_null(), b.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) if key.nulls_first => Ordering::Less,
                (true, false) => Ordering::Greater,
                (false, true) if key.nulls_first => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) if key.descending => order(b, a),
                (false, false) => order(a, b),
            };
            if decided.is_ne() {
                return decided;
            }
        }
        Ordering::Equal
    };
    sort_by(rows, RUN, &compare, &mut interrupts::check)
}

fn sort_by<T>(
    rows: &mut Vec<T>,
    mut run: usize,
    compare: &impl Fn(&T, &T) -> Ordering,
    check: &mut impl FnMut() -> Result<()>,
) -> Result<()> {
    for rows in rows.chunks_mut(run) {
        check()?;
        rows.sort_by(compare);
    }
    let count = rows.len();
    while run < count {
        let mut from = std::mem::take(rows).into_iter();
        rows.reserve_exact(count);
        while from.len() > 0 {
            let left: Vec<T> = from.by_ref().take(run).collect();
            let right: Vec<T> = from.by_ref().take(run).collect();
            merge(left, right, rows, compare, check)?;
        }
        run = run.saturating_mul(2);
    }
    Ok(())
}

fn merge<T>(
    left: Vec<T>,
    right: Vec<T>,
    out: &mut Vec<T>,
    compare: &impl Fn(&T, &T) -> Ordering,
    check: &mut impl FnMut() -> Result<()>,
) -> Result<()> {
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let right_first = compare(a, b).is_gt();
        out.extend(if right_first { right.next() } else { left.next() });
        if out.len().is_multiple_of(RUN) {
            check()?;
        }
    }
    out.extend(left);
    out.extend(right);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn rows_are_sorted_and_equal_ones_keep_their_order() {
        for count in [0, 1, 7, 8, 9, 64, 1000] {
            let mut rows: Vec<(usize, usize)> =
                (0..count).map(|number| (number * 7919 % 13, number)).collect();
            let by_key = |a: &(usize, usize), b: &(usize, usize)| a.0.cmp(&b.0);
            sort_by(&mut rows, 8, &by_key, &mut || Ok(())).expect("nobody interrupts");
            assert!(rows.is_sorted(), "{count}: {rows:?}");
            assert_eq!(rows.len(), count);
        }
    }

    #[test]
    fn a_sort_can_be_interrupted_at_each_of_its_steps() {
        let numbers: Vec<usize> = (0..3 * RUN).map(|number| number * 7919 % 1009).collect();
        let mut steps = 0;
        let mut after = 0usize;
        loop {
            let mut left = after;
            let mut check = || {
                left = left.checked_sub(1).ok_or_else(|| Error::internal("stop"))?;
                Ok(())
            };
            let mut rows = numbers.clone();
            if sort_by(&mut rows, RUN, &usize::cmp, &mut check).is_ok() {
                assert!(rows.is_sorted());
                break;
            }
            steps += 1;
            after += 1;
        }
        assert!(steps > 5, "{steps}");
    }
}
