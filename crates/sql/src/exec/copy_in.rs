//! COPY … FROM STDIN.
//!
//! The data is always read to its end, whatever happens: a line of it must never be taken for a
//! statement. So an error is kept until [`Reader::drain`] has read the rest.

use types::{Datum, Row, SqlState};

use super::modify::{check_not_null, check_row};
use super::{Execution, foreign};
use crate::bind::{BindContext, TableName, bind_checks, copy_columns, default_of, open_for_copy};
use crate::copy::options::{CopyOptions, Header, check};
use crate::copy::{Fields, bad_format, csv, text};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::output::{CopyFormat, CopyLine, Output};
use crate::parse::{CopyStatement, CopySubject};
use crate::planned::Check;
use crate::values;
use catalog::TableDef;

/// The longest record of CSV, over all its lines.
const RECORD_MAX: usize = 64 << 20;
/// How much of a line or value a message shows, in bytes.
const SHOWN_MAX: usize = 100;

/// Reads the data lines of the client.
pub(crate) struct Reader<'a> {
    out: &'a mut dyn Output,
    begun: bool,
    ended: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(out: &'a mut dyn Output) -> Reader<'a> {
        Reader { out, begun: false, ended: false }
    }

    /// Asks the client for its data.
    fn begin(&mut self, format: CopyFormat, columns: usize) -> Result<()> {
        if !self.begun {
            self.begun = true;
            self.out.copy_in(format, columns)?;
        }
        Ok(())
    }

    /// Appends the next line to `line`; `false` at the end.
    fn next(&mut self, line: &mut String) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        match self.out.read_copy_line()? {
            CopyLine::Line(text) => {
                line.push_str(text);
                Ok(true)
            }
            CopyLine::Bad(report) => Err(Error::Report(report)),
            CopyLine::End => {
                self.ended = true;
                Ok(false)
            }
        }
    }

    /// Reads what is left of the data, and gives the output back.
    pub(crate) fn drain(mut self) -> Result<&'a mut dyn Output> {
        self.begin(CopyFormat::Text, 0)?;
        while !self.ended {
            if let CopyLine::End = self.out.read_copy_line()? {
                self.ended = true;
            }
        }
        Ok(self.out)
    }
}

/// What is needed to make a row of a line.
struct Target<'a> {
    table: &'a TableDef,
    options: CopyOptions,
    /// The columns that lines have values for.
    columns: Vec<usize>,
    /// The defaults of the others.
    defaults: Vec<(usize, Expr)>,
    checks: Vec<Check>,
}

/// Runs a COPY FROM; answers how many rows were added.
pub(crate) fn copy_from(
    execution: &Execution<'_>,
    context: &BindContext<'_>,
    copy: &CopyStatement,
    reader: &mut Reader<'_>,
) -> Result<u64> {
    let CopyStatement { subject, from: _, endpoint: _, options, filtered } = copy;
    let CopySubject::Table { name, columns, at } = subject else {
        return Err(Error::internal("COPY FROM of a query"));
    };
    let name = TableName::from_parts(name.clone(), at.unwrap_or(0) as u32)?;
    let table = open_for_copy(context, &name)?;
    if *filtered {
        return Err(Error::unsupported("COPY FROM … WHERE"));
    }
    let columns = copy_columns(&table, columns)?;
    let mut defaults = Vec::new();
    for column in (0..table.columns.len()).filter(|column| !columns.contains(column)) {
        defaults.push((column, default_of(context, &table, column)?));
    }
    let checks = bind_checks(context, &table)?;
    let target =
        Target { table: &table, options: check(options, true)?, columns, defaults, checks };
    check_forced(&target)?;
    reader.begin(target.options.format, target.columns.len())?;
    let mut lines = Lines {
        execution,
        target: &target,
        reader,
        line: String::new(),
        number: 0,
        fields: Fields::default(),
    };
    lines.skip_header()?;
    let storage = &execution.session.storage;
    if table.foreign_keys().next().is_none() {
        return storage.insert_many(&table, &mut |row| lines.next_row(row));
    }
    let (mut row, mut count) = (Row::new(), 0);
    while lines.next_row(&mut row)? {
        let place = storage.insert(&table, &row)?;
        execution.note_insert(&table, (place, &row))?;
        count += 1;
    }
    foreign::run(execution)?;
    Ok(count)
}

/// The columns that FORCE_… names must be there.
fn check_forced(target: &Target<'_>) -> Result<()> {
    use crate::copy::options::Columns;
    for forced in [&target.options.force_not_null, &target.options.force_null] {
        let Columns::Named(names) = forced else { continue };
        for name in names {
            let index = target.table.column_index(name);
            if !index.is_some_and(|index| target.columns.contains(&index)) {
                return Err(Error::new(
                    SqlState::INVALID_COLUMN_REFERENCE,
                    format!("FORCE column \"{name}\" not referenced by COPY"),
                ));
            }
        }
    }
    Ok(())
}

/// The lines of a COPY as rows.
struct Lines<'a, 'o, 'e> {
    execution: &'a Execution<'e>,
    target: &'a Target<'a>,
    reader: &'a mut Reader<'o>,
    line: String,
    /// The number of the line, from 1.
    number: u64,
    fields: Fields,
}

