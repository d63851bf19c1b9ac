//! Keys as messages show them.

use catalog::TableDef;
use types::Datum;

use crate::values::{Style, to_text};

/// The columns and values of a key: `(a, b)=(1, x)`.
pub(crate) fn describe<'a>(
    table: &TableDef,
    columns: impl Iterator<Item = usize>,
    values: impl IntoIterator<Item = &'a Datum>,
) -> String {
    let names: Vec<&str> = columns.map(|column| table.columns[column].name.as_str()).collect();
    let shown = |value: &Datum| match value {
        Datum::Null => "null".to_owned(),
        value => to_text(value, Style::default()),
    };
    let values: Vec<String> = values.into_iter().map(shown).collect();
    format!("({})=({})", names.join(", "), values.join(", "))
}
