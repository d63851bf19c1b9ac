//! Conditions over two columns whose values are known, and what share of them is estimated.

use super::*;
use crate::statistics::gather;

fn column(at: usize, ty: ColumnType) -> Expr {
    Expr::new(Node::Column(at), ty)
}

fn int(value: i32) -> Expr {
    Expr::constant(Datum::Int4(value), ColumnType::Int4)
}

fn text(value: &str) -> Expr {
    Expr::constant(Datum::Text(value.to_owned()), ColumnType::Text)
}

/// The function of that name for the types of its arguments.
fn compare_by(name: &str, left: Expr, right: Expr) -> Expr {
    let types = [left.ty, right.ty];
    let function = crate::functions::named(name)
        .iter()
        .copied()
        .find(|function| function.args == types.as_slice())
        .unwrap_or_else(|| panic!("{name} of {types:?}"));
    let node = Node::Call { function: crate::expr::FunctionRef(function), args: vec![left, right] };
    Expr::new(node, ColumnType::Bool)
}

fn n(operator: &str, value: i32) -> Expr {
    compare_by(operator, column(0, ColumnType::Int4), int(value))
}

fn s(operator: &str, value: &str) -> Expr {
    compare_by(operator, column(1, ColumnType::Text), text(value))
}

fn and(parts: Vec<Expr>) -> Expr {
    Expr::new(Node::And(parts), ColumnType::Bool)
}

/// n: 0 to 999, a tenth of them 7 besides; s: ten names, a quarter NULL.
fn statistics() -> Vec<Option<ColumnStatistics>> {
    let n = (0..1000).map(|n| if n % 10 == 0 { 7 } else { n }).map(Datum::Int4).collect();
    let s = (0..1000).map(|n| match n % 4 {
        0 => Datum::Null,
        _ => Datum::Text(format!("name-{}", n % 10)),
    });
    vec![
        Some(gather(n, ColumnType::Int4, 10_000.0, 100)),
        Some(gather(s.collect(), ColumnType::Text, 10_000.0, 100)),
    ]
}

fn share(condition: &Expr) -> f64 {
    let columns = statistics();
    selectivity(condition, Known { rows: 10_000.0, columns: &columns, unique: &[] })
}

fn near(condition: &Expr, expected: f64, tolerance: f64) {
    let got = share(condition);
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
}

#[test]
fn equality_knows_common_values_and_averages_the_others() {
    near(&n("=", 7), 0.101, 0.001);
    assert!(share(&n("=", 123)) < 0.002);
    near(&n("<>", 7), 0.899, 0.001);
    near(&s("=", "name-1"), 0.1, 0.051);
    let null = Expr::constant(Datum::Null, ColumnType::Int4);
    near(&compare_by("=", column(0, ColumnType::Int4), null), 0.0, 0.0);
    let parameter = Expr::new(Node::Param(0), ColumnType::Int4);
    assert!(share(&compare_by("=", column(0, ColumnType::Int4), parameter)) < 0.005);
}

#[test]
fn ranges_follow_the_histogram() {
    near(&n("<", 500), 0.55, 0.02);
    near(&n(">", 500), 0.45, 0.02);
    near(&n("<", -5), 0.0, 0.001);
    near(&n(">=", -5), 1.0, 0.001);
    near(&n("<=", 7), 0.108, 0.01);
    near(&compare_by(">", int(500), column(0, ColumnType::Int4)), 0.55, 0.02);
    near(&and(vec![n(">", 400), n("<", 500)]), 0.09, 0.02);
    assert!(share(&and(vec![n(">", 500), n("<", 400)])) < 0.001, "an empty range");
}

#[test]
fn lists_nulls_and_logic() {
    let list = |negated| {
        let equal = match n("=", 1).node {
            Node::Call { function, .. } => function,
            _ => panic!("a call"),
        };
        let left = Box::new(column(0, ColumnType::Int4));
        let node = Node::InList { equal, left, list: vec![int(7), int(8)], negated };
        Expr::new(node, ColumnType::Bool)
    };
    near(&list(false), 0.102, 0.002);
    near(&list(true), 0.898, 0.002);
    let null = |negated| {
        let arg = Box::new(column(1, ColumnType::Text));
        Expr::new(Node::IsNull { arg, negated }, ColumnType::Bool)
    };
    near(&null(false), 0.25, 0.001);
    near(&null(true), 0.75, 0.001);
    near(&and(vec![n("=", 7), null(true)]), 0.101 * 0.75, 0.001);
    near(&Expr::new(Node::Or(vec![n("=", 7), null(false)]), ColumnType::Bool), 0.326, 0.002);
    near(&Expr::new(Node::Not(Box::new(n("=", 7))), ColumnType::Bool), 0.899, 0.001);
}

#[test]
fn patterns_by_what_they_begin_with() {
    near(&s("~~", "name-%"), 0.75, 0.001);
    near(&s("~~", "other%"), 0.0, 0.001);
    near(&s("!~~", "name-%"), 0.0, 0.001);
    near(&s("~~", "name-3"), 0.1, 0.051);
    let values = (0..3000).map(|n| Datum::Text(format!("{:04}", n * 3))).collect();
    let columns = [None, Some(gather(values, ColumnType::Text, 3000.0, 10))];
    let known = Known { rows: 3000.0, columns: &columns, unique: &[] };
    let tenth = selectivity(&s("~~", "1%"), known);
    assert!((0.08..0.15).contains(&tenth), "{tenth}");
    assert!(selectivity(&s("~~", "1%7%"), known) <= tenth);
}

#[test]
fn without_statistics_the_guesses_are_the_usual_ones() {
    let guess = |condition: &Expr, unique: &[usize]| {
        selectivity(condition, Known { rows: 100.0, columns: &[], unique })
    };
    assert_eq!(guess(&n("=", 1), &[]), EQUAL);
    assert_eq!(guess(&n("=", 1), &[0]), 0.01, "one row");
    assert_eq!(guess(&n("<", 1), &[]), LESS);
    assert_eq!(guess(&and(vec![n("<", 1), n(">", 0)]), &[]), RANGE);
    assert_eq!(guess(&s("~~", "a%"), &[]), MATCH);
    assert_eq!(guess(&column(2, ColumnType::Bool), &[]), OTHER);
}
