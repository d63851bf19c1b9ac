//! Advisory locks, and what one session does to another.
//!
//! | function | for how long | waits |
//! |---|---|---|
//! | `pg_advisory_lock[_shared]` | until it is unlocked as often, or the session ends | yes |
//! | `pg_try_advisory_lock[_shared]` | the same | no |
//! | `pg_advisory_xact_lock[_shared]` | until the end of the transaction | yes |
//! | `pg_try_advisory_xact_lock[_shared]` | the same | no |
//!
//! A lock is on one `bigint` or on two `integer`s; the two kinds never meet.

use std::time::Duration;

use txn::{AdvisoryKey, LockMode, LockOwner};
use types::{ColumnType, Datum, SqlState};

use super::session::{text, volatile};
use super::{AdvisoryLock, Environment, Function, Values, mismatch};
use crate::error::{Error, Result};

use ColumnType::{Bool, Int4, Int8, Text};
use LockMode::{Exclusive, Share};
use LockOwner::{Session, Transaction};

fn key_of(values: Values<'_, '_>) -> Result<AdvisoryKey> {
    match values {
        [one] => match one.as_ref() {
            Datum::Int8(key) => Ok(AdvisoryKey::One(*key)),
            _ => Err(mismatch()),
        },
        [first, second] => match (first.as_ref(), second.as_ref()) {
            (Datum::Int4(first), Datum::Int4(second)) => Ok(AdvisoryKey::Two(*first, *second)),
            _ => Err(mismatch()),
        },
        _ => Err(mismatch()),
    }
}

fn lock(
    env: &dyn Environment,
    values: Values<'_, '_>,
    owner: LockOwner,
    mode: LockMode,
) -> Result<Datum> {
    env.lock_advisory(AdvisoryLock { key: key_of(values)?, mode, owner }, true)?;
    text("")
}

fn try_lock(
    env: &dyn Environment,
    values: Values<'_, '_>,
    owner: LockOwner,
    mode: LockMode,
) -> Result<Datum> {
    let lock = AdvisoryLock { key: key_of(values)?, mode, owner };
    Ok(Datum::Bool(env.lock_advisory(lock, false)?))
}

fn unlock(env: &dyn Environment, values: Values<'_, '_>, mode: LockMode) -> Result<Datum> {
    let had = env.unlock_advisory(key_of(values)?, mode);
    if !had {
        env.warn(SqlState::WARNING, format!("you don't own a lock of type {mode}"));
    }
    Ok(Datum::Bool(had))
}

fn pid_of(values: Values<'_, '_>) -> Result<i32> {
    match values.first().map(AsRef::as_ref) {
        Some(Datum::Int4(pid)) => Ok(*pid),
        _ => Err(mismatch()),
    }
}

/// Answers whether a signal was sent; warns if there was nobody to send it to.
fn signalled(env: &dyn Environment, pid: i32, sent: bool) -> Datum {
    if !sent {
        env.warn(SqlState::WARNING, format!("PID {pid} is not a Mamont backend process"));
    }
    Datum::Bool(sent)
}

fn terminate(env: &dyn Environment, values: Values<'_, '_>) -> Result<Datum> {
    let (pid, timeout) = match values {
        [_] => (pid_of(values)?, 0),
        [_, timeout] => match timeout.as_ref() {
            Datum::Int8(timeout) => (pid_of(values)?, *timeout),
            _ => return Err(mismatch()),
        },
        _ => return Err(mismatch()),
    };
    let Ok(milliseconds) = u64::try_from(timeout) else {
        let code = SqlState::NUMERIC_VALUE_OUT_OF_RANGE;
        return Err(Error::new(code, "\"timeout\" must not be negative"));
    };
    let sent = env.terminate_backend(pid)?;
    if !sent || milliseconds == 0 {
        return Ok(signalled(env, pid, sent));
    }
    let ended = env.await_end_of_backend(pid, Duration::from_millis(milliseconds))?;
    if !ended {
        let message =
            format!("backend with PID {pid} did not terminate within {milliseconds} milliseconds");
        env.warn(SqlState::WARNING, message);
    }
    Ok(Datum::Bool(ended))
}

/// The text form of an array: there is no type for it yet.
fn blocking_pids(env: &dyn Environment, values: Values<'_, '_>) -> Result<Datum> {
    let pids = env.blocking_pids(pid_of(values)?);
    let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
    text(format!("{{{}}}", pids.join(",")))
}

/// A function for both kinds of keys.
macro_rules! by_key {
    ($name:literal, $result:expr, $code:expr) => {
        [volatile($name, &[Int8], $result, $code), volatile($name, &[Int4, Int4], $result, $code)]
    };
}

static BY_KEY: [[Function; 2]; 10] = [
    by_key!("pg_advisory_lock", Text, |env, key| lock(env, key, Session, Exclusive)),
    by_key!("pg_advisory_lock_shared", Text, |env, key| lock(env, key, Session, Share)),
    by_key!("pg_advisory_xact_lock", Text, |env, key| lock(env, key, Transaction, Exclusive)),
    by_key!("pg_advisory_xact_lock_shared", Text, |env, key| lock(env, key, Transaction, Share)),
    by_key!("pg_try_advisory_lock", Bool, |env, key| try_lock(env, key, Session, Exclusive)),
    by_key!("pg_try_advisory_lock_shared", Bool, |env, key| try_lock(env, key, Session, Share)),
    by_key!("pg_try_advisory_xact_lock", Bool, |env, key| {
        try_lock(env, key, Transaction, Exclusive)
    }),
    by_key!("pg_try_advisory_xact_lock_shared", Bool, |env, key| {
        try_lock(env, key, Transaction, Share)
    }),
    by_key!("pg_advisory_unlock", Bool, |env, key| unlock(env, key, Exclusive)),
    by_key!("pg_advisory_unlock_shared", Bool, |env, key| unlock(env, key, Share)),
];

/// The entries of this file.
pub(super) static TABLES: &[&[Function]] = &[BY_KEY.as_flattened(), TABLE];

static TABLE: &[Function] = &[
    volatile("pg_advisory_unlock_all", &[], Text, |env, _| {
        env.unlock_all_advisory();
        text("")
    }),
    volatile("pg_cancel_backend", &[Int4], Bool, |env, values| {
        let pid = pid_of(values)?;
        let sent = env.cancel_backend(pid)?;
        Ok(signalled(env, pid, sent))
    }),
    volatile("pg_terminate_backend", &[Int4], Bool, terminate),
    volatile("pg_terminate_backend", &[Int4, Int8], Bool, terminate),
    volatile("pg_blocking_pids", &[Int4], Text, blocking_pids),
];
