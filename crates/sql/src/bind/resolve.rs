//! Which of the functions or operators of a name a call means: PostgreSQL's rules
//! (`func_select_candidate`, documentation chapter "Type Conversion").
//!
//! 1. An entry with exactly the types of the arguments wins.
//! 2. Else those are kept that the arguments can be cast to implicitly.
//! 3. Of these, those with the most exact matches; then those with the most preferred types where
//!    a cast is needed.
//! 4. A literal without a type counts as text if a candidate wants text there, else as what all
//!    candidates agree on; then the preferred type of that category decides.
//! 5. At last literals are taken to have the type of the known arguments, if those are all alike.

use types::ColumnType;

use super::coerce::{Category, Context, can_coerce, category, is_preferred};
use crate::functions::Function;
use crate::values::names::base;

/// What was found.
pub(crate) enum Resolution {
    /// This one.
    One(&'static Function),
    /// None fits.
    None,
    /// Several fit equally well.
    Ambiguous,
}

/// As operators and functions take it: there are none of varchar, which is text to them.
pub(crate) fn operand_type(ty: ColumnType) -> ColumnType {
    match base(ty) {
        ColumnType::Varchar(_) => ColumnType::Text,
        other => other,
    }
}

/// The entry that a call with arguments of these types means.
pub(crate) fn resolve(
    candidates: &'static [&'static Function],
    types: &[ColumnType],
    is_operator: bool,
) -> Resolution {
    let types: Vec<ColumnType> = types.iter().map(|ty| operand_type(*ty)).collect();
    if let Some(function) = exact(candidates, &types, is_operator) {
        return Resolution::One(function);
    }
    let mut fitting: Vec<&'static Function> =
        candidates.iter().copied().filter(|function| fits(function, &types)).collect();
    match fitting.as_slice() {
        [] => return Resolution::None,
        [one] => return Resolution::One(one),
        _ => {}
    }
    keep_best(&mut fitting, |function| count(function, &types, |wanted, given| wanted == given));
    if let [one] = fitting.as_slice() {
        return Resolution::One(one);
    }
    keep_best(&mut fitting, |function| {
        count(function, &types, |wanted, given| wanted == given || is_preferred(wanted))
    });
    if let [one] = fitting.as_slice() {
        return Resolution::One(one);
    }
    if !types.contains(&ColumnType::Unknown) {
        return Resolution::Ambiguous;
    }
    by_category(&mut fitting, &types);
    if let [one] = fitting.as_slice() {
        return Resolution::One(one);
    }
    alike(&fitting, &types)
}

fn exact(
    candidates: &'static [&'static Function],
    types: &[ColumnType],
    is_operator: bool,
) -> Option<&'static Function> {
    // An operand without a type is tried as one of the type of the other.
    let assumed: Vec<ColumnType> = match types {
        [ColumnType::Unknown, other] | [other, ColumnType::Unknown] if is_operator => {
            vec![*other, *other]
        }
        other => other.to_vec(),
    };
    candidates.iter().copied().find(|function| function.args == assumed && !function.variadic)
}

fn fits(function: &Function, types: &[ColumnType]) -> bool {
    let count_fits = if function.variadic {
        types.len() >= function.args.len()
    } else {
        types.len() == function.args.len()
    };
    count_fits
        && function
            .args
            .iter()
            .zip(types)
            .all(|(wanted, given)| can_coerce(*given, *wanted, Context::Implicit))
}

/// At how many places the argument is known and satisfies `is`.
fn count(
    function: &Function,
    types: &[ColumnType],
    is: impl Fn(ColumnType, ColumnType) -> bool,
) -> usize {
    let places = function.args.iter().zip(types);
    places.filter(|(wanted, given)| **given != ColumnType::Unknown && is(**wanted, **given)).count()
}

fn keep_best(fitting: &mut Vec<&'static Function>, score: impl Fn(&Function) -> usize) {
    let best = fitting.iter().map(|function| score(function)).max().unwrap_or(0);
    fitting.retain(|function| score(function) == best);
}

