//! Statistics of one column from the values of a sample.

use std::cmp::Ordering;

use types::{ColumnType, Datum};

use super::ColumnStatistics;
use crate::values::compare::ordering_of;

/// Values longer than this are counted, but not kept.
const WIDTH_MAX: usize = 1024;

/// Equal values of the sample, in their order.
struct Run {
    /// Where in the sorted values they begin.
    start: usize,
    count: usize,
}

/// What a pass over the sorted values finds.
struct Pass {
    runs: Vec<Run>,
    /// Distinct values that appear more than once.
    repeated: usize,
}

/// The numbers of a sample.
struct Size {
    /// Rows of the sample.
    sampled: f64,
    /// Rows of the table.
    total: f64,
    nulls: f64,
    /// Values too long to be kept, each taken for distinct.
    long: usize,
}

/// Computes the statistics of a column from the values of a sample, which stand in the order of
/// their rows. `total` estimates the rows of the table; `target` is how much may be kept.
pub(crate) fn gather(
    values: Vec<Datum>,
    ty: ColumnType,
    total: f64,
    target: usize,
) -> ColumnStatistics {
    let sampled = values.len();
    if sampled == 0 {
        return ColumnStatistics::default();
    }
    let (mut width, mut nulls, mut long) = (0, 0, 0);
    let mut kept: Vec<(Datum, usize)> = Vec::with_capacity(sampled);
    for (row, value) in values.into_iter().enumerate() {
        let bytes = size_of(&value);
        width += bytes;
        match value {
            Datum::Null => nulls += 1,
            _ if bytes > WIDTH_MAX => long += 1,
            value => kept.push((value, row)),
        }
    }
    let present = sampled - nulls;
    let size = Size { sampled: sampled as f64, total, nulls: nulls as f64, long };
    let mut statistics = ColumnStatistics {
        null_fraction: size.nulls / size.sampled,
        width: (width as f64 / present.max(1) as f64).round() as u32,
        ..ColumnStatistics::default()
    };
    if present == 0 {
        return statistics;
    }
    let order = ordering_of(ty);
    kept.sort_by(|(a, row), (b, other)| order(a, b).then(row.cmp(other)));
    statistics.correlation = correlation(&kept);
    let pass = runs(&kept, order);
    statistics.distinct = distinct(&pass, &size);
    let common = common(&pass, &size, statistics.distinct, target);
    statistics.common = common
        .iter()
        .map(|run| (kept[run.start].0.clone(), run.count as f64 / size.sampled))
        .collect();
    let rest = without(&kept, &pass, common);
    statistics.histogram = histogram(&rest, pass.runs.len() - statistics.common.len(), target);
    statistics
}

fn runs(sorted: &[(Datum, usize)], order: fn(&Datum, &Datum) -> Ordering) -> Pass {
    let mut runs: Vec<Run> = Vec::new();
    for (at, (value, _)) in sorted.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if order(&sorted[run.start].0, value) == Ordering::Equal => run.count += 1,
            _ => runs.push(Run { start: at, count: 1 }),
        }
    }
    let repeated = runs.iter().filter(|run| run.count > 1).count();
    Pass { runs, repeated }
}

/// The number of distinct values: Haas and Stokes, "Sampling-based estimation of the number of
/// distinct values of an attribute" (VLDB 1995), their estimator Duj1.
fn distinct(pass: &Pass, size: &Size) -> f64 {
    let present_share = 1.0 - size.nulls / size.sampled;
    let found = pass.runs.len() + size.long;
    if pass.repeated == 0 {
        // No value came twice: all are different, in the table too.
        return -present_share;
    }
    let estimate = if size.long == 0 && pass.repeated == pass.runs.len() {
        // Every value came twice or more: there are likely no others.
        found as f64
    } else {
        let sampled = size.sampled - size.nulls;
        let once = (found - pass.repeated) as f64;
        let total = size.total * present_share;
        let denominator = sampled - once + once * sampled / total.max(1.0);
        let estimate = sampled * found as f64 / denominator.max(f64::MIN_POSITIVE);
        estimate.clamp(found as f64, total.max(found as f64)).round()
    };
    // A tenth of the rows and more: it will grow with the table.
    if estimate > 0.1 * size.total { -(estimate / size.total) } else { estimate }
}

