//! Tables for people.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, TableStyle, presets};

/// A table under construction.
pub struct TextTable {
    table: Table,
    numeric: Vec<bool>,
}

impl TextTable {
    /// A table with borders; `true` marks the columns whose values stand at the right.
    pub fn boxed<'a>(columns: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        TextTable::new(presets::UTF8_FULL_CONDENSED, columns)
    }

    /// A table without borders.
    pub fn plain<'a>(columns: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        TextTable::new(presets::NOTHING, columns)
    }

    fn new<'a>(style: TableStyle, columns: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        let (names, numeric): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let mut table = Table::new();
        table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
        let mut result = TextTable { table, numeric };
        let header = result.cells(names.into_iter().map(visible));
        result.table.set_header(header);
        result
    }

    /// Adds a row.
    pub fn row(&mut self, values: impl IntoIterator<Item = String>) {
        let cells = self.cells(values);
        self.table.add_row(cells);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.table.row_count()
    }

    /// The lines of the table, each with its end.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for line in self.table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn cells(&self, values: impl IntoIterator<Item = String>) -> Vec<Cell> {
        let alignment = |at: usize| match self.numeric.get(at) {
            Some(true) => CellAlignment::Right,
            _ => CellAlignment::Left,
        };
        let cell = |(at, text)| Cell::new(text).set_alignment(alignment(at));
        values.into_iter().enumerate().map(cell).collect()
    }
}

/// The text with control characters spelled out: data must not steer the terminal.
pub fn visible(text: impl AsRef<str>) -> String {
    let mut shown = String::new();
    for c in text.as_ref().chars() {
        match c {
            _ if c.is_control() => shown.extend(c.escape_default()),
            _ => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right_and_control_characters_are_spelled_out() {
        let mut table = TextTable::plain([("name", false), ("n", true)]);
        table.row([visible("a\tb\x1b[2J"), "7".to_owned()]);
        table.row(["ü".to_owned(), "1000".to_owned()]);
        assert_eq!(table.len(), 2);
        let lines: Vec<String> = table.render().lines().map(str::to_owned).collect();
        assert_eq!(lines[1], " a\\tb\\u{1b}[2J     7");
        assert_eq!(lines[2], " ü              1000");
        assert!(TextTable::boxed([("x", false)]).render().contains('┌'));
    }
}
