//! Columns as CREATE TABLE and ALTER TABLE define them.

use catalog::{ColumnDef, Identity};
use sqlparser::ast::{
    ColumnDef as AstColumn, ColumnOption, ColumnOptionDef, Expr as AstExpr, GeneratedAs, Ident,
    SequenceOptions as AstOptions, Spanned,
};
use types::{ColumnType, Oid, SqlState};

use super::BindContext;
use super::defaults::bind_default;
use super::define::Behind;
use super::foreign_keys::bind_foreign_key;
use super::names::name_of;
use super::sequences::{serial_type, with_oids};
use super::types::bind_type;
use crate::error::{Error, Result};
use crate::parse::SequenceOptions;
use crate::planned::ColumnSequence;

/// A column as it is read.
struct Reading {
    /// The table's name.
    table: String,
    name: String,
    /// Where the name stands.
    position: Option<usize>,
    ty: ColumnType,
    /// Whether the type is `serial` or its like.
    serial: bool,
    not_null: Option<bool>,
    default: Option<String>,
    /// Whether it is GENERATED ALWAYS, and what is said of its sequence.
    identity: Option<(bool, SequenceOptions)>,
}

/// A column as CREATE TABLE and ALTER TABLE define it; it will be the one of that number.
pub(crate) fn bind_column<'a>(
    context: &BindContext<'_>,
    column: &'a AstColumn,
    number: usize,
    behind: &mut Behind<'a>,
) -> Result<ColumnDef> {
    let AstColumn { name, data_type: _, options } = column;
    let position = context.source.position(name.span.start);
    let mut reading = Reading::begin(column, position, &behind.table)?;
    for ColumnOptionDef { name: constraint, option } in options {
        reading.take(context, (constraint.as_ref(), option), number, behind)?;
    }
    reading.finish(number, behind).map_err(|error| error.at(position))
}