/// The runs whose values are worth keeping as common, the most common first.
fn common<'p>(pass: &'p Pass, size: &Size, distinct: f64, target: usize) -> Vec<&'p Run> {
    let mut candidates: Vec<&Run> = pass.runs.iter().filter(|run| run.count > 1).collect();
    // Among equally common ones the lesser value first: the order is the same every time.
    candidates.sort_by_key(|run| std::cmp::Reverse(run.count));
    candidates.truncate(target);
    let all = candidates.len() == pass.runs.len() && size.long == 0 && distinct > 0.0;
    if !all {
        let kept = how_many_stand_out(&candidates, size, distinct);
        candidates.truncate(kept);
    }
    candidates
}

/// How many of the candidates are more common than the values behind them: by at least two standard
/// deviations of a draw without replacement.
fn how_many_stand_out(candidates: &[&Run], size: &Size, distinct: f64) -> usize {
    let (n, total) = (size.sampled, size.total);
    if n >= total || total <= 1.0 {
        return candidates.len();
    }
    let distinct = if distinct < 0.0 { -distinct * total } else { distinct };
    let mut before: f64 = candidates.iter().map(|run| run.count as f64).sum();
    for kept in (1..=candidates.len()).rev() {
        let count = candidates[kept - 1].count as f64;
        before -= count;
        let others = (distinct - (kept - 1) as f64).max(1.0);
        let share = (1.0 - (before + size.nulls) / n).clamp(0.0, 1.0) / others;
        let in_table = total * count / n;
        let variance =
            n * in_table * (total - in_table) * (total - n) / (total * total * (total - 1.0));
        if count > share * n + 2.0 * variance.max(0.0).sqrt() + 0.5 {
            return kept;
        }
    }
    0
}

/// The sorted values but for those of the common runs.
fn without<'v>(sorted: &'v [(Datum, usize)], pass: &Pass, mut common: Vec<&Run>) -> Vec<&'v Datum> {
    common.sort_by_key(|run| run.start);
    let mut common = common.into_iter().peekable();
    let mut rest = Vec::with_capacity(sorted.len());
    for run in &pass.runs {
        if common.next_if(|common| common.start == run.start).is_none() {
            rest.extend(sorted[run.start..run.start + run.count].iter().map(|(value, _)| value));
        }
    }
    rest
}

/// At most `target` parts of equally many values each.
fn histogram(rest: &[&Datum], distinct: usize, target: usize) -> Vec<Datum> {
    let bounds = distinct.min(target + 1);
    if bounds < 2 {
        return Vec::new();
    }
    let bound = |number: usize| rest[number * (rest.len() - 1) / (bounds - 1)].clone();
    (0..bounds).map(bound).collect()
}

/// The correlation of a value's place among the sorted ones with its place in the table.
fn correlation(sorted: &[(Datum, usize)]) -> Option<f64> {
    if sorted.len() < 2 {
        return None;
    }
    let n = sorted.len() as f64;
    // Places in the table among those kept: 0, 1, 2, … in the order of their rows.
    let mut by_row: Vec<usize> = (0..sorted.len()).collect();
    by_row.sort_unstable_by_key(|&at| sorted[at].1);
    let products: f64 = by_row.iter().enumerate().map(|(row, &at)| row as f64 * at as f64).sum();
    let sum = n * (n - 1.0) / 2.0;
    let squares = n * (n - 1.0) * (2.0 * n - 1.0) / 6.0;
    Some((n * products - sum * sum) / (n * squares - sum * sum))
}

