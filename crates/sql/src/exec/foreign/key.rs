//! Values of a key on both sides of a foreign key, which may be of different types.
//!
//! They are compared as values of the column that is referred to, whose unique index says which are
//! equal. A value that this type does not have, such as 70000 as a smallint, refers to nothing.

use std::cmp::Ordering;

use types::{ColumnType, Datum};

use crate::bind::coerce::{Context, can_coerce};
use crate::values::compare::{order, ordering_of};
use crate::values::convert::convert;
use crate::values::names::base;

/// The values of a column that may be equal to one of the column that it refers to.
#[derive(Debug, PartialEq)]
pub(super) enum Sought {
    /// This one.
    Value(Datum),
    /// None.
    Nothing,
    /// Several.
    Several,
}

/// Whether two values of one column are the same, as far as foreign keys care.
pub(super) fn is_same(a: Option<&Datum>, b: Option<&Datum>) -> bool {
    match (a, b) {
        (Some(Datum::Null) | None, Some(Datum::Null) | None) => true,
        (Some(Datum::Null) | None, _) | (_, Some(Datum::Null) | None) => false,
        (Some(a), Some(b)) => order(a, b) == Ordering::Equal,
    }
}

/// Whether two values of a type are equal.
pub(super) fn is_equal(ty: ColumnType, a: &Datum, b: &Datum) -> bool {
    ordering_of(ty)(a, b) == Ordering::Equal
}

fn is_one_of(ty: ColumnType, family: &[ColumnType]) -> bool {
    family.contains(&base(ty))
}

/// Whether all three types are ordered together, without loss.
fn same_family(a: ColumnType, b: ColumnType) -> bool {
    use ColumnType::{Date, Float4, Float8, Int2, Int4, Int8, Timestamp, Timestamptz};
    [[Int2, Int4, Int8].as_slice(), &[Float4, Float8], &[Date, Timestamp, Timestamptz]]
        .into_iter()
        .any(|family| is_one_of(a, family) && is_one_of(b, family))
}

/// Whether a column of a type can refer to one of another.
pub(super) fn can_refer(child: ColumnType, parent: ColumnType) -> bool {
    same_family(child, parent) || can_coerce(child, parent, Context::Implicit)
}

/// A value of a column as one of the column that it refers to; `None`: that has no such value.
pub(super) fn as_parent(value: &Datum, child: ColumnType, parent: ColumnType) -> Option<Datum> {
    let (child, parent) = (base(child), base(parent));
    if child == parent {
        return Some(value.clone());
    }
    let there = convert(value, child, parent).ok()?;
    if !same_family(child, parent) {
        return Some(there);
    }
    // It must be the same value, not one near it.
    let back = convert(&there, parent, child).ok()?;
    is_equal(child, &back, value).then_some(there)
}

/// What a column that refers to another may have where that has a value.
pub(super) fn as_child(value: &Datum, parent: ColumnType, child: ColumnType) -> Sought {
    let (child, parent) = (base(child), base(parent));
    let is_text = |ty| matches!(ty, ColumnType::Text | ColumnType::Varchar(_));
    if child == parent || (is_text(child) && is_text(parent)) {
        return Sought::Value(value.clone());
    }
    if !same_family(child, parent) {
        return Sought::Several;
    }
    as_parent(value, parent, child).map_or(Sought::Nothing, Sought::Value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ColumnType as T;

    #[test]
    fn a_value_that_the_other_type_does_not_have_refers_to_nothing() {
        let big = Datum::Int8(70_000);
        assert_eq!(as_parent(&big, T::Int8, T::Int2), None);
        assert_eq!(as_parent(&big, T::Int8, T::Int4), Some(Datum::Int4(70_000)));
        assert_eq!(as_child(&big, T::Int8, T::Int2), Sought::Nothing);
        assert_eq!(as_parent(&Datum::Float8(0.1), T::Float8, T::Float4), None);
        assert_eq!(as_parent(&Datum::Float8(0.5), T::Float8, T::Float4), Some(Datum::Float4(0.5)));
        assert_eq!(as_parent(&Datum::Timestamp(1), T::Timestamp, T::Date), None);
        assert_eq!(as_parent(&Datum::Timestamp(0), T::Timestamp, T::Date), Some(Datum::Date(0)));
    }

    #[test]
    fn only_types_that_lose_nothing_can_refer() {
        for (child, parent) in [
            (T::Int8, T::Int2),
            (T::Int4, T::Float8),
            (T::Bpchar(3), T::Text),
            (T::Text, T::Varchar(None)),
        ] {
            assert!(can_refer(child, parent), "{child:?} {parent:?}");
        }
        for (child, parent) in [(T::Float8, T::Int4), (T::Text, T::Int4), (T::Int4, T::Text)] {
            assert!(!can_refer(child, parent), "{child:?} {parent:?}");
        }
    }

    #[test]
    fn several_texts_are_one_when_blanks_do_not_count() {
        let text = |text: &str| Datum::Text(text.to_owned());
        assert_eq!(as_child(&text("a"), T::Bpchar(3), T::Text), Sought::Several);
        assert_eq!(as_child(&text("a"), T::Varchar(None), T::Text), Sought::Value(text("a")));
        assert_eq!(as_parent(&text("a  "), T::Bpchar(3), T::Text), Some(text("a")));
    }
}
