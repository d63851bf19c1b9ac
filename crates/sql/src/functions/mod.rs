//! The table of functions and operators.
//!
//! As in PostgreSQL an operator is a function with a name of signs, and one name may have several
//! entries that differ in the types of their arguments; which of them a call means is decided by
//! `bind::resolve`. Types stand here without lengths.
//!
//! | file | entries |
//! |---|---|
//! | `arithmetic` | `+ - * / % ^` on numbers and dates, bits, `abs`, `round`, … |
//! | `comparison` | `= <> < <= > >=` |
//! | `strings` | `\|\|`, LIKE, `length`, `substring`, … |
//! | `dates` | `date_trunc`, `extract`, … |
//! | `sequences` | `nextval`, `setval`, … |
//! | `locks` | `pg_advisory_lock`, `pg_cancel_backend`, … |
//! | `session` | `now()`, `version()`, `pg_current_wal_lsn()`, … |

mod arithmetic;
mod comparison;
mod dates;
mod locks;
mod sequences;
mod session;
mod strings;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use txn::{AdvisoryKey, LockMode, LockOwner};
use types::{ColumnType, Datum, Lsn, Oid, SqlState};

use crate::error::Result;
use crate::values::Style;
use crate::values::datetime::Now;

/// An entry of the table.
pub(crate) struct Function {
    /// Its name; signs for an operator.
    pub name: &'static str,
    /// The types of its arguments.
    pub args: &'static [ColumnType],
    /// The type of its result.
    pub result: ColumnType,
    /// Whether a NULL argument makes the result NULL without a call.
    pub strict: bool,
    /// What the result depends on.
    pub volatility: Volatility,
    /// Whether any number of further arguments of any type may follow.
    pub variadic: bool,
    /// What it does.
    pub code: Code,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.name, self.args)
    }
}

/// What the result of a function depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Volatility {
    /// On the arguments alone.
    Immutable,
    /// On the transaction, statement or session too.
    Stable,
    /// On anything.
    Volatile,
}

/// The values of the arguments.
pub(crate) type Values<'a, 'v> = &'a [Cow<'v, Datum>];

/// What a function does. Codes of one and two arguments are strict.
#[derive(Clone, Copy)]
pub(crate) enum Code {
    /// One value.
    One(fn(&Datum) -> Result<Datum>),
    /// Two values.
    Two(fn(&Datum, &Datum) -> Result<Datum>),
    /// Any number.
    Many(fn(Values<'_, '_>) -> Result<Datum>),
    /// Any number, and the session.
    Session(fn(&dyn Environment, Values<'_, '_>) -> Result<Datum>),
}

/// What functions may ask of the session and the server.
pub(crate) trait Environment {
    /// How values are written as text.
    fn style(&self) -> Style;
    /// The time of the transaction, for `'now'`.
    fn now(&self) -> &dyn Now;
    /// The time of the statement, in microseconds since 2000-01-01 UTC.
    fn statement_time(&self) -> i64;
    /// The time at this moment.
    fn clock_time(&self) -> i64;
    /// The name of the session's user.
    fn user(&self) -> String;
    /// The schemas where names are looked for; with the system's, if it is wanted.
    fn schemas(&self, system: bool) -> Result<Vec<String>>;
    /// The value of a setting, as SHOW prints it.
    fn setting(&self, name: &str) -> Result<String>;
    /// This process.
    fn backend_pid(&self) -> i32;
    /// The id of the transaction; assigns one if there is none.
    fn transaction_id(&self) -> Result<u64>;
    /// The end of the log: inserted, written, flushed.
    fn log_position(&self, position: LogPosition) -> Lsn;
    /// Sleeps, unless it is interrupted.
    fn sleep(&self, seconds: f64) -> Result<()>;
    /// Takes an advisory lock; `false`: somebody else has it, and it was not to be waited for.
    fn lock_advisory(&self, lock: AdvisoryLock, wait: bool) -> Result<bool>;
    /// Lets the session's go once; `false`: it does not have it.
    fn unlock_advisory(&self, key: AdvisoryKey, mode: LockMode) -> bool;
    /// Lets all of the session's go.
    fn unlock_all_advisory(&self);
    /// Cancels what the session of that process does; `false`: there is none.
    fn cancel_backend(&self, pid: i32) -> Result<bool>;
    /// Ends the session of that process; `false`: there is none.
    fn terminate_backend(&self, pid: i32) -> Result<bool>;
    /// Waits until the session of that process has ended; `false`: it has not.
    fn await_end_of_backend(&self, pid: i32, at_most: Duration) -> Result<bool>;
    /// The processes that keep that one waiting.
    fn blocking_pids(&self, pid: i32) -> Vec<i32>;
    /// Warns the client.
    fn warn(&self, code: SqlState, message: String);
    /// Bytes of the main fork of a table.
    fn relation_size(&self, name: &str) -> Result<i64>;
    /// The query of a view, as text; NULL for a relation of another kind.
    fn view_definition(&self, name: &str) -> Result<Datum>;
    /// The same by the view's oid; NULL if there is none.
    fn view_definition_by_oid(&self, oid: Oid) -> Result<Datum>;
    /// The next number of the sequence that a text names.
    fn next_value(&self, sequence: &str) -> Result<i64>;
    /// The number that the session was given last by a sequence.
    fn current_value(&self, sequence: &str) -> Result<i64>;
    /// The number that the session was given last.
    fn last_value(&self) -> Result<i64>;
    /// Has a sequence go on behind a number or, if that does not count as given, with it.
    fn set_value(&self, sequence: &str, value: i64, called: bool) -> Result<()>;
    /// The name of the sequence that belongs to a column of a table.
    fn serial_sequence(&self, table: &str, column: &str) -> Result<Option<String>>;
    /// Checks an index, as a tree and against its table; `XX002` if it is damaged.
    fn check_index(&self, name: &str) -> Result<()>;
    /// Checks the pages of a table; `XX001` if one is damaged.
    fn check_heap(&self, name: &str) -> Result<()>;
}

