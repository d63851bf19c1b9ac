//! From what was said of a sequence to how it counts, with PostgreSQL's rules and messages.

use access::Numbering;
use catalog::SequenceDef;
use types::{ColumnType, SqlState};

use crate::bind::types::bind_type;
use crate::error::{Error, Result};
use crate::parse::SequenceOptions;
use crate::values::type_name;

/// The least and the greatest number of a type, if a sequence can be of it.
fn bounds(ty: ColumnType) -> Option<(i64, i64)> {
    match ty {
        ColumnType::Int2 => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        ColumnType::Int4 => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        ColumnType::Int8 => Some((i64::MIN, i64::MAX)),
        _ => None,
    }
}

/// What an option makes of a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Changed {
    /// How it counts.
    pub sequence: SequenceDef,
    /// Where it goes on, if that was said; what it says counts as not given.
    pub restart: Option<i64>,
}

fn invalid(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// A new sequence: of that type, if nothing else was said. `of_column`: of an identity column.
pub(super) fn new(options: &SequenceOptions, ty: ColumnType, of_column: bool) -> Result<Changed> {
    let numbering = Numbering { increment: 1, min: 1, max: 1, cache: 1, cycle: false };
    let blank = SequenceDef { ty, start: 0, numbering };
    changed(options, &blank, true, of_column, None)
}

/// A sequence that is there, and has come to `last_value`.
pub(super) fn altered(
    options: &SequenceOptions,
    old: &SequenceDef,
    last_value: i64,
) -> Result<Changed> {
    changed(options, old, false, false, Some(last_value))
}

fn changed(
    options: &SequenceOptions,
    old: &SequenceDef,
    is_new: bool,
    of_column: bool,
    last_value: Option<i64>,
) -> Result<Changed> {
    let ty = type_of(options, old.ty, of_column)?;
    let Some((least, greatest)) = bounds(ty) else { return Err(wrong_type(of_column)) };
    let old_bounds = bounds(old.ty).unwrap_or((least, greatest));
    let mut numbering = old.numbering;
    if let Some(increment) = options.increment {
        if increment == 0 {
            return Err(invalid("INCREMENT must not be zero".to_owned()));
        }
        numbering.increment = increment;
    }
    numbering.cycle = options.cycle.unwrap_or(numbering.cycle);
    let rises = numbering.increment > 0;
    // A bound that was the type's stays the type's.
    let moves = !is_new && ty != old.ty;
    let (moves_max, moves_min) =
        (moves && old.numbering.max == old_bounds.1, moves && old.numbering.min == old_bounds.0);
    numbering.max = match options.max {
        Some(Some(max)) => max,
        None if !is_new && !moves_max => numbering.max,
        _ if rises || moves_max => greatest,
        _ => -1,
    };
    numbering.min = match options.min {
        Some(Some(min)) => min,
        None if !is_new && !moves_min => numbering.min,
        _ if !rises || moves_min => least,
        _ => 1,
    };
    check_bounds(&numbering, ty, (least, greatest))?;
    let first = if rises { numbering.min } else { numbering.max };
    let start = options.start.unwrap_or(if is_new { first } else { old.start });
    check_within(&numbering, "START", start)?;
    let restart = options.restart.map(|to| to.unwrap_or(start));
    if let Some(at) = restart.or(last_value) {
        check_within(&numbering, "RESTART", at)?;
    }
    numbering.cache = options.cache.unwrap_or(numbering.cache);
    if numbering.cache <= 0 {
        return Err(invalid(format!("CACHE ({}) must be greater than zero", numbering.cache)));
    }
    Ok(Changed { sequence: SequenceDef { ty, start, numbering }, restart })
}

fn wrong_type(of_column: bool) -> Error {
    let what = if of_column { "identity column" } else { "sequence" };
    invalid(format!("{what} type must be smallint, integer, or bigint"))
}

fn type_of(options: &SequenceOptions, old: ColumnType, of_column: bool) -> Result<ColumnType> {
    match &options.ty {
        Some(_) if of_column => Err(Error::syntax("conflicting or redundant options")),
        Some(given) => {
            let ty = bind_type(given)?.ty;
            if bounds(ty).is_some() { Ok(ty) } else { Err(wrong_type(of_column)) }
        }
        None => Ok(old),
    }
}

fn check_bounds(numbering: &Numbering, ty: ColumnType, bounds: (i64, i64)) -> Result<()> {
    let Numbering { min, max, .. } = *numbering;
    for (what, bound) in [("MAXVALUE", max), ("MINVALUE", min)] {
        if bound < bounds.0 || bound > bounds.1 {
            let ty = type_name(ty);
            let message = format!("{what} ({bound}) is out of range for sequence data type {ty}");
            return Err(invalid(message));
        }
    }
    if min >= max {
        let message = format!("MINVALUE ({min}) must be less than MAXVALUE ({max})");
        return Err(invalid(message));
    }
    Ok(())
}

fn check_within(numbering: &Numbering, what: &str, value: i64) -> Result<()> {
    let Numbering { min, max, .. } = *numbering;
    if value < min {
        let message = format!("{what} value ({value}) cannot be less than MINVALUE ({min})");
        return Err(invalid(message));
    }
    if value > max {
        let message = format!("{what} value ({value}) cannot be greater than MAXVALUE ({max})");
        return Err(invalid(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(options: &SequenceOptions) -> SequenceDef {
        new(options, ColumnType::Int8, false).expect("a sequence").sequence
    }

    #[test]
    fn what_was_not_said_is_as_in_postgresql() {
        let plain = made(&SequenceOptions::default());
        let Numbering { increment, min, max, cache, cycle } = plain.numbering;
        assert_eq!((plain.start, increment, min, max, cache, cycle), (1, 1, 1, i64::MAX, 1, false));
        let down = made(&SequenceOptions { increment: Some(-1), ..SequenceOptions::default() });
        assert_eq!((down.start, down.numbering.min, down.numbering.max), (-1, i64::MIN, -1));
        let none = SequenceOptions { min: Some(None), ..SequenceOptions::default() };
        assert_eq!(made(&none).numbering.min, 1);
    }

    #[test]
    fn a_bound_of_the_type_moves_with_it() {
        let small = SequenceDef { ty: ColumnType::Int2, ..made(&SequenceOptions::default()) };
        let small = SequenceDef {
            numbering: Numbering { max: i64::from(i16::MAX), ..small.numbering },
            ..small
        };
        let ty = Some(sqlparser::ast::DataType::Integer(None));
        let options = SequenceOptions { ty, ..SequenceOptions::default() };
        let wide = altered(&options, &small, 5).expect("wider").sequence;
        assert_eq!((wide.numbering.min, wide.numbering.max), (1, i64::from(i32::MAX)));
        let chosen = SequenceDef { numbering: Numbering { max: 100, ..small.numbering }, ..small };
        let wide = altered(&options, &chosen, 5).expect("wider").sequence;
        assert_eq!(wide.numbering.max, 100);
    }

    #[test]
    fn where_it_goes_on_must_be_within_its_bounds() {
        let plain = made(&SequenceOptions::default());
        let to = |to| SequenceOptions { restart: Some(to), ..SequenceOptions::default() };
        assert_eq!(altered(&to(None), &plain, 7).expect("restarted").restart, Some(1));
        assert_eq!(altered(&to(Some(4)), &plain, 7).expect("restarted").restart, Some(4));
        assert!(altered(&to(Some(0)), &plain, 7).is_err());
        let max = SequenceOptions { max: Some(Some(5)), ..SequenceOptions::default() };
        assert!(altered(&max, &plain, 7).is_err());
        assert!(altered(&max, &plain, 5).is_ok());
    }
}