/// Bytes of a value in a row.
fn size_of(value: &Datum) -> usize {
    match value {
        Datum::Null => 0,
        Datum::Bool(_) => 1,
        Datum::Int2(_) => 2,
        Datum::Int4(_) | Datum::Float4(_) | Datum::Date(_) | Datum::Oid(_) => 4,
        Datum::Int8(_)
        | Datum::Float8(_)
        | Datum::Timestamp(_)
        | Datum::Timestamptz(_)
        | Datum::PgLsn(_) => 8,
        Datum::Text(text) => text.len() + 2,
        Datum::Bytea(bytes) => bytes.len() + 2,
        // Columns cannot be of this type.
        Datum::Numeric(_) => 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(values: impl IntoIterator<Item = i32>) -> Vec<Datum> {
        values.into_iter().map(Datum::Int4).collect()
    }

    fn of(values: Vec<Datum>, total: f64, target: usize) -> ColumnStatistics {
        gather(values, ColumnType::Int4, total, target)
    }

    #[test]
    fn unique_values_make_a_histogram() {
        let found = of(ints(0..1000), 1000.0, 100);
        assert_eq!((found.distinct, found.null_fraction, found.width), (-1.0, 0.0, 4));
        assert!(found.common.is_empty());
        assert_eq!(found.histogram.len(), 101);
        assert_eq!(
            (&found.histogram[0], &found.histogram[100]),
            (&Datum::Int4(0), &Datum::Int4(999))
        );
        assert_eq!(found.correlation, Some(1.0));
        let reversed = of(ints((0..1000).rev()), 1000.0, 100);
        assert_eq!(reversed.correlation, Some(-1.0));
    }

    #[test]
    fn few_values_are_all_common() {
        let found = of(ints((0..900).map(|n| if n % 3 == 0 { 1 } else { 2 })), 900.0, 100);
        assert_eq!(found.distinct, 2.0);
        assert_eq!(found.common[0].0, Datum::Int4(2));
        assert!((found.common[0].1 - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(found.common.len(), 2);
        assert!(found.histogram.is_empty());
    }

    #[test]
    fn a_common_value_stands_out_of_unique_ones() {
        let values = (0..1000).map(|n| if n % 2 == 0 { -7 } else { n });
        let found = of(ints(values), 100_000.0, 10);
        assert_eq!(found.common.len(), 1);
        assert!((found.common[0].1 - 0.5).abs() < 1e-9);
        assert_eq!(found.histogram.len(), 11);
        assert!(found.histogram.iter().all(|value| *value != Datum::Int4(-7)));
        // 1000 × 501 / (1000 - 500 + 500 × 1000 / 100,000), by the paper.
        assert_eq!(found.distinct, 992.0);
    }

    #[test]
    fn a_sample_of_values_that_repeat_is_not_taken_for_all_of_them() {
        // 1000 rows of 100,000, drawn from 5,000 values.
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % 5000) as i32
        };
        let found = of(ints((0..1000).map(|_| draw())), 100_000.0, 100);
        let distinct = found.distinct_of(100_000.0).expect("known");
        assert!((1000.0..20_000.0).contains(&distinct), "{distinct}");
    }

    #[test]
    fn nulls_and_long_values_are_counted_and_not_kept() {
        let mut values = vec![Datum::Null; 50];
        values.extend((0..25).map(|_| Datum::Text("x".repeat(2000))));
        values.extend((0..25).map(|n| Datum::Text(format!("{n:02}"))));
        let found = gather(values, ColumnType::Text, 100.0, 100);
        assert_eq!((found.null_fraction, found.distinct), (0.5, -0.5));
        assert_eq!(found.histogram.len(), 25);
        assert_eq!(found.width, (25 * 2002 + 25 * 4) / 50);
        assert_eq!(of(vec![Datum::Null; 3], 3.0, 100).null_fraction, 1.0);
        assert_eq!(of(Vec::new(), 0.0, 100), ColumnStatistics::default());
    }
}