impl Lines<'_, '_, '_> {
    /// Reads a record: a line, or several if a value in quotes goes over their ends.
    fn read(&mut self) -> Result<bool> {
        self.line.clear();
        self.number += 1;
        let more = self.reader.next(&mut self.line).map_err(|e| self.in_line(e))?;
        if !more || self.target.options.format == CopyFormat::Text {
            return Ok(more);
        }
        let mut inside = csv::ends_in_quotes(&self.line, &self.target.options, false);
        while inside {
            self.line.push('\n');
            let start = self.line.len();
            self.number += 1;
            if !self.reader.next(&mut self.line).map_err(|e| self.in_line(e))? {
                // The data ended before this line.
                self.number -= 1;
                self.line.pop();
                break;
            }
            inside = csv::ends_in_quotes(&self.line[start..], &self.target.options, true);
            if self.line.len() > RECORD_MAX {
                let error = Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "CSV record is too long");
                return Err(self.in_line(error));
            }
        }
        Ok(true)
    }

    fn decode(&mut self) -> Result<()> {
        let Target { options, columns, table, .. } = self.target;
        match options.format {
            CopyFormat::Text => text::decode(&self.line, options, &mut self.fields),
            CopyFormat::Csv => {
                let named = |place: usize| {
                    columns.get(place).map(|column| table.columns[*column].name.as_str())
                };
                csv::decode(
                    &self.line,
                    options,
                    &|place| named(place).is_some_and(|n| options.force_not_null.contains(n)),
                    &|place| named(place).is_some_and(|n| options.force_null.contains(n)),
                    &mut self.fields,
                )?;
            }
        }
        Ok(())
    }

    fn skip_header(&mut self) -> Result<()> {
        if self.target.options.header == Header::No || !self.read()? {
            return Ok(());
        }
        if self.target.options.header == Header::Match {
            self.decode().map_err(|error| self.at_line(error))?;
            self.match_header().map_err(|error| self.at_line(error))?;
        }
        Ok(())
    }

    fn match_header(&self) -> Result<()> {
        let Target { columns, table, .. } = self.target;
        if self.fields.len() != columns.len() {
            return Err(bad_format(format!(
                "wrong number of fields in header line: got {}, expected {}",
                self.fields.len(),
                columns.len()
            )));
        }
        for (place, column) in columns.iter().enumerate() {
            let expected = &table.columns[*column].name;
            let found = self.fields.get(place)?;
            if found != Some(expected) {
                return Err(bad_format(format!(
                    "column name mismatch in header line field {}: got \"{}\", expected \"{expected}\"",
                    place + 1,
                    found.unwrap_or("")
                )));
            }
        }
        Ok(())
    }

    /// Makes a row of the next record; `false` at the end.
    fn next_row(&mut self, row: &mut Row) -> Result<bool> {
        if self.number.is_multiple_of(256) {
            self.execution.session.storage.check_interrupts()?;
        }
        if !self.read()? {
            return Ok(false);
        }
        self.decode().map_err(|error| self.at_line(error))?;
        self.check_count().map_err(|error| self.at_line(error))?;
        let Target { table, columns, defaults, checks, .. } = self.target;
        row.clear();
        row.resize(table.columns.len(), Datum::Null);
        let now = self.execution.session.clock();
        for (place, column) in columns.iter().enumerate() {
            let definition = &table.columns[*column];
            if let Some(text) = self.fields.get(place).map_err(|error| self.at_line(error))? {
                row[*column] = values::input(definition.ty, text, now)
                    .map_err(|error| self.at_value(error, &definition.name, text))?;
            }
        }
        let evaluator = self.execution.evaluator();
        for (column, default) in defaults {
            row[*column] = evaluator.value(default, &[]).map_err(|error| self.at_line(error))?;
        }
        check_not_null(table, row)
            .and_then(|()| check_row(&evaluator, table, checks, row))
            .map_err(|error| self.at_line(error))?;
        Ok(true)
    }

    fn check_count(&self) -> Result<()> {
        let Target { columns, table, .. } = self.target;
        let (found, wanted) = (self.fields.len(), columns.len());
        if found > wanted {
            return Err(bad_format("extra data after last expected column"));
        }
        match columns.get(found) {
            Some(missing) => {
                let name = &table.columns[*missing].name;
                Err(bad_format(format!("missing data for column \"{name}\"")))
            }
            None => Ok(()),
        }
    }

    fn in_line(&self, error: Error) -> Error {
        error.context(format!("COPY {}, line {}", self.target.table.name, self.number))
    }

    fn at_line(&self, error: Error) -> Error {
        error.context(format!(
            "COPY {}, line {}: \"{}\"",
            self.target.table.name,
            self.number,
            shown(&self.line)
        ))
    }

    fn at_value(&self, error: Error, column: &str, text: &str) -> Error {
        error.context(format!(
            "COPY {}, line {}, column {column}: \"{}\"",
            self.target.table.name,
            self.number,
            shown(text)
        ))
    }
}

/// The beginning of a text.
fn shown(text: &str) -> String {
    if text.len() <= SHOWN_MAX {
        return text.to_owned();
    }
    let end = (0..=SHOWN_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", &text[..end])
}
