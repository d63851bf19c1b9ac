//! Identifiers: unquoted ones are folded to lower case.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use crate::error::{Error, Result};

/// The name that an identifier means.
pub(crate) fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// The parts of a name.
pub(crate) fn object_name(name: &ObjectName) -> Result<Vec<String>> {
    let ObjectName(parts) = name;
    parts
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(fold(ident)),
            ObjectNamePart::Function(_) => Err(Error::unsupported("a computed name")),
        })
        .collect()
}

/// A table's name: its schema, if one is given, and its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TableName {
    /// The schema.
    pub schema: Option<String>,
    /// The name in it.
    pub name: String,
    /// Where it stands; 0 is unknown.
    pub at: u32,
}

impl TableName {
    /// A table's name from its parts.
    pub(crate) fn from_parts(parts: Vec<String>, at: u32) -> Result<TableName> {
        let mut parts = parts;
        let Some(name) = parts.pop() else {
            return Err(Error::syntax("a table needs a name"));
        };
        let schema = parts.pop();
        match parts.pop() {
            None => Ok(TableName { schema, name, at }),
            Some(catalog) if parts.is_empty() && catalog == crate::functions::DATABASE => {
                Ok(TableName { schema, name, at })
            }
            Some(_) => Err(Error::unsupported("a reference to another database")),
        }
    }

    /// The name as messages show it.
    pub(crate) fn shown(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}
