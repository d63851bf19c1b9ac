//! Reading the file and the command line's overrides.
//!
//! The file is TOML, its keys grouped into tables for the reader's sake; the namespace is flat.
//! Everything that is wrong is collected, and any problem means that there are no settings at
//! all. Nothing here trusts the file: its size is bounded, it must be a regular file of UTF-8, and
//! the number of problems that are told is bounded too.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use types::Diagnostic;

use crate::error::{self, Error, Problem};
use crate::kind::{Kind, Setting};
use crate::value::{Origin, Value};
use crate::{Settings, find, settings, units};

/// The annotated file that a new data directory gets: every setting, commented out.
pub const DEFAULT_FILE: &str = include_str!("../../../config/mamont.toml");

/// The most bytes that a configuration file may have.
pub const MAX_FILE_SIZE: u64 = 1 << 20;

/// How many problems are told; what is wrong beyond that is counted.
const MAX_PROBLEMS: usize = 50;

/// Reads the file, then applies the overrides (`NAME=VALUE` each).
pub fn load(path: &Path, overrides: &[String]) -> Result<Settings, Error> {
    load_by(read_file, path, overrides)
}

/// As [`load()`], by a reader of files that says `FileTooLarge` of one beyond so many bytes: the
/// server's own, which all its file I/O passes.
pub fn load_by(
    read_file: impl FnOnce(&Path, usize) -> io::Result<Vec<u8>>,
    path: &Path,
    overrides: &[String],
) -> Result<Settings, Error> {
    let text = read(read_file, path)?;
    let place = path.display().to_string();
    let mut settings = parse(&text, &place, overrides)?;
    settings.config_file = place;
    Ok(settings)
}

/// As [`load()`], from text; `place` names it in messages.
pub fn parse(text: &str, place: &str, overrides: &[String]) -> Result<Settings, Error> {
    let mut reader = Reader {
        text,
        place,
        settings: Settings::default(),
        keys: vec![None; settings().len()],
        found: Vec::new(),
    };
    reader.file();
    reader.overrides(overrides);
    reader.conflicts();
    reader.finish()
}

/// The whole file, or one byte more than `max` of it.
fn read_file(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read(
    read_file: impl FnOnce(&Path, usize) -> io::Result<Vec<u8>>,
    path: &Path,
) -> Result<String, Error> {
    let too_large = || {
        let why = format!("it is larger than {MAX_FILE_SIZE} bytes");
        Error::unreadable(path, why, None)
    };
    let fail = |error: io::Error| {
        let hint = match error.kind() {
            ErrorKind::FileTooLarge => return too_large(),
            ErrorKind::NotFound => "Expected the path of a TOML file.",
            ErrorKind::PermissionDenied => "The user who runs the server must be able to read it.",
            _ => return Error::unreadable(path, error, None),
        };
        Error::unreadable(path, error, Some(hint.to_owned()))
    };
    // Asked before opening: to open a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Err(Error::unreadable(path, "it is not a regular file", None));
    }
    let bytes = read_file(path, MAX_FILE_SIZE as usize).map_err(fail)?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let (line, column) = position(&text, good);
        let why = format!("line {line}, column {column} is not valid UTF-8");
        Error::unreadable(path, why, None)
    })
}

/// Line and column, from 1, the column in characters.
fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// A problem before its line is counted: that costs a walk through the file.
struct Found {
    /// Where in the file; none for what is not there.
    offset: Option<usize>,
    place: String,
    message: String,
    hint: Option<String>,
}

struct Reader<'a> {
    text: &'a str,
    place: &'a str,
    settings: Settings,
    /// For each setting, the offset of its key in the file.
    keys: Vec<Option<usize>>,
    found: Vec<Found>,
}

