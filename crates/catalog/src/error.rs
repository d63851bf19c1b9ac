//! What can go wrong with the system tables.

use types::{Diagnostic, Oid, Severity, SqlState};

/// An error of the catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system table could not be read or changed.
    #[error(transparent)]
    Access(#[from] access::Error),
    /// A transaction, snapshot or lock.
    #[error(transparent)]
    Txn(#[from] txn::Error),
    /// There is a table of that name.
    #[error("relation \"{0}\" already exists")]
    DuplicateTable(String),
    /// There is a relation of that name in the schema that one is to be moved to.
    #[error("relation \"{name}\" already exists in schema \"{schema}\"")]
    DuplicateInSchema {
        /// The name.
        name: String,
        /// The schema.
        schema: String,
    },
    /// A table can't have two columns of one name.
    #[error("column \"{0}\" specified more than once")]
    DuplicateColumn(String),
    /// The table has a constraint of that name.
    #[error("constraint \"{constraint}\" for relation \"{table}\" already exists")]
    DuplicateConstraint {
        /// The constraint.
        constraint: String,
        /// The table.
        table: String,
    },
    /// An index has too many columns.
    #[error("cannot use more than 32 columns in an index")]
    TooManyIndexColumns,
    /// What is done to tables is done to something else.
    #[error("\"{0}\" is not a table")]
    NotATable(String),
    /// There is no schema of that name.
    #[error("schema \"{0}\" does not exist")]
    UndefinedSchema(String),
    /// There is a schema of that name.
    #[error("schema \"{0}\" already exists")]
    DuplicateSchema(String),
    /// A schema's name is reserved.
    #[error("unacceptable schema name \"{0}\"")]
    ReservedSchema(String),
    /// The search path names no schema that exists.
    #[error("no schema has been selected to create in")]
    NoSchemaSelected,
    /// Other things depend on what is to be dropped: `what`, if it is one thing.
    #[error("cannot drop {} because other objects depend on {}",
        .what.as_deref().unwrap_or("desired object(s)"),
        if .what.is_some() { "it" } else { "them" })]
    Depended {
        /// The thing, if it is one.
        what: Option<String>,
        /// What depends on what.
        detail: Vec<String>,
    },
    /// A thing is a part of how another one works.
    #[error("cannot drop {what} because {owner} requires it")]
    RequiredByOther {
        /// The thing.
        what: String,
        /// The other.
        owner: String,
    },
    /// The server cannot be without it.
    #[error("cannot drop {0} because it is required by the database system")]
    RequiredBySystem(String),
    /// System tables can't be changed.
    #[error("permission denied: \"{0}\" is a system catalog")]
    SystemTable(String),
    /// Nothing can be created in the system's schema.
    #[error("permission denied to create \"{schema}.{name}\"")]
    SystemSchema {
        /// The schema.
        schema: String,
        /// The name that was to be created.
        name: String,
    },
    /// A name is too long.
    #[error("identifier \"{0}\" is too long: the maximum is {max} bytes", max = crate::NAME_LENGTH_MAX)]
    NameTooLong(String),
    /// A table has too many columns.
    #[error("tables can have at most {max} columns", max = crate::COLUMNS_MAX)]
    TooManyColumns,
    /// A column can't be of that type.
    #[error("column \"{0}\" has a type that cannot be stored")]
    NotStorable(String),
    /// Somebody else changed a row of the system tables, which locks should have prevented.
    #[error("tuple concurrently updated")]
    ConcurrentUpdate,
    /// What the system tables say of a table makes no sense.
    #[error("system tables are damaged: relation {}: {why}", .relation.0)]
    Damaged {
        /// The table.
        relation: Oid,
        /// What is wrong.
        why: &'static str,
    },
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        match self {
            Error::Access(error) => error.severity(),
            Error::Txn(error) => error.severity(),
            _ => Severity::Error,
        }
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Access(error) => error.sqlstate(),
            Error::Txn(error) => error.sqlstate(),
            Error::DuplicateTable(_) | Error::DuplicateInSchema { .. } => SqlState::DUPLICATE_TABLE,
            Error::DuplicateColumn(_) => SqlState::DUPLICATE_COLUMN,
            Error::DuplicateConstraint { .. } => SqlState::DUPLICATE_OBJECT,
            Error::TooManyIndexColumns => SqlState::TOO_MANY_COLUMNS,
            Error::NotATable(_) => SqlState::WRONG_OBJECT_TYPE,
            Error::UndefinedSchema(_) => SqlState::INVALID_SCHEMA_NAME,
            Error::NoSchemaSelected => SqlState::INVALID_SCHEMA_NAME,
            Error::DuplicateSchema(_) => SqlState::DUPLICATE_SCHEMA,
            Error::ReservedSchema(_) => SqlState::RESERVED_NAME,
            Error::Depended { .. } | Error::RequiredByOther { .. } | Error::RequiredBySystem(_) => {
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST
            }
            Error::SystemTable(_) | Error::SystemSchema { .. } => SqlState::INSUFFICIENT_PRIVILEGE,
            Error::NameTooLong(_) => SqlState::NAME_TOO_LONG,
            Error::TooManyColumns => SqlState::TOO_MANY_COLUMNS,
            Error::NotStorable(_) => SqlState::FEATURE_NOT_SUPPORTED,
            Error::ConcurrentUpdate => SqlState::INTERNAL_ERROR,
            Error::Damaged { .. } => SqlState::DATA_CORRUPTED,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Error::Access(error) => error.detail(),
            Error::Txn(error) => error.detail(),
            Error::Depended { detail, .. } => Some(listed(detail)),
            Error::ReservedSchema(_) => {
                Some("The prefix \"pg_\" is reserved for system schemas.".to_owned())
            }
            Error::SystemSchema { .. } => {
                Some("System catalog modifications are currently disallowed.".to_owned())
            }
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Access(error) => error.hint(),
            Error::Txn(error) => error.hint(),
            Error::Depended { .. } => {
                Some("Use DROP ... CASCADE to drop the dependent objects too.".to_owned())
            }
            Error::RequiredByOther { owner, .. } => Some(format!("You can drop {owner} instead.")),
            _ => None,
        }
    }
}

/// Lines for a message: the first hundred, and how many more there are.
pub fn listed(lines: &[String]) -> String {
    const SHOWN: usize = 100;
    let mut text = lines[..lines.len().min(SHOWN)].join("\n");
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        let word = if more == 1 { "object" } else { "objects" };
        text.push_str(&format!("\nand {more} other {word} (see server log for list)"));
    }
    text
}
