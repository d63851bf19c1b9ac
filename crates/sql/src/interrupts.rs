//! Somebody wants the session or the statement to end: asked between rows, and inside of functions
//! that may take long over one value.

use sys::signal::Pending;
use types::{Severity, SqlState};

use crate::error::{Error, Report, Result};

/// TERM ends the session (`57P01`), INT the statement (`57014`).
pub(crate) fn check() -> Result<()> {
    if Pending::term() {
        let message = "terminating connection due to administrator command";
        let mut report = Report::new(SqlState::ADMIN_SHUTDOWN, message);
        report.severity = Severity::Fatal;
        return Err(Error::Report(Box::new(report)));
    }
    if Pending::take_int() {
        let message = "canceling statement due to user request";
        return Err(Error::new(SqlState::QUERY_CANCELED, message));
    }
    Ok(())
}
