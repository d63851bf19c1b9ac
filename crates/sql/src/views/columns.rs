//! The rows of `pg_stats`: what ANALYZE found out about columns, in words.

use txn::Transaction;
use types::{Datum, Row};

use crate::engine::{Rooms, told};
use crate::error::Result;
use crate::statistics::{ColumnStatistics, decode};
use crate::values::{Style, output};

/// A row for each column that has been analyzed.
pub(crate) fn rows(rooms: &Rooms, tx: &Transaction) -> Result<Vec<Row>> {
    let all = rooms.catalog.all_column_statistics(tx, None).map_err(told)?;
    let mut rows = Vec::new();
    for relation in rooms.catalog.relations(tx).map_err(told)? {
        let Some(columns) = all.get(&relation.oid) else { continue };
        let schema = Some(relation.schema.as_str());
        let Some(table) = rooms.catalog.lookup(tx, schema, &relation.name).map_err(told)? else {
            continue;
        };
        for (place, bytes) in columns {
            let (Some(column), Some(found)) = (table.columns.get(*place), decode(bytes)) else {
                continue;
            };
            let names = [&relation.schema, &relation.name, &column.name];
            let mut row: Row = names.map(|name| Datum::Text(name.clone())).to_vec();
            push(&found, &mut row);
            rows.push(row);
        }
    }
    Ok(rows)
}

fn push(found: &ColumnStatistics, row: &mut Row) {
    let float = |number: f64| Datum::Float4(number as f32);
    let list = |values: Vec<String>| match values.is_empty() {
        true => Datum::Null,
        false => Datum::Text(format!("{{{}}}", values.join(","))),
    };
    row.extend([
        Datum::Bool(false),
        float(found.null_fraction),
        Datum::Int4(i32::try_from(found.width).unwrap_or(i32::MAX)),
        float(found.distinct),
        list(found.common.iter().map(|(value, _)| element(value)).collect()),
        list(found.common.iter().map(|(_, share)| element(&float(*share))).collect()),
        list(found.histogram.iter().map(element).collect()),
        found.correlation.map_or(Datum::Null, float),
    ]);
}

/// A value as an element of an array in PostgreSQL's text form.
fn element(value: &Datum) -> String {
    let mut text = String::new();
    output(value, Style::default(), &mut text);
    let special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_whitespace();
    if text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special) {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("\"{escaped}\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_quoted_where_an_array_needs_it() {
        let shown = |text: &str| element(&Datum::Text(text.to_owned()));
        assert_eq!(element(&Datum::Int4(-7)), "-7");
        assert_eq!(shown("plain"), "plain");
        assert_eq!(shown("two words"), "\"two words\"");
        assert_eq!(shown("a\"b\\c"), "\"a\\\"b\\\\c\"");
        assert_eq!([shown(""), shown("Null")], ["\"\"", "\"Null\""]);
    }
}