impl Reader<'_> {
    fn file(&mut self) {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        // After a line's first error the rest of the line tells nothing.
        let mut broken: Vec<Range<usize>> = Vec::new();
        for error in &errors {
            let offset = error.span().map_or(0, |span| span.start);
            if !broken.iter().any(|line| line.contains(&offset)) && broken.len() <= MAX_PROBLEMS {
                broken.push(line_around(self.text, offset));
                self.problem(Some(offset), error.message().to_owned(), None);
            }
        }
        let syntax_errors = self.found.len();
        for (key, value) in root.get_ref() {
            match value.get_ref() {
                DeValue::Table(table) => self.table(key.get_ref(), key.span(), table),
                _ => self.misplaced(key.get_ref(), key.span(), ""),
            }
        }
        let is_broken = |offset: usize| broken.iter().any(|line| line.contains(&offset));
        let rest = self.found.split_off(syntax_errors);
        self.found.extend(rest.into_iter().filter(|found| !found.offset.is_some_and(is_broken)));
    }

    fn table(&mut self, section: &str, span: Range<usize>, table: &DeTable<'_>) {
        let known = || settings().iter().map(|setting| setting.section).filter(|s| !s.is_empty());
        if !known().any(|name| name == section) {
            let hint = match crate::nearest::nearest(section, known()) {
                Some(near) => format!("Perhaps you meant [{near}]."),
                None => {
                    let mut tables: Vec<&str> = known().collect();
                    tables.dedup();
                    format!("Expected one of [{}].", tables.join("], ["))
                }
            };
            self.problem(Some(span.start), format!("unknown table [{section}]"), Some(hint));
            return;
        }
        for (key, value) in table {
            match find(key.get_ref()) {
                Some(setting) if setting.section == section => self.key(setting, key.span(), value),
                _ => self.misplaced(key.get_ref(), key.span(), section),
            }
        }
    }

    /// A key that is no setting, or none that belongs here.
    fn misplaced(&mut self, name: &str, span: Range<usize>, section: &str) {
        let (message, hint) = match find(name) {
            Some(setting) if setting.in_file() => {
                let here = match section {
                    "" => "outside of every table".to_owned(),
                    _ => format!("in the table [{section}]"),
                };
                let message = format!("\"{}\" stands {here}", setting.name);
                (message, Some(format!("It belongs in the table [{}].", setting.section)))
            }
            Some(setting) => (format!("parameter \"{}\" cannot be changed", setting.name), None),
            None => {
                let error = Error::unknown(name);
                (error.to_string(), error.hint())
            }
        };
        self.problem(Some(span.start), message, hint);
    }

    fn key(&mut self, setting: &'static Setting, span: Range<usize>, value: &Spanned<DeValue<'_>>) {
        if let Some(offset) = self.keys[setting.index] {
            let (line, _) = position(self.text, offset);
            let message = format!("\"{}\" is set twice", setting.name);
            let hint = format!("It is set in line {line} already.");
            self.problem(Some(span.start), message, Some(hint));
            return;
        }
        self.keys[setting.index] = Some(span.start);
        let origin = Origin::File(position(self.text, span.start).0);
        let done = from_toml(setting, value.get_ref())
            .and_then(|value| self.settings.put(setting, &value, origin));
        if let Err(error) = done {
            let hint = Some(error::expectation(setting));
            self.problem(Some(value.span().start), error.to_string(), hint);
        }
    }

    fn overrides(&mut self, overrides: &[String]) {
        for text in overrides {
            if let Err(error) = self.one_override(text) {
                let place = format!("--set {}", text.escape_debug());
                let (message, hint) = (error.to_string(), error.hint());
                self.found.push(Found { offset: None, place, message, hint });
            }
        }
    }

    fn one_override(&mut self, text: &str) -> Result<(), Error> {
        let Some((name, value)) = text.split_once('=') else {
            let message = "there is no equals sign".to_owned();
            return Err(Error::InvalidValue { message, hint: Some("Expected NAME=VALUE.".into()) });
        };
        let setting = find(name.trim()).ok_or_else(|| Error::unknown(name.trim()))?;
        if !setting.in_file() {
            let message = format!("parameter \"{}\" cannot be changed", setting.name);
            return Err(Error::CannotChange { message });
        }
        let value = units::parse(setting, value.trim())?;
        self.settings.put(setting, &value, Origin::CommandLine)
    }

    fn conflicts(&mut self) {
        for conflict in self.settings.conflicts() {
            let involved = || conflict.names.iter().filter_map(|name| find(name));
            let set_by_hand =
                involved().any(|setting| self.settings.origin(setting) == Origin::CommandLine);
            let key = involved().filter_map(|setting| self.keys[setting.index]).max();
            let offset = key.filter(|_| !set_by_hand);
            let place = if set_by_hand { "--set" } else { self.place }.to_owned();
            let (message, hint) = (conflict.message, Some(conflict.hint));
            self.found.push(Found { offset, place, message, hint });
        }
    }

    fn problem(&mut self, offset: Option<usize>, message: String, hint: Option<String>) {
        self.found.push(Found { offset, place: self.place.to_owned(), message, hint });
    }

    fn finish(mut self) -> Result<Settings, Error> {
        if self.found.is_empty() {
            return Ok(self.settings);
        }
        self.found.sort_by_key(|found| found.offset.unwrap_or(usize::MAX));
        let surplus = self.found.len().saturating_sub(MAX_PROBLEMS);
        self.found.truncate(MAX_PROBLEMS);
        if surplus > 0 {
            self.problem(None, format!("{surplus} more problems"), None);
        }
        let problem = |Found { offset, place, message, hint }| Problem {
            place,
            position: offset.map(|offset| position(self.text, offset)),
            message,
            hint,
        };
        Err(Error::Configuration(self.found.into_iter().map(problem).collect()))
    }
}

