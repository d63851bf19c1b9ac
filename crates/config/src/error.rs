//! What can be wrong with a setting or with the file.

use std::fmt;
use std::path::{Path, PathBuf};

use types::{Diagnostic, SqlState};

use crate::Settings;
use crate::kind::{Kind, Setting};
use crate::units;
use crate::value::Value;

/// An error of SET, SHOW, or of reading the configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No setting has that name.
    #[error("unrecognized configuration parameter \"{name}\"")]
    Unknown {
        /// The name.
        name: String,
        /// The name that is likely meant.
        nearest: Option<&'static str>,
    },
    /// The value is none of the setting's, or is out of its range.
    #[error("{message}")]
    InvalidValue {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: Option<String>,
    },
    /// The setting is fixed, or fixed until something happens.
    #[error("{message}")]
    CannotChange {
        /// What is wrong.
        message: String,
    },
    /// The configuration cannot be used; all that is wrong with it.
    #[error("{}", Problems(.0))]
    Configuration(Vec<Problem>),
}

/// One thing that is wrong with the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file, or `--set`.
    pub place: String,
    /// Line and column in characters, both from 1, where there are such.
    pub position: Option<(u32, u32)>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n    {hint}")?;
        }
        Ok(())
    }
}

struct Problems<'a>(&'a [Problem]);

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Error {
    pub(crate) fn unknown(name: &str) -> Error {
        let names = crate::settings().iter().map(|setting| setting.name);
        Error::Unknown { name: name.to_owned(), nearest: crate::nearest::nearest(name, names) }
    }

    pub(crate) fn invalid_value(name: &str, value: &str, hint: Option<String>) -> Error {
        let shown: String = value.chars().take(100).collect();
        let message = format!("invalid value for parameter \"{name}\": \"{shown}\"");
        Error::InvalidValue { message, hint }
    }

    pub(crate) fn too_long(name: &str, hint: String) -> Error {
        let message = format!("invalid value for parameter \"{name}\": too long");
        Error::InvalidValue { message, hint: Some(hint) }
    }

    pub(crate) fn not_boolean(name: &str) -> Error {
        let message = format!("parameter \"{name}\" requires a Boolean value");
        Error::InvalidValue { message, hint: None }
    }

    pub(crate) fn out_of_range(setting: &Setting, value: &Value) -> Error {
        let unit = setting.kind.unit().map_or(String::new(), |(name, _)| format!(" {name}"));
        let shown = |value: &Value| units::format_plain(&setting.kind, value);
        let (min, max) = range(&setting.kind);
        let message = format!(
            "{}{unit} is outside the valid range for parameter \"{}\" ({} .. {})",
            shown(value),
            setting.name,
            shown(&min),
            shown(&max)
        );
        Error::InvalidValue { message, hint: Some(expectation(setting)) }
    }

    /// The error in one file that cannot be read at all.
    pub(crate) fn unreadable(path: &Path, why: impl fmt::Display, hint: Option<String>) -> Error {
        let message = format!("could not read the configuration file: {why}");
        let place = PathBuf::from(path).display().to_string();
        Error::Configuration(vec![Problem { place, position: None, message, hint }])
    }
}

/// The least and the greatest value of a setting that has such.
pub(crate) fn range(kind: &Kind) -> (Value, Value) {
    match kind {
        Kind::Integer { min, max } | Kind::Time { min, max, .. } => {
            (Value::Integer(*min), Value::Integer(*max))
        }
        Kind::Memory { min, max, auto, .. } => {
            (Value::Integer(if *auto { -1 } else { *min }), Value::Integer(*max))
        }
        Kind::Real { min, max } => (Value::Real(*min), Value::Real(*max)),
        Kind::Bool | Kind::Text { .. } | Kind::Enum { .. } => {
            (Value::Text(String::new()), Value::Text(String::new()))
        }
    }
}

/// A sentence that says what the file may hold for the setting.
pub(crate) fn expectation(setting: &Setting) -> String {
    let kind = &setting.kind;
    let shown = |value: i64| units::format(kind, &Value::Integer(value));
    let example = |max: i64| match (setting.get)(&Settings::default()) {
        Value::Integer(default) if default > 0 => shown(default),
        _ => shown(max),
    };
    match kind {
        Kind::Bool => "Expected true or false.".to_owned(),
        Kind::Integer { min, max } => format!("Expected a whole number, {min} to {max}."),
        Kind::Real { min, max } => format!("Expected a number, {min} to {max}."),
        Kind::Memory { unit, min, max, auto } => format!(
            "Expected a size such as \"{}\", {} to {} (units B, kB, MB, GB, TB; a plain number \
             counts {}){}.",
            example(1 << 20),
            shown(*min),
            shown(*max),
            unit.name(),
            if *auto { ", or -1 to let the server choose" } else { "" },
        ),
        Kind::Time { unit, min, max } => format!(
            "Expected a time such as \"{}\", {} to {} (units us, ms, s, min, h, d; a plain number \
             counts {}).",
            example(*max),
            shown(*min),
            shown(*max),
            unit.name(),
        ),
        Kind::Text { max_len } => format!("Expected a text in quotes, at most {max_len} bytes."),
        Kind::Enum { words, .. } => {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            format!("Expected {}.", quoted.join(" or "))
        }
    }
}

impl Diagnostic for Error {
    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Unknown { .. } => SqlState::UNDEFINED_OBJECT,
            Error::InvalidValue { .. } => SqlState::INVALID_PARAMETER_VALUE,
            Error::CannotChange { .. } => SqlState::CANT_CHANGE_RUNTIME_PARAM,
            Error::Configuration(_) => SqlState::CONFIG_FILE_ERROR,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Unknown { nearest, .. } => {
                nearest.map(|name| format!("Perhaps you meant \"{name}\"."))
            }
            Error::InvalidValue { hint, .. } => hint.clone(),
            Error::CannotChange { .. } | Error::Configuration(_) => None,
        }
    }
}
