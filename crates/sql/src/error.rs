//! The one error of this room.
//!
//! Most errors are found here and carry PostgreSQL's message and SQLSTATE in a [`Report`]. What a
//! room below reports is turned into the same form at the seam (`engine`), so that nothing above
//! has to know who found it. [`Error::Stop`] is not for the client: there is none any more.

use std::fmt;

use types::{Diagnostic, Severity, SqlState};

use crate::output::Stop;

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a statement ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error that the client is told.
    #[error(transparent)]
    Report(Box<Report>),
    /// The client cannot be told anything any more.
    #[error("the connection is closed")]
    Stop(#[from] Stop),
}

/// What the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What must happen.
    pub severity: Severity,
    /// The code of the condition.
    pub sqlstate: SqlState,
    /// The first sentence.
    pub message: String,
    /// The particulars.
    pub detail: Option<String>,
    /// What the reader could do.
    pub hint: Option<String>,
    /// Where in the request, in characters from 1.
    pub position: Option<usize>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl Report {
    /// A report of that condition, with nothing but its message.
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Report {
            severity: Severity::Error,
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
        }
    }

    /// The report of another room's error.
    pub fn from_diagnostic(error: &dyn Diagnostic) -> Self {
        Report {
            severity: error.severity(),
            sqlstate: error.sqlstate(),
            message: error.to_string(),
            detail: error.detail(),
            hint: error.hint(),
            position: error.position(),
        }
    }
}

impl From<access::Error> for Error {
    fn from(error: access::Error) -> Self {
        Error::from_diagnostic(&error)
    }
}

impl Error {
    /// An error of that condition.
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Error::Report(Box::new(Report::new(sqlstate, message)))
    }

    /// The error of another room, as the client is told it.
    pub fn from_diagnostic(error: &dyn Diagnostic) -> Self {
        Error::Report(Box::new(Report::from_diagnostic(error)))
    }

    /// `0A000`, naming the construct: `WINDOW is not supported`.
    pub fn unsupported(construct: impl fmt::Display) -> Self {
        Error::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{construct} is not supported"))
    }

    /// `42601`, at a place.
    pub fn syntax(message: impl Into<String>) -> Self {
        Error::new(SqlState::SYNTAX_ERROR, message)
    }

    /// `XX000`: what should not be possible.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(SqlState::INTERNAL_ERROR, message)
    }

    fn with(mut self, change: impl FnOnce(&mut Report)) -> Self {
        if let Error::Report(report) = &mut self {
            change(report);
        }
        self
    }

    /// Adds the particulars.
    pub fn detail(self, detail: impl Into<String>) -> Self {
        self.with(|report| report.detail = Some(detail.into()))
    }

    /// Adds advice.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.with(|report| report.hint = Some(hint.into()))
    }

    /// Adds the place, unless it is known already or there is none.
    pub fn at(self, position: Option<usize>) -> Self {
        self.with(|report| report.position = report.position.or(position))
    }

    /// Forgets the place: it belongs to another text than the client's.
    pub fn without_position(self) -> Self {
        self.with(|report| report.position = None)
    }

    /// Adds what was being done, behind the particulars.
    pub fn context(self, context: impl fmt::Display) -> Self {
        self.with(|report| {
            report.detail = Some(match report.detail.take() {
                Some(detail) => format!("{detail}\n{context}"),
                None => context.to_string(),
            });
        })
    }

    /// The code, if there is a report.
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Error::Report(report) => Some(report.sqlstate),
            Error::Stop(_) => None,
        }
    }
}

impl Diagnostic for Report {
    fn severity(&self) -> Severity {
        self.severity
    }
    fn sqlstate(&self) -> SqlState {
        self.sqlstate
    }
    fn detail(&self) -> Option<String> {
        self.detail.clone()
    }
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
    fn position(&self) -> Option<usize> {
        self.position
    }
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        match self {
            Error::Report(report) => report.severity,
            Error::Stop(_) => Severity::Fatal,
        }
    }
    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Report(report) => report.sqlstate,
            Error::Stop(_) => SqlState::CONNECTION_EXCEPTION,
        }
    }
    fn detail(&self) -> Option<String> {
        match self {
            Error::Report(report) => report.detail.clone(),
            Error::Stop(_) => None,
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            Error::Report(report) => report.hint.clone(),
            Error::Stop(_) => None,
        }
    }
    fn position(&self) -> Option<usize> {
        match self {
            Error::Report(report) => report.position,
            Error::Stop(_) => None,
        }
    }
}