/// An advisory lock to be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AdvisoryLock {
    /// What is locked.
    pub key: AdvisoryKey,
    /// `Exclusive` or `Share`.
    pub mode: LockMode,
    /// For how long.
    pub owner: LockOwner,
}

/// The ends that the log has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogPosition {
    /// Where the next record goes.
    Insert,
    /// Up to where it is written.
    Write,
    /// Up to where it is durable.
    Flush,
}

const fn entry(
    name: &'static str,
    args: &'static [ColumnType],
    result: ColumnType,
    code: Code,
) -> Function {
    Function {
        name,
        args,
        result,
        strict: true,
        volatility: Volatility::Immutable,
        variadic: false,
        code,
    }
}

const fn one(
    name: &'static str,
    args: &'static [ColumnType],
    result: ColumnType,
    code: fn(&Datum) -> Result<Datum>,
) -> Function {
    entry(name, args, result, Code::One(code))
}

const fn two(
    name: &'static str,
    args: &'static [ColumnType],
    result: ColumnType,
    code: fn(&Datum, &Datum) -> Result<Datum>,
) -> Function {
    entry(name, args, result, Code::Two(code))
}

const fn many(
    name: &'static str,
    args: &'static [ColumnType],
    result: ColumnType,
    code: fn(Values<'_, '_>) -> Result<Datum>,
) -> Function {
    entry(name, args, result, Code::Many(code))
}

fn index() -> &'static HashMap<&'static str, Vec<&'static Function>> {
    static INDEX: OnceLock<HashMap<&'static str, Vec<&'static Function>>> = OnceLock::new();
    INDEX.get_or_init(|| {
        let tables = [
            arithmetic::TABLE,
            &[comparison::TABLE],
            strings::TABLE,
            &[dates::TABLE],
            locks::TABLES,
            &[sequences::TABLE],
            &[session::TABLE],
        ];
        let mut index: HashMap<&'static str, Vec<&'static Function>> = HashMap::new();
        for function in tables.into_iter().flatten().copied().flatten() {
            index.entry(function.name).or_default().push(function);
        }
        index
    })
}

/// All entries of that name.
pub(crate) fn named(name: &str) -> &'static [&'static Function] {
    index().get(name).map_or(&[], Vec::as_slice)
}

/// What a function was called with by mistake of the binder.
fn mismatch() -> crate::error::Error {
    crate::error::Error::internal("function called with a value of a wrong type")
}

pub(crate) use session::{DATABASE, WITHOUT_PARENTHESES, is_keyword_only};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fit_their_arguments() {
        for functions in index().values() {
            for function in functions {
                let fits = match function.code {
                    Code::One(_) => function.args.len() == 1 && function.strict,
                    Code::Two(_) => function.args.len() == 2 && function.strict,
                    Code::Many(_) | Code::Session(_) => true,
                };
                assert!(fits, "{function:?}");
            }
        }
    }

    #[test]
    fn no_two_entries_are_alike() {
        for functions in index().values() {
            for (place, function) in functions.iter().enumerate() {
                assert!(
                    functions[..place].iter().all(|other| other.args != function.args),
                    "{function:?}"
                );
            }
        }
    }
}
