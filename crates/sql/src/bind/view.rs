//! Views where they are read: the query that a view stands for.
//!
//! A view is locked like a table, and so is whatever its query reads, by the oids in its text; all of
//! them are among the tables that a plan is kept for. A view that is made of others is a recursion
//! here, so its depth is bounded, and a circle is told ([`Within`]).

use catalog::TableDef;
use types::{Oid, SqlState};

use super::BindContext;
use super::stored::bind_stored;
use crate::error::{Error, Result};
use crate::parse::too_complex;
use crate::planned::Query;

/// How many views may stand one upon the other: what a stack of 2 MB (a thread of the tests) bears in
/// a debug build.
const DEPTH_MAX: u32 = 64;

/// A view whose query is being bound.
#[derive(Clone, Copy)]
pub(crate) struct Within<'a> {
    view: Oid,
    depth: u32,
    outer: Option<&'a Within<'a>>,
}

impl<'a> Within<'a> {
    /// Goes into a view; an error if that is too deep, or it is within itself.
    fn enter(outer: Option<&'a Within<'a>>, view: &TableDef) -> Result<Within<'a>> {
        let mut around = outer;
        while let Some(within) = around {
            if within.view == view.oid {
                let message =
                    format!("infinite recursion detected in rules for relation \"{}\"", view.name);
                return Err(Error::new(SqlState::INVALID_OBJECT_DEFINITION, message));
            }
            around = within.outer;
        }
        let depth = outer.map_or(0, |outer| outer.depth) + 1;
        if depth > DEPTH_MAX {
            Err(too_complex())
        } else {
            Ok(Within { view: view.oid, depth, outer })
        }
    }
}

/// The query of a view that is locked.
pub(super) fn bind_view(context: &BindContext<'_>, view: &TableDef) -> Result<Query> {
    let within = Within::enter(context.within, view)?;
    let inner = BindContext { within: Some(&within), ..*context };
    let mut query = bind_stored(&inner, &view.query).map_err(Error::without_position)?;
    let types = query.columns.iter().map(|column| column.ty);
    if !types.eq(view.columns.iter().map(|column| column.ty)) {
        let message = format!("query of view \"{}\" does not have its columns", view.name);
        return Err(Error::internal(message));
    }
    for (shown, column) in query.columns.iter_mut().zip(&view.columns) {
        shown.name.clone_from(&column.name);
    }
    Ok(query)
}
