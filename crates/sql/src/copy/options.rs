//! The options of COPY, checked as PostgreSQL checks them.

use types::SqlState;

use crate::error::{Error, Result};
use crate::output::CopyFormat;
use crate::parse::{CopyOption, OptionValue};
use crate::values::scalar::parse_bool;

/// Which columns an option is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Columns {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// Those of these names.
    Named(Vec<String>),
}

impl Columns {
    /// Whether the column of that name is meant.
    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Columns::None => false,
            Columns::All => true,
            Columns::Named(names) => names.iter().any(|known| known == name),
        }
    }
}

/// What HEADER says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// There is no head line.
    No,
    /// There is one.
    Yes,
    /// There is one, and it must name the columns.
    Match,
}

/// How rows stand in lines.
#[derive(Clone, Debug)]
pub(crate) struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    pub null: String,
    pub header: Header,
    pub quote: u8,
    pub escape: u8,
    pub force_quote: Columns,
    pub force_not_null: Columns,
    pub force_null: Columns,
}

impl Default for CopyOptions {
    fn default() -> Self {
        CopyOptions {
            format: CopyFormat::Text,
            delimiter: b'\t',
            null: "\\N".to_owned(),
            header: Header::No,
            quote: b'"',
            escape: b'"',
            force_quote: Columns::None,
            force_not_null: Columns::None,
            force_null: Columns::None,
        }
    }
}

impl CopyOptions {
    /// The defaults of CSV.
    pub(crate) fn csv() -> CopyOptions {
        CopyOptions {
            format: CopyFormat::Csv,
            delimiter: b',',
            null: String::new(),
            ..CopyOptions::default()
        }
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
}

fn text_of(option: &CopyOption) -> Result<&str> {
    match &option.value {
        Some(OptionValue::Text(text)) => Ok(text),
        Some(OptionValue::All | OptionValue::Columns(_)) | None => {
            Err(Error::syntax(format!("{} requires a parameter", option.name)).at(option.at))
        }
    }
}

fn boolean_of(option: &CopyOption) -> Result<bool> {
    match &option.value {
        None => Ok(true),
        _ => parse_bool(text_of(option)?).map_err(|_| {
            Error::syntax(format!("{} requires a Boolean value", option.name)).at(option.at)
        }),
    }
}

fn header_of(option: &CopyOption) -> Result<Header> {
    if let Some(OptionValue::Text(text)) = &option.value
        && text.eq_ignore_ascii_case("match")
    {
        return Ok(Header::Match);
    }
    match boolean_of(option) {
        Ok(true) => Ok(Header::Yes),
        Ok(false) => Ok(Header::No),
        Err(_) => Err(Error::syntax("header requires a Boolean value or \"match\"").at(option.at)),
    }
}

fn columns_of(option: &CopyOption, all_allowed: bool) -> Result<Columns> {
    match &option.value {
        Some(OptionValue::All) if all_allowed => Ok(Columns::All),
        Some(OptionValue::Columns(names)) => Ok(Columns::Named(names.clone())),
        _ => Err(invalid(format!(
            "argument to option \"{}\" must be a list of column names",
            option.name
        ))
        .at(option.at)),
    }
}

fn byte_of(option: &CopyOption, what: &str) -> Result<u8> {
    match text_of(option)?.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(unsupported(format!("COPY {what} must be a single one-byte character"))),
    }
}

/// The format, which decides the other defaults.
fn format_of(options: &[CopyOption]) -> Result<CopyFormat> {
    let Some(option) = options.iter().find(|option| option.name == "format") else {
        return Ok(CopyFormat::Text);
    };
    match text_of(option)? {
        "text" => Ok(CopyFormat::Text),
        "csv" => Ok(CopyFormat::Csv),
        "binary" => Err(Error::unsupported("COPY BINARY")),
        other => Err(invalid(format!("COPY format \"{other}\" not recognized")).at(option.at)),
    }
}

/// Checks the options of a COPY statement.
pub(crate) fn check(given: &[CopyOption], from: bool) -> Result<CopyOptions> {
    for (place, option) in given.iter().enumerate() {
        if given[..place].iter().any(|earlier| earlier.name == option.name) {
            return Err(Error::syntax("conflicting or redundant options").at(option.at));
        }
    }
    let csv = format_of(given)? == CopyFormat::Csv;
    let mut options = if csv { CopyOptions::csv() } else { CopyOptions::default() };
    let mut escape = None;
    for option in given {
        match option.name.as_str() {
            "format" => {}
            "delimiter" => options.delimiter = byte_of(option, "delimiter")?,
            "null" => options.null = text_of(option)?.to_owned(),
            "header" => options.header = header_of(option)?,
            "quote" => {
                only_csv(csv, "quote")?;
                options.quote = byte_of(option, "quote")?;
            }
            "escape" => {
                only_csv(csv, "escape")?;
                escape = Some(byte_of(option, "escape")?);
            }
            "force_quote" => options.force_quote = columns_of(option, true)?,
            "force_not_null" => options.force_not_null = columns_of(option, false)?,
            "force_null" => options.force_null = columns_of(option, false)?,
            "encoding" => check_encoding(option)?,
            "freeze" => {
                if boolean_of(option)? {
                    return Err(Error::unsupported("COPY FREEZE"));
                }
            }
            other => {
                return Err(
                    Error::syntax(format!("option \"{other}\" not recognized")).at(option.at)
                );
            }
        }
    }
    options.escape = escape.unwrap_or(options.quote);
    check_together(&options, csv, from)?;
    Ok(options)
}

