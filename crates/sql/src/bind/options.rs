//! Storage parameters of tables: WITH behind CREATE TABLE, SET and RESET of ALTER TABLE.

use sqlparser::ast::{CreateTableOptions, Expr as AstExpr, SqlOption, Value};
use types::SqlState;

use super::names::fold;
use crate::error::{Error, Result};

/// Parameters with their new values; one without a value is taken away.
pub(crate) type Given = [(String, Option<String>)];

/// What `fillfactor` may be.
const FILL_FACTORS: std::ops::RangeInclusive<i64> = 10..=100;

/// The parameters of CREATE TABLE.
pub(super) fn options_of(options: &CreateTableOptions) -> Result<Vec<(String, Option<String>)>> {
    let options = match options {
        CreateTableOptions::None => return Ok(Vec::new()),
        CreateTableOptions::With(options) => options,
        _ => return Err(Error::unsupported("OPTIONS behind CREATE TABLE")),
    };
    let mut given = Vec::with_capacity(options.len());
    for option in options {
        let SqlOption::KeyValue { key, value } = option else {
            return Err(Error::unsupported("this kind of option behind CREATE TABLE"));
        };
        let value = match value {
            AstExpr::Value(value) => match &value.value {
                Value::Number(digits, _) => digits.clone(),
                Value::SingleQuotedString(text) => text.clone(),
                other => other.to_string(),
            },
            other => other.to_string(),
        };
        given.push((fold(key), Some(value)));
    }
    Ok(given)
}

/// Storage parameters as `reloptions` has them, with some changed.
pub(crate) fn changed_options(old: &str, given: &Given) -> Result<String> {
    let mut options: Vec<(String, String)> = old
        .split(',')
        .filter_map(|option| option.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in given {
        let value = value.as_ref().map(|value| checked(name, value)).transpose()?;
        options.retain(|(known, _)| known != name);
        options.extend(value.map(|value| (name.clone(), value)));
    }
    let options: Vec<String> =
        options.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(options.join(","))
}

/// The value of a parameter as it is stored.
fn checked(name: &str, value: &str) -> Result<String> {
    let invalid = |message: String| Error::new(SqlState::INVALID_PARAMETER_VALUE, message);
    if name == "vacuum_truncate" {
        return match value.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok("true".to_owned()),
            "false" | "off" | "no" | "0" => Ok("false".to_owned()),
            _ => Err(invalid(format!("invalid value for boolean option \"{name}\": {value}"))),
        };
    }
    if name != "fillfactor" {
        let known = name.starts_with("autovacuum_")
            || name.starts_with("toast")
            || matches!(name, "parallel_workers" | "user_catalog_table" | "vacuum_index_cleanup");
        return Err(if known {
            Error::unsupported(format!("the storage parameter {name}"))
        } else {
            invalid(format!("unrecognized parameter \"{name}\""))
        });
    }
    match value.parse::<i64>() {
        Ok(number) if FILL_FACTORS.contains(&number) => Ok(value.to_owned()),
        Ok(_) => Err(invalid(format!("value {value} out of bounds for option \"{name}\""))
            .detail("Valid values are between \"10\" and \"100\".")),
        Err(_) => Err(invalid(format!("invalid value for integer option \"{name}\": {value}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, value: Option<&str>) -> Vec<(String, Option<String>)> {
        vec![(name.to_owned(), value.map(str::to_owned))]
    }

    #[test]
    fn parameters_are_set_replaced_and_taken_away() {
        let set = |old: &str, value| changed_options(old, &given("fillfactor", value));
        assert_eq!(set("", Some("70")).expect("good"), "fillfactor=70");
        assert_eq!(set("fillfactor=70", Some("100")).expect("good"), "fillfactor=100");
        assert_eq!(set("fillfactor=70", None).expect("good"), "");
        for bad in ["9", "101", "x", ""] {
            assert!(set("", Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_parameters_are_refused() {
        let code = |name: &str| {
            let error = changed_options("", &given(name, Some("1"))).expect_err(name);
            error.sqlstate().expect("report").as_str().to_owned()
        };
        assert_eq!(code("autovacuum_enabled"), "0A000");
        assert_eq!(code("nonsense"), "22023");
    }
}
