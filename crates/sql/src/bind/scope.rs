//! The columns that names can mean: those of the one table of a query.
//!
//! Behind the table's own columns the row has its system columns, `ctid`, `xmin`, `xmax` and
//! `tableoid`; they are filled in only if a statement names one.

use catalog::TableKind;
use sqlparser::ast::Ident;
use types::{ColumnType, Oid, SqlState};

use super::Binder;
use super::names::{fold, name_of};
use super::stored::{Names, column_mark};
use crate::error::{Error, Result};
use crate::expr::{Expr, Node};
use crate::output::OutputColumn;

/// A column that can be named.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// Whether it was dropped: it has a place, and no name.
    pub dropped: bool,
    /// The relation and the place in it of a column that goes by the name it has there, which may
    /// change.
    pub origin: Option<(Oid, usize)>,
}

impl ScopeColumn {
    /// A column of that name.
    pub(crate) fn new(name: impl Into<String>, ty: ColumnType) -> ScopeColumn {
        ScopeColumn { name: name.into(), ty, dropped: false, origin: None }
    }
}

/// The columns of a query's table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// The table's schema and name, or its alias alone.
    pub schema: Option<String>,
    /// The name by which the table is known.
    pub table: Option<String>,
    /// The table's own name, where an alias hides it.
    pub hidden: Option<String>,
    /// The columns in order.
    pub columns: Vec<ScopeColumn>,
    /// Whether the rows have system columns.
    pub has_system: bool,
    /// Whether one was named.
    pub uses_system: bool,
    /// Whether there is a second row, `excluded`, behind the system columns.
    pub has_excluded: bool,
    /// Which columns are used: the others need not be decoded.
    pub wanted: Vec<bool>,
}

/// The system columns, in the order in which they stand behind a row.
pub(crate) const SYSTEM_COLUMNS: [(&str, ColumnType); 4] = [
    ("ctid", ColumnType::Text),
    ("xmin", ColumnType::Int8),
    ("xmax", ColumnType::Int8),
    ("tableoid", ColumnType::Oid),
];

/// The name of the row that INSERT … ON CONFLICT did not insert.
const EXCLUDED: &str = "excluded";

impl Scope {
    /// The columns of a table known by that name.
    pub(crate) fn of_table(table: &catalog::TableDef, alias: Option<String>) -> Scope {
        let users =
            matches!(table.kind, TableKind::Table | TableKind::View | TableKind::Sequence(_));
        let columns = table.columns.iter().enumerate().map(|(index, column)| ScopeColumn {
            dropped: column.dropped,
            origin: users.then_some((table.oid, index)),
            ..ScopeColumn::new(&column.name, column.ty)
        });
        Scope {
            schema: alias.is_none().then(|| table.schema.clone()),
            hidden: alias.as_ref().map(|_| table.name.clone()),
            table: Some(alias.unwrap_or_else(|| table.name.clone())),
            columns: columns.collect(),
            has_system: matches!(
                table.kind,
                TableKind::Table | TableKind::System | TableKind::Sequence(_)
            ),
            uses_system: false,
            has_excluded: false,
            wanted: vec![false; table.columns.len()],
        }
    }

    /// The columns of a query in FROM.
    pub(crate) fn of_query(columns: &[OutputColumn], alias: String) -> Scope {
        Scope {
            table: Some(alias),
            columns: columns.iter().map(|c| ScopeColumn::new(&c.name, c.ty)).collect(),
            wanted: vec![false; columns.len()],
            ..Scope::default()
        }
    }

    /// Gives the first columns the names that stand behind the alias.
    pub(super) fn rename(&mut self, names: Vec<String>) -> Result<()> {
        let live: Vec<&mut ScopeColumn> =
            self.columns.iter_mut().filter(|column| !column.dropped).collect();
        if names.len() > live.len() {
            let table = self.table.as_deref().unwrap_or("");
            let (has, given) = (live.len(), names.len());
            let message = format!(
                "table \"{table}\" has {has} columns available but {given} columns specified"
            );
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
        }
        for (column, name) in live.into_iter().zip(names) {
            (column.name, column.origin) = (name, None);
        }
        Ok(())
    }

    /// The names of the columns, for EXPLAIN.
    pub(crate) fn names(&self) -> Vec<String> {
        let own = self.columns.iter().map(|column| column.name.clone());
        let system = SYSTEM_COLUMNS.iter().map(|(name, _)| (*name).to_owned());
        let excluded = if self.has_excluded { self.columns.as_slice() } else { &[] };
        let excluded = excluded.iter().map(|column| format!("{EXCLUDED}.{}", column.name));
        own.chain(system).chain(excluded).collect()
    }