fn only_csv(csv: bool, what: &str) -> Result<()> {
    if csv { Ok(()) } else { Err(unsupported(format!("COPY {what} available only in CSV mode"))) }
}

fn check_encoding(option: &CopyOption) -> Result<()> {
    let name = text_of(option)?.to_ascii_lowercase().replace(['-', '_'], "");
    match name.as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(Error::unsupported("an encoding other than UTF8")),
    }
}

/// Checks what the options say of each other.
fn check_together(options: &CopyOptions, csv: bool, from: bool) -> Result<()> {
    let delimiter = options.delimiter;
    if delimiter == b'\n' || delimiter == b'\r' {
        return Err(invalid("COPY delimiter cannot be newline or carriage return"));
    }
    if options.null.contains(['\n', '\r']) {
        return Err(invalid("COPY null representation cannot use newline or carriage return"));
    }
    let used_by_escapes =
        |b: u8| b == b'\\' || b == b'.' || b.is_ascii_lowercase() || b.is_ascii_digit();
    if !csv && used_by_escapes(delimiter) {
        return Err(invalid(format!("COPY delimiter cannot be \"{}\"", char::from(delimiter))));
    }
    if csv && delimiter == options.quote {
        return Err(invalid("COPY delimiter and quote must be different"));
    }
    for (columns, name, wants_from) in [
        (&options.force_quote, "force quote", false),
        (&options.force_not_null, "force not null", true),
        (&options.force_null, "force null", true),
    ] {
        if *columns == Columns::None {
            continue;
        }
        only_csv(csv, name)?;
        if wants_from != from {
            let direction = if wants_from { "COPY FROM" } else { "COPY TO" };
            return Err(unsupported(format!("COPY {name} only available using {direction}")));
        }
    }
    if options.null.as_bytes().contains(&delimiter) {
        return Err(invalid("COPY delimiter character must not appear in the NULL specification"));
    }
    if csv && options.null.as_bytes().contains(&options.quote) {
        return Err(invalid("CSV quote character must not appear in the NULL specification"));
    }
    if options.header == Header::Match && !from {
        return Err(unsupported("cannot use \"match\" with HEADER in COPY TO"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, value: Option<&str>) -> CopyOption {
        let value = value.map(|value| OptionValue::Text(value.to_owned()));
        CopyOption { name: name.to_owned(), value, at: None }
    }

    fn code(given: &[CopyOption], from: bool) -> String {
        check(given, from).expect_err("must fail").sqlstate().expect("report").to_string()
    }

    #[test]
    fn the_format_decides_the_defaults() {
        let options =
            check(&[option("header", None), option("format", Some("csv"))], true).expect("good");
        assert_eq!((options.delimiter, options.null.as_str()), (b',', ""));
        assert_eq!(options.header, Header::Yes);
        let options = check(&[option("format", Some("csv")), option("quote", Some("'"))], true)
            .expect("good");
        assert_eq!(options.escape, b'\'');
    }

    #[test]
    fn wrong_options_are_refused() {
        assert_eq!(code(&[option("foo", None)], true), "42601");
        assert_eq!(code(&[option("format", Some("xml"))], true), "22023");
        assert_eq!(code(&[option("format", Some("binary"))], true), "0A000");
        assert_eq!(code(&[option("delimiter", Some("a"))], true), "22023");
        assert_eq!(code(&[option("delimiter", Some("||"))], true), "0A000");
        assert_eq!(code(&[option("quote", Some("'"))], true), "0A000");
        assert_eq!(code(&[option("null", None)], true), "42601");
        assert_eq!(code(&[option("header", None), option("header", None)], true), "42601");
        assert_eq!(code(&[option("header", Some("match"))], false), "0A000");
        assert_eq!(code(&[option("encoding", Some("latin1"))], true), "0A000");
        let twice = [option("format", Some("csv")), option("quote", Some(","))];
        assert_eq!(code(&twice, true), "22023");
    }
}
