//! Somebody wants the session or the statement to end: asked between rows, and inside of functions
//! that may take long over one value.

use crate::error::{Error, Result};

/// TERM ends the session (`57P01`), as does a client that is gone (`08006`); INT and
/// `statement_timeout` end the statement (`57014`).
pub(crate) fn check() -> Result<()> {
    txn::check_interrupts().map_err(|error| Error::from_diagnostic(&error))
}
