//! Things as messages name them.

use txn::Transaction;
use types::{Datum, Oid};

use super::depend::Object;
use crate::catalog::Catalog;
use crate::changes;
use crate::error::Error;
use crate::system::{PG_ATTRDEF, PG_ATTRIBUTE, PG_CLASS, PG_CONSTRAINT, PG_NAMESPACE};

/// An identifier, quoted if it must be.
pub fn quote_identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

impl Catalog {
    /// A thing as messages name it: `table t`, `column a of table s.t`.
    pub fn describe(&self, tx: &Transaction, object: Object) -> Result<String, Error> {
        let Object { class, oid, column } = object;
        if class == PG_CLASS.oid {
            let relation = self.describe_relation(tx, oid)?;
            if column == 0 {
                return Ok(relation);
            }
            let name = self.column_name(tx, oid, i64::from(column))?;
            return Ok(format!("column {name} of {relation}"));
        }
        if class == PG_CONSTRAINT.oid {
            let row = self.row(tx, &PG_CONSTRAINT, &|row| changes::is(row, 0, oid))?;
            let row = row.unwrap_or_default();
            let relation = self.describe_relation(tx, changes::oid(&row, 4))?;
            return Ok(format!("constraint {} on {relation}", changes::text(&row, 1)));
        }
        if class == PG_ATTRDEF.oid {
            let row = self.row(tx, &PG_ATTRDEF, &|row| changes::is(row, 0, oid))?;
            let row = row.unwrap_or_default();
            let relation = changes::oid(&row, 1);
            let name = self.column_name(tx, relation, changes::number(&row, 2))?;
            let relation = self.describe_relation(tx, relation)?;
            return Ok(format!("default value for column {name} of {relation}"));
        }
        let row = self.row(tx, &PG_NAMESPACE, &|row| changes::is(row, 0, oid))?;
        Ok(format!("schema {}", changes::text(&row.unwrap_or_default(), 1)))
    }

    fn column_name(&self, tx: &Transaction, relation: Oid, number: i64) -> Result<String, Error> {
        let row = self.row(tx, &PG_ATTRIBUTE, &|row| {
            changes::is(row, 0, relation) && changes::number(row, 4) == number
        })?;
        Ok(changes::text(&row.unwrap_or_default(), 1).to_owned())
    }

    fn describe_relation(&self, tx: &Transaction, oid: Oid) -> Result<String, Error> {
        let row = self.row(tx, &PG_CLASS, &|row| changes::is(row, 0, oid))?.unwrap_or_default();
        let kind = match changes::text(&row, 4) {
            "v" => "view",
            "S" => "sequence",
            "i" => "index",
            _ => "table",
        };
        let (name, namespace) = (changes::text(&row, 1), changes::oid(&row, 2));
        Ok(format!("{kind} {}", self.shown_name(tx, namespace, name)?))
    }

    /// A relation's name, with its schema if the search path does not find it without.
    fn shown_name(&self, tx: &Transaction, namespace: Oid, name: &str) -> Result<String, Error> {
        let quoted = quote_identifier(name);
        for schema in self.current_schemas(tx, true)? {
            let Some(oid) = self.schema_oid(tx, &schema)? else { continue };
            if oid == namespace {
                return Ok(quoted);
            }
            let hides = self.row(tx, &PG_CLASS, &|row| {
                row.get(1) == Some(&Datum::Text(name.to_owned())) && changes::is(row, 2, oid)
            })?;
            if hides.is_some() {
                break;
            }
        }
        let schema = self.schema_name(tx, namespace)?.unwrap_or_default();
        Ok(format!("{}.{quoted}", quote_identifier(&schema)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_quoted_where_they_must_be() {
        assert_eq!(quote_identifier("abc_1"), "abc_1");
        assert_eq!(quote_identifier("Abc"), "\"Abc\"");
        assert_eq!(quote_identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_identifier("1a"), "\"1a\"");
    }
}
