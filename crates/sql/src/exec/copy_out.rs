//! COPY … TO STDOUT.

use types::Datum;

use super::{Execution, OutRow, query};
use crate::bind::{BindContext, TableName, Unknowns, bind_query, copy_columns};
use crate::copy::options::{Columns, CopyOptions, Header, check};
use crate::copy::{csv, text};
use crate::error::{Error, Result};
use crate::expr::{Expr, Node};
use crate::functions::Environment as _;
use crate::output::{CopyFormat, Output, OutputColumn};
use crate::parse::{CopyStatement, CopySubject};
use crate::plan::Planner;
use crate::plan::path::Path;
use crate::planned::{Distinct, First, Query, RowSource, TableSource};
use crate::values;
use catalog::{TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

/// Runs a COPY TO; answers how many rows went out.
pub(crate) fn copy_to(
    execution: &Execution<'_>,
    context: &BindContext<'_>,
    copy: &CopyStatement,
    out: &mut dyn Output,
) -> Result<u64> {
    let CopyStatement { subject, from: _, endpoint: _, options, filtered: _ } = copy;
    let query = match subject {
        CopySubject::Query(query) => {
            let mut query = bind_query(context, query, Unknowns::Text)?;
            Planner::of(execution.session, &[]).query(&mut query)?;
            query
        }
        CopySubject::Table { name, columns, at } => {
            let name = TableName::from_parts(name.clone(), at.unwrap_or(0) as u32)?;
            whole_table(context, &name, columns)?
        }
    };
    let options = check(options, false)?;
    check_forced(&options, &query)?;
    out.copy_out(options.format, query.columns.len())?;
    if options.header != Header::No {
        let mut line = String::new();
        let names = query.columns.iter().map(|column| Some(column.name.as_str()));
        push_line(&mut line, names, &options, &|_| false);
        out.copy_row(&line)?;
    }
    let mut writer = Writer::new(execution, &options, &query, out);
    query::run(execution, &query, &mut |row: &OutRow<'_>| writer.write(row))
}

fn check_forced(options: &CopyOptions, query: &Query) -> Result<()> {
    let Columns::Named(names) = &options.force_quote else { return Ok(()) };
    match names.iter().find(|name| !query.columns.iter().any(|column| column.name == **name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(
            SqlState::INVALID_COLUMN_REFERENCE,
            format!("FORCE_QUOTE column \"{name}\" not referenced by COPY"),
        )),
    }
}

/// `42809`: the row of a sequence is not copied.
fn refuse_sequence(table: &TableDef) -> Result<()> {
    if !matches!(table.kind, TableKind::Sequence(_)) {
        return Ok(());
    }
    let message = format!("cannot copy from sequence \"{}\"", table.name);
    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
}

/// The query that shows some columns of a table.
fn whole_table(
    context: &BindContext<'_>,
    name: &TableName,
    columns: &[(String, Option<usize>)],
) -> Result<Query> {
    let table = context.tables.table(name, LockMode::AccessShare)?;
    if table.kind == TableKind::View {
        let message = format!("cannot copy from view \"{}\"", table.name);
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
            .hint("Try the COPY (SELECT ...) TO variant."));
    }
    refuse_sequence(&table)?;
    let columns = copy_columns(&table, columns)?;
    let targets = columns
        .iter()
        .map(|column| Expr::new(Node::Column(*column), table.columns[*column].ty))
        .collect();
    let shown = columns.iter().map(|column| OutputColumn {
        name: table.columns[*column].name.clone(),
        ty: table.columns[*column].ty,
    });
    Ok(Query {
        columns: shown.collect(),
        names: table.columns.iter().map(|column| column.name.clone()).collect(),
        qualifier: None,
        source: RowSource::Table(TableSource {
            wanted: (0..table.columns.len()).map(|column| columns.contains(&column)).collect(),
            table,
            alias: None,
            system: false,
            path: Path::unplanned(),
        }),
        filter: None,
        grouping: None,
        targets,
        distinct: Distinct::No,
        sort: Vec::new(),
        limit: None,
        offset: None,
        first: First::All,
        locking: None,
    })
}

/// Writes rows as lines.
struct Writer<'a> {
    execution: &'a Execution<'a>,
    options: &'a CopyOptions,
    forced: Vec<bool>,
    out: &'a mut dyn Output,
    line: String,
    value: String,
}

impl<'a> Writer<'a> {
    fn new(
        execution: &'a Execution<'a>,
        options: &'a CopyOptions,
        query: &Query,
        out: &'a mut dyn Output,
    ) -> Writer<'a> {
        let forced = query.columns.iter().map(|column| options.force_quote.contains(&column.name));
        Writer {
            execution,
            options,
            forced: forced.collect(),
            out,
            line: String::new(),
            value: String::new(),
        }
    }

    fn write(&mut self, row: &OutRow<'_>) -> Result<()> {
        let style = self.execution.session.style();
        self.line.clear();
        for (place, value) in row.iter().enumerate() {
            if place > 0 {
                self.line.push(char::from(self.options.delimiter));
            }
            match value.as_ref() {
                Datum::Null => self.line.push_str(&self.options.null),
                value => {
                    self.value.clear();
                    values::output(value, style, &mut self.value);
                    let forced = self.forced.get(place).copied().unwrap_or(false);
                    let alone = row.len() == 1;
                    push_value(&mut self.line, &self.value, self.options, forced, alone);
                }
            }
        }
        self.out.copy_row(&self.line)?;
        Ok(())
    }
}

fn push_value(line: &mut String, value: &str, options: &CopyOptions, forced: bool, alone: bool) {
    match options.format {
        CopyFormat::Text => text::encode(value, options, line),
        CopyFormat::Csv => csv::encode(value, options, forced, alone, line),
    }
}

fn push_line<'v>(
    line: &mut String,
    values: impl ExactSizeIterator<Item = Option<&'v str>>,
    options: &CopyOptions,
    forced: &dyn Fn(usize) -> bool,
) {
    let alone = values.len() == 1;
    for (place, value) in values.enumerate() {
        if place > 0 {
            line.push(char::from(options.delimiter));
        }
        match value {
            Some(value) => push_value(line, value, options, forced(place), alone),
            None => line.push_str(&options.null),
        }
    }
}