/// The offsets of the line that holds the offset, its LF or the end of the text included.
fn line_around(text: &str, offset: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let offset = offset.min(bytes.len());
    let start = bytes[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let end = bytes[offset..].iter().position(|byte| *byte == b'\n');
    start..end.map_or(bytes.len(), |length| offset + length) + 1
}

/// The value of a key; the type must be the setting's own.
fn from_toml(setting: &Setting, value: &DeValue<'_>) -> Result<Value, Error> {
    let number = || {
        let integer = value.as_integer()?;
        let digits = integer.as_str().replace('_', "");
        Some(i64::from_str_radix(&digits, integer.radix()).unwrap_or(i64::MAX))
    };
    let parsed = match &setting.kind {
        Kind::Bool => value.as_bool().map(Value::Bool),
        Kind::Integer { .. } => number().map(Value::Integer),
        Kind::Real { .. } => value
            .as_float()
            .and_then(|float| float.as_str().replace('_', "").parse().ok())
            .or_else(|| number().map(|n| n as f64))
            .map(Value::Real),
        Kind::Memory { .. } | Kind::Time { .. } => {
            let text = number().map(|n| n.to_string());
            let text = text.or_else(|| value.as_str().map(str::to_owned));
            return text.map_or_else(
                || Err(wrong_type(setting, value)),
                |text| units::parse(setting, &text),
            );
        }
        Kind::Text { .. } => value.as_str().map(|text| Value::Text(text.to_owned())),
        Kind::Enum { .. } => {
            let word = value.as_bool().map(|on| if on { "on" } else { "off" });
            return word.or(value.as_str()).map_or_else(
                || Err(wrong_type(setting, value)),
                |word| units::parse(setting, word),
            );
        }
    };
    let parsed = parsed.ok_or_else(|| wrong_type(setting, value))?;
    units::check_range(setting, &parsed)?;
    Ok(parsed)
}

fn wrong_type(setting: &Setting, value: &DeValue<'_>) -> Error {
    let message = format!("\"{}\" cannot be a TOML {}", setting.name, value.type_str());
    Error::InvalidValue { message, hint: None }
}

#[cfg(test)]
mod tests;