/// Rule 4; leaves the candidates alone where it does not decide.
fn by_category(fitting: &mut Vec<&'static Function>, types: &[ColumnType]) {
    let mut kept = fitting.clone();
    for (place, given) in types.iter().enumerate() {
        if *given != ColumnType::Unknown {
            continue;
        }
        let wanted = |function: &Function| function.args.get(place).copied();
        let categories: Vec<Category> =
            fitting.iter().filter_map(|function| wanted(function)).map(category).collect();
        let chosen = if categories.contains(&Category::Text) {
            Category::Text
        } else if categories.windows(2).all(|pair| pair[0] == pair[1]) {
            match categories.first() {
                Some(first) => *first,
                None => return,
            }
        } else {
            return;
        };
        let in_category =
            |function: &Function| wanted(function).is_some_and(|wanted| category(wanted) == chosen);
        let preferred = |function: &Function| {
            in_category(function) && wanted(function).is_some_and(is_preferred)
        };
        let has_preferred = fitting.iter().any(|function| preferred(function));
        kept.retain(
            |function| {
                if has_preferred { preferred(function) } else { in_category(function) }
            },
        );
    }
    if !kept.is_empty() {
        *fitting = kept;
    }
}

/// Rule 5.
fn alike(fitting: &[&'static Function], types: &[ColumnType]) -> Resolution {
    let mut known = types.iter().copied().filter(|ty| *ty != ColumnType::Unknown);
    let Some(first) = known.next() else { return Resolution::Ambiguous };
    if known.any(|ty| ty != first) {
        return Resolution::Ambiguous;
    }
    let assumed = vec![first; types.len()];
    let mut taking = fitting.iter().filter(|function| fits(function, &assumed));
    match (taking.next(), taking.next()) {
        (Some(one), None) => Resolution::One(one),
        _ => Resolution::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::named;
    use ColumnType as T;

    fn operator(name: &str, left: T, right: T) -> Option<(&'static [T], T)> {
        match resolve(named(name), &[left, right], true) {
            Resolution::One(function) => Some((function.args, function.result)),
            _ => None,
        }
    }

    #[test]
    fn operators_take_the_nearest_types() {
        assert_eq!(operator("+", T::Int2, T::Int4).expect("found").1, T::Int4);
        assert_eq!(operator("+", T::Int4, T::Numeric).expect("found").1, T::Numeric);
        assert_eq!(operator("+", T::Float4, T::Int4).expect("found").1, T::Float8);
        assert_eq!(operator("+", T::Float4, T::Numeric).expect("found").1, T::Float8);
        let compared = operator("=", T::Float4, T::Numeric).expect("found").0;
        assert_eq!(compared, [T::Float4, T::Float8]);
        let texts = operator("=", T::Bpchar(3), T::Varchar(None)).expect("found").0;
        assert_eq!(texts, [T::Text, T::Text]);
        let moments = operator("<", T::Date, T::Timestamptz).expect("found").0;
        assert_eq!(moments, [T::Timestamptz, T::Timestamptz]);
        assert!(operator("+", T::Text, T::Int4).is_none());
        assert!(operator("=", T::Int4, T::Bool).is_none());
    }

    #[test]
    fn literals_take_the_type_of_the_other_side() {
        assert_eq!(operator("=", T::Unknown, T::Int2).expect("found").0, [T::Int2, T::Int2]);
        assert_eq!(operator("=", T::Unknown, T::Unknown).expect("found").0, [T::Text, T::Text]);
        assert_eq!(operator("-", T::Date, T::Unknown).expect("found").0, [T::Date, T::Date]);
        assert!(operator("+", T::Unknown, T::Unknown).is_none());
    }

    #[test]
    fn functions_prefer_the_preferred_type() {
        let found = |name, types: &[T]| match resolve(named(name), types, false) {
            Resolution::One(function) => Some(function.args),
            _ => None,
        };
        assert_eq!(found("round", &[T::Int4]), Some([T::Float8].as_slice()));
        assert_eq!(found("sqrt", &[T::Numeric]), Some([T::Numeric].as_slice()));
        assert_eq!(found("length", &[T::Unknown]), Some([T::Text].as_slice()));
        assert_eq!(
            found("date_trunc", &[T::Unknown, T::Date]),
            Some([T::Text, T::Timestamptz].as_slice())
        );
        assert_eq!(found("power", &[T::Int4, T::Int4]), Some([T::Float8, T::Float8].as_slice()));
        assert_eq!(found("length", &[T::Int4]), None);
    }
}
