//! Clauses that the parser knows and that are not supported.

use crate::error::{Error, Result};

/// Names the first of some clauses that was written.
pub(super) fn refuse(clauses: &[(bool, &str)]) -> Result<()> {
    match clauses.iter().find(|(written, _)| *written) {
        Some((_, clause)) => Err(Error::unsupported(clause)),
        None => Ok(()),
    }
}