impl Reading {
    /// The column's name and type.
    fn begin(column: &AstColumn, position: Option<usize>, table: &str) -> Result<Reading> {
        let AstColumn { name, data_type, options: _ } = column;
        let name = name_of(name).map_err(|error| error.at(position))?;
        let serial = serial_type(data_type);
        let ty = match serial {
            Some(ty) => ty,
            None => bind_type(data_type).map_err(|error| error.at(position))?.ty,
        };
        if !is_storable(ty) {
            let type_name = crate::values::type_name(crate::values::names::base(ty));
            return Err(Error::unsupported(format!("a column of type {type_name}")).at(position));
        }
        let system = super::scope::SYSTEM_COLUMNS.iter().any(|(system, _)| *system == name)
            || matches!(name.as_str(), "cmin" | "cmax");
        if system {
            let message = format!("column name \"{name}\" conflicts with a system column name");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(position));
        }
        let (table, serial) = (table.to_owned(), serial.is_some());
        let not_null = serial.then_some(true);
        Ok(Reading { table, name, position, ty, serial, not_null, default: None, identity: None })
    }

    /// Takes one of the options behind it, which may have a name.
    fn take<'a>(
        &mut self,
        context: &BindContext<'_>,
        (constraint, option): (Option<&'a Ident>, &'a ColumnOption),
        number: usize,
        behind: &mut Behind<'a>,
    ) -> Result<()> {
        let position = self.position;
        let nameable = matches!(
            option,
            ColumnOption::NotNull
                | ColumnOption::Check(_)
                | ColumnOption::PrimaryKey(_)
                | ColumnOption::Unique(_)
                | ColumnOption::ForeignKey(_)
        );
        if constraint.is_some() && !nameable {
            return Err(Error::unsupported("a named constraint").at(position));
        }
        match option {
            ColumnOption::Null => self.set_not_null(false),
            ColumnOption::NotNull => self.set_not_null(true),
            ColumnOption::Default(expr) => self.set_default(context, expr),
            ColumnOption::Check(check) => {
                behind.checks.push((constraint, check, number));
                Ok(())
            }
            ColumnOption::PrimaryKey(key) => behind.keys.add_primary(constraint, key, number),
            ColumnOption::Unique(key) => behind.keys.add_unique(constraint, key, number),
            ColumnOption::ForeignKey(key) => {
                let of_column = Some((constraint, self.name.as_str()));
                behind.foreign_keys.push(bind_foreign_key(context, key, of_column)?);
                Ok(())
            }
            ColumnOption::Generated {
                generated_as,
                sequence_options: Some(options),
                generation_expr: None,
                generation_expr_mode: None,
                generated_keyword: true,
            } => self.set_identity(generated_as, options),
            other => Err(Error::unsupported(option_name(other))),
        }
        .map_err(|error| error.at(position))
    }

    /// `42601`
    fn wrong(&self, what: &str) -> Error {
        let Reading { name, table, .. } = self;
        Error::syntax(format!("{what} for column \"{name}\" of table \"{table}\""))
    }

    fn set_not_null(&mut self, wanted: bool) -> Result<()> {
        if self.not_null.is_some_and(|known| known != wanted) {
            return Err(self.wrong(CONFLICTING_NULLS));
        }
        self.not_null = Some(wanted);
        Ok(())
    }

    fn set_default(&mut self, context: &BindContext<'_>, expr: &AstExpr) -> Result<()> {
        if self.default.is_some() || self.serial {
            return Err(self.wrong("multiple default values specified"));
        }
        self.default = Some(default_text(context, expr, &self.name, self.ty)?);
        Ok(())
    }

    fn set_identity(&mut self, generated: &GeneratedAs, options: &[AstOptions]) -> Result<()> {
        if self.identity.is_some() {
            return Err(self.wrong("multiple identity specifications"));
        }
        let always = match generated {
            GeneratedAs::Always => true,
            GeneratedAs::ByDefault => false,
            GeneratedAs::ExpStored => return Err(Error::unsupported("GENERATED … STORED")),
        };
        self.set_not_null(true)?;
        self.identity = Some((always, SequenceOptions::of_column(options)?));
        Ok(())
    }

    fn finish(self, number: usize, behind: &mut Behind<'_>) -> Result<ColumnDef> {
        if self.identity.is_some() && (self.default.is_some() || self.serial) {
            return Err(self.wrong("both default and identity specified"));
        }
        if self.not_null == Some(false) && behind.keys.is_primary(number) {
            return Err(self.wrong(CONFLICTING_NULLS));
        }
        let Reading { name, ty, serial, not_null, default, identity, .. } = self;
        let always = identity.as_ref().map(|(always, _)| *always);
        let options = identity.map(|(_, options)| options);
        if let Some(options) = options.or_else(|| serial.then(SequenceOptions::default)) {
            behind.sequences.push(ColumnSequence { column: number, always, options });
        }
        let identity = always.map(|always| Identity { always, sequence: Oid(0) });
        let not_null = not_null == Some(true);
        Ok(ColumnDef { not_null, default, identity, ..ColumnDef::new(name, ty) })
    }
}

const CONFLICTING_NULLS: &str = "conflicting NULL/NOT NULL declarations";

fn is_storable(ty: ColumnType) -> bool {
    !matches!(ty, ColumnType::Numeric | ColumnType::Unknown | ColumnType::Bpchar(0))
}

/// The text of a default, once it is known to be good.
pub(crate) fn default_text(
    context: &BindContext<'_>,
    expr: &AstExpr,
    name: &str,
    ty: ColumnType,
) -> Result<String> {
    let position = context.source.position(expr.span().start);
    let text = with_oids(context, &expr.to_string())
        .map_err(|error| error.without_position().at(position))?;
    bind_default(context, &text, name, ty)
        .map_err(|error| error.without_position().at(position))?;
    Ok(text)
}

fn option_name(option: &ColumnOption) -> String {
    match option {
        ColumnOption::Collation(_) => "COLLATE",
        ColumnOption::Generated { .. } | ColumnOption::Identity(_) => "GENERATED",
        _ => "this option of a column",
    }
    .to_owned()
}
