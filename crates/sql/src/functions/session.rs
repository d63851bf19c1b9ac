//! Functions that ask the session or the server.

use types::{ColumnType, Datum, Oid, SqlState};

use super::{Code, Environment, Function, LogPosition, Values, Volatility, mismatch};
use crate::error::Result;
use crate::values::calendar::DAY_MICROS;

use ColumnType::{Bool, Date, Float8, Int4, Int8, PgLsn, Text, Timestamp, Timestamptz};

/// The name of the only database.
pub(crate) const DATABASE: &str = "mamont";

/// What `version()` answers.
fn version() -> String {
    format!(
        "Mamont {} on {}-{}, a database server shaped like PostgreSQL",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

/// The agreement with the table is looked at in any case.
fn check_index(env: &dyn Environment, values: Values<'_, '_>) -> Result<Datum> {
    env.check_index(text_at(values, 0)?)?;
    text("")
}

/// The query of a view; whether it is to be pretty makes no difference.
fn view_definition(env: &dyn Environment, values: Values<'_, '_>) -> Result<Datum> {
    match values.first().map(AsRef::as_ref) {
        Some(Datum::Oid(oid)) => env.view_definition_by_oid(Oid(*oid)),
        _ => env.view_definition(text_at(values, 0)?),
    }
}

pub(super) type SessionCode = fn(&dyn Environment, Values<'_, '_>) -> Result<Datum>;

const fn stable(
    name: &'static str,
    args: &'static [ColumnType],
    result: ColumnType,
    code: SessionCode,
) -> Function {
    Function {
        name,
        args,
        result,
        strict: true,
        volatility: Volatility::Stable,
        variadic: false,
        code: Code::Session(code),
    }
}

pub(super) const fn volatile(
    name: &'static str,
    args: &'static [ColumnType],
    result: ColumnType,
    code: SessionCode,
) -> Function {
    Function { volatility: Volatility::Volatile, ..stable(name, args, result, code) }
}

pub(super) fn text_at<'a>(values: Values<'a, '_>, place: usize) -> Result<&'a str> {
    match values.get(place).map(AsRef::as_ref) {
        Some(Datum::Text(text)) => Ok(text),
        _ => Err(mismatch()),
    }
}

pub(super) fn text(text: impl Into<String>) -> Result<Datum> {
    Ok(Datum::Text(text.into()))
}

fn transaction_time(env: &dyn Environment, _: Values<'_, '_>) -> Result<Datum> {
    Ok(Datum::Timestamptz(env.now().transaction_time()))
}

fn user(env: &dyn Environment, _: Values<'_, '_>) -> Result<Datum> {
    text(env.user())
}

fn current_schema(env: &dyn Environment, _: Values<'_, '_>) -> Result<Datum> {
    Ok(env.schemas(false)?.into_iter().next().map_or(Datum::Null, Datum::Text))
}

/// The text of an array of names: there are no arrays yet.
fn current_schemas(env: &dyn Environment, values: Values<'_, '_>) -> Result<Datum> {
    let system = matches!(values.first().map(AsRef::as_ref), Some(Datum::Bool(true)));
    let names = env.schemas(system)?;
    let quoted: Vec<String> = names.iter().map(|name| catalog::quote_identifier(name)).collect();
    text(format!("{{{}}}", quoted.join(",")))
}

fn sleep(env: &dyn Environment, values: Values<'_, '_>) -> Result<Datum> {
    match values.first().map(AsRef::as_ref) {
        Some(Datum::Float8(seconds)) => {
            env.sleep(*seconds)?;
            text("")
        }
        _ => Err(mismatch()),
    }
}

fn setting(env: &dyn Environment, values: Values<'_, '_>) -> Result<Datum> {
    let found = env.setting(text_at(values, 0)?);
    let missing_is_null = matches!(values.get(1).map(AsRef::as_ref), Some(Datum::Bool(true)));
    match found {
        Err(error) if missing_is_null && error.sqlstate() == Some(SqlState::UNDEFINED_OBJECT) => {
            Ok(Datum::Null)
        }
        other => text(other?),
    }
}

fn position(env: &dyn Environment, which: LogPosition) -> Result<Datum> {
    Ok(Datum::PgLsn(env.log_position(which).0))
}

/// Bytes in the largest unit in which they are at least ten, rounded.
fn size_pretty(_: &dyn Environment, values: Values<'_, '_>) -> Result<Datum> {
    let Some(Datum::Int8(size)) = values.first().map(AsRef::as_ref) else {
        return Err(mismatch());
    };
    let sign = if *size < 0 { "-" } else { "" };
    let mut amount = u128::from(size.unsigned_abs());
    if amount < 10 * 1024 {
        return text(format!("{sign}{amount} bytes"));
    }
    // Twice the amount in each unit, so that the last step can round.
    amount = amount * 2 / 1024;
    let mut units = ["kB", "MB", "GB", "TB", "PB"].into_iter();
    let mut unit = units.next().unwrap_or("kB");
    while amount >= 20 * 1024 - 1 {
        match units.next() {
            Some(next) => {
                amount /= 1024;
                unit = next;
            }
            None => break,
        }
    }
    text(format!("{sign}{} {unit}", amount.div_ceil(2)))
}

/// The entries of this file.
pub(super) static TABLE: &[Function] = &[
    stable("now", &[], Timestamptz, transaction_time),
    stable("transaction_timestamp", &[], Timestamptz, transaction_time),
    stable("current_timestamp", &[], Timestamptz, transaction_time),
    stable("localtimestamp", &[], Timestamp, |env, _| {
        Ok(Datum::Timestamp(env.now().transaction_time()))
    }),
    stable("current_date", &[], Date, |env, _| {
        Ok(Datum::Date(env.now().transaction_time().div_euclid(DAY_MICROS) as i32))
    }),
    stable("statement_timestamp", &[], Timestamptz, |env, _| {
        Ok(Datum::Timestamptz(env.statement_time()))
    }),
    volatile("clock_timestamp", &[], Timestamptz, |env, _| {
        Ok(Datum::Timestamptz(env.clock_time()))
    }),
    stable("version", &[], Text, |_, _| text(version())),
    stable("current_database", &[], Text, |_, _| text(DATABASE)),
    stable("current_catalog", &[], Text, |_, _| text(DATABASE)),
    stable("current_schema", &[], Text, current_schema),
    stable("current_schemas", &[Bool], Text, current_schemas),
    stable("current_user", &[], Text, user),
    stable("session_user", &[], Text, user),
    stable("current_role", &[], Text, user),
    stable("user", &[], Text, user),
    stable("pg_backend_pid", &[], Int4, |env, _| Ok(Datum::Int4(env.backend_pid()))),
    volatile("txid_current", &[], Int8, |env, _| {
        Ok(Datum::Int8(i64::try_from(env.transaction_id()?).unwrap_or(i64::MAX)))
    }),
    volatile("pg_current_wal_insert_lsn", &[], PgLsn, |env, _| position(env, LogPosition::Insert)),
    volatile("pg_current_wal_lsn", &[], PgLsn, |env, _| position(env, LogPosition::Write)),
    volatile("pg_current_wal_flush_lsn", &[], PgLsn, |env, _| position(env, LogPosition::Flush)),
    volatile("pg_sleep", &[Float8], Text, sleep),
    volatile("pg_relation_size", &[Text], Int8, |env, values| {
        Ok(Datum::Int8(env.relation_size(text_at(values, 0)?)?))
    }),
    stable("pg_get_viewdef", &[Text], Text, view_definition),
    stable("pg_get_viewdef", &[ColumnType::Oid], Text, view_definition),
    stable("pg_get_viewdef", &[Text, Bool], Text, view_definition),
    stable("pg_get_viewdef", &[ColumnType::Oid, Bool], Text, view_definition),
    volatile("bt_index_check", &[Text], Text, check_index),
    volatile("bt_index_check", &[Text, Bool], Text, check_index),
    volatile("verify_heapam", &[Text], Text, |env, values| {
        env.check_heap(text_at(values, 0)?)?;
        text("")
    }),
    stable("current_setting", &[Text], Text, setting),
    stable("current_setting", &[Text, Bool], Text, setting),
    Function {
        volatility: Volatility::Immutable,
        ..stable("pg_size_pretty", &[Int8], Text, size_pretty)
    },
];

/// Names that stand without parentheses.
pub(crate) const WITHOUT_PARENTHESES: &[&str] = &[
    "current_timestamp",
    "localtimestamp",
    "current_date",
    "current_catalog",
    "current_schema",
    "current_user",
    "session_user",
    "current_role",
    "user",
];

/// Those of them that may not be followed by parentheses.
pub(crate) fn is_keyword_only(name: &str) -> bool {
    WITHOUT_PARENTHESES.contains(&name) && name != "current_schema"
}
