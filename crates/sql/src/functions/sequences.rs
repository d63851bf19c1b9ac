//! Functions of sequences. A sequence is named by a text, as PostgreSQL's `regclass` takes it: a
//! name as SQL has it, or an oid.

use types::{ColumnType, Datum};

use super::session::{text_at, volatile};
use super::{Environment, Function, Values, mismatch};
use crate::error::Result;

use ColumnType::{Bool, Int8, Text};

fn set(env: &dyn Environment, values: Values<'_, '_>, called: bool) -> Result<Datum> {
    let Some(Datum::Int8(value)) = values.get(1).map(AsRef::as_ref) else {
        return Err(mismatch());
    };
    env.set_value(text_at(values, 0)?, *value, called)?;
    Ok(Datum::Int8(*value))
}

fn set_or_not_called(env: &dyn Environment, values: Values<'_, '_>) -> Result<Datum> {
    match values.get(2).map(AsRef::as_ref) {
        Some(Datum::Bool(called)) => set(env, values, *called),
        _ => Err(mismatch()),
    }
}

/// The entries of this file.
pub(super) static TABLE: &[Function] = &[
    volatile("nextval", &[Text], Int8, |env, values| {
        Ok(Datum::Int8(env.next_value(text_at(values, 0)?)?))
    }),
    volatile("currval", &[Text], Int8, |env, values| {
        Ok(Datum::Int8(env.current_value(text_at(values, 0)?)?))
    }),
    volatile("lastval", &[], Int8, |env, _| Ok(Datum::Int8(env.last_value()?))),
    volatile("setval", &[Text, Int8], Int8, |env, values| set(env, values, true)),
    volatile("setval", &[Text, Int8, Bool], Int8, set_or_not_called),
    volatile("pg_get_serial_sequence", &[Text, Text], Text, |env, values| {
        let found = env.serial_sequence(text_at(values, 0)?, text_at(values, 1)?)?;
        Ok(found.map_or(Datum::Null, Datum::Text))
    }),
];