    fn index_of(&self, name: &str, names: Names<'_>) -> Option<(usize, ColumnType)> {
        let is = |column: &ScopeColumn| match (column.origin, names) {
            (Some((relation, index)), Names::Stored) => name == column_mark(relation, index),
            _ => column.name == name,
        };
        let own = self.columns.iter().position(|column| !column.dropped && is(column));
        if let Some(index) = own {
            return Some((index, self.columns[index].ty));
        }
        let system = SYSTEM_COLUMNS.iter().position(|(system, _)| *system == name);
        system
            .filter(|_| self.has_system)
            .map(|place| (self.columns.len() + place, SYSTEM_COLUMNS[place].1))
    }
}

impl Binder<'_> {
    /// The column of that name, if there is one.
    pub(super) fn find_column(&mut self, name: &str) -> Option<Expr> {
        let (index, ty) = self.scope.index_of(name, self.names)?;
        Some(self.column(index, ty))
    }

    /// The column at that place.
    pub(super) fn column(&mut self, index: usize, ty: ColumnType) -> Expr {
        match self.scope.wanted.get_mut(index) {
            Some(wanted) => *wanted = true,
            None => self.scope.uses_system = true,
        }
        Expr::new(Node::Column(index), ty)
    }

    /// A name without a table.
    pub(super) fn bind_identifier(&mut self, ident: &Ident) -> Result<Expr> {
        let name = fold(ident);
        let at = self.place(ident.span);
        if self.scope.has_excluded && self.scope.columns.iter().any(|column| column.name == name) {
            let message = format!("column reference \"{name}\" is ambiguous");
            let position = self.position(ident.span);
            return Err(Error::new(SqlState::AMBIGUOUS_COLUMN, message).at(position));
        }
        if let Some(column) = self.find_column(&name) {
            self.note_column(&column, ident.span, ident.span);
            return Ok(column.at(at));
        }
        if ident.quote_style.is_none()
            && crate::functions::WITHOUT_PARENTHESES.contains(&name.as_str())
        {
            return self.call_named(&name, Vec::new(), at);
        }
        name_of(ident).map_err(|error| error.at(self.position(ident.span)))?;
        if self.scope.table.as_deref() == Some(name.as_str()) {
            return Err(
                Error::unsupported("a reference to a whole row").at(self.position(ident.span))
            );
        }
        Err(undefined_column(&name, None).at(self.position(ident.span)))
    }

    /// A name with a table, and perhaps a schema.
    pub(super) fn bind_qualified(&mut self, idents: &[Ident]) -> Result<Expr> {
        let position = idents.first().and_then(|first| self.position(first.span));
        let parts: Vec<String> = idents.iter().map(fold).collect();
        let (schema, table, column) = match parts.as_slice() {
            [table, column] => (None, table, column),
            [schema, table, column] => (Some(schema), table, column),
            _ => return Err(Error::unsupported("a name of so many parts").at(position)),
        };
        if self.scope.has_excluded && schema.is_none() && table == EXCLUDED {
            let at = idents.first().map_or(0, |first| self.place(first.span));
            return self.excluded(column).map(|found| found.at(at)).map_err(|e| e.at(position));
        }
        self.check_table(schema.map(String::as_str), table).map_err(|e| e.at(position))?;
        match self.find_column(column) {
            Some(found) => {
                let [first, .., last] = idents else { return Ok(found) };
                self.note_column(&found, first.span, last.span);
                Ok(found.at(self.place(first.span)))
            }
            None => Err(undefined_column(column, Some(table)).at(position)),
        }
    }

    /// A column of the row that was to be inserted.
    fn excluded(&self, column: &str) -> Result<Expr> {
        let columns = &self.scope.columns;
        let place = columns.iter().position(|known| known.name == column);
        let place = place.ok_or_else(|| undefined_column(column, Some(EXCLUDED)))?;
        let node = Node::Column(columns.len() + SYSTEM_COLUMNS.len() + place);
        Ok(Expr::new(node, columns[place].ty))
    }

    /// Refuses a table that the query does not have.
    pub(super) fn check_table(&self, schema: Option<&str>, table: &str) -> Result<()> {
        let same_table = self.scope.table.as_deref() == Some(table);
        let same_schema = schema.is_none() || self.scope.schema.as_deref() == schema;
        if same_table && same_schema {
            return Ok(());
        }
        if let (Some(alias), Some(hidden)) = (&self.scope.table, &self.scope.hidden)
            && hidden == table
        {
            return Err(Error::new(
                SqlState::UNDEFINED_TABLE,
                format!("invalid reference to FROM-clause entry for table \"{table}\""),
            )
            .hint(format!("Perhaps you meant to reference the table alias \"{alias}\".")));
        }
        Err(Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("missing FROM-clause entry for table \"{table}\""),
        ))
    }
}

/// `42703`
pub(crate) fn undefined_column(column: &str, table: Option<&str>) -> Error {
    let message = match table {
        Some(table) => format!("column {table}.{column} does not exist"),
        None => format!("column \"{column}\" does not exist"),
    };
    Error::new(SqlState::UNDEFINED_COLUMN, message)
}
