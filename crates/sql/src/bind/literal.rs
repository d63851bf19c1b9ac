//! Literals: a number is an integer, bigint or numeric by its size; a string has no type yet.

use sqlparser::ast::{DollarQuotedString, Value, ValueWithSpan};
use types::{ColumnType, Datum};

use super::Binder;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::values::numeric;

/// A number of SQL, with its sign. PostgreSQL takes the smallest of integer, bigint and numeric.
pub(super) fn number(digits: &str) -> Result<Expr> {
    let plain = digits.replace('_', "");
    if plain.bytes().all(|b| b.is_ascii_digit() || b == b'-')
        && let Ok(value) = plain.parse::<i64>()
    {
        return Ok(match i32::try_from(value) {
            Ok(value) => Expr::constant(Datum::Int4(value), ColumnType::Int4),
            Err(_) => Expr::constant(Datum::Int8(value), ColumnType::Int8),
        });
    }
    Ok(Expr::constant(Datum::Numeric(numeric::parse(&plain)?), ColumnType::Numeric))
}

impl Binder<'_> {
    /// A literal or parameter.
    pub(super) fn bind_value(&mut self, value: &ValueWithSpan) -> Result<Expr> {
        let ValueWithSpan { value, span } = value;
        let at = self.place(*span);
        let expr = match value {
            Value::Number(digits, false) => number(digits)?,
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::DollarQuotedString(DollarQuotedString { value: text, tag: _ }) => {
                Expr::constant(Datum::Text(text.clone()), ColumnType::Unknown)
            }
            Value::Boolean(value) => Expr::constant(Datum::Bool(*value), ColumnType::Bool),
            Value::Null => Expr::constant(Datum::Null, ColumnType::Unknown),
            Value::Placeholder(name) => return self.parameter(name, at),
            Value::HexStringLiteral(_) | Value::SingleQuotedByteStringLiteral(_) => {
                return Err(Error::unsupported("a bit string").at(self.position(*span)));
            }
            Value::NationalStringLiteral(_) => {
                return Err(Error::unsupported("a national string").at(self.position(*span)));
            }
            other => {
                return Err(
                    Error::unsupported(format!("the literal {other}")).at(self.position(*span))
                );
            }
        };
        Ok(expr.at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_smallest_type() {
        for (digits, ty) in [
            ("2147483647", ColumnType::Int4),
            ("2147483648", ColumnType::Int8),
            ("-2147483648", ColumnType::Int4),
            ("9223372036854775808", ColumnType::Numeric),
            ("-9223372036854775808", ColumnType::Int8),
            ("1.0", ColumnType::Numeric),
            ("1e3", ColumnType::Numeric),
            ("1_000", ColumnType::Int4),
        ] {
            assert_eq!(number(digits).expect(digits).ty, ty, "{digits}");
        }
    }
}
