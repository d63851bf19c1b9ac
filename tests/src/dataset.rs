//! Real data to load: the Unicode Character Database and word lists, from Debian's packages.
//!
//! `scripts/test-data.sh` installs them; a test that does not find them skips.

use std::path::Path;

/// Debian's `unicode-data`.
pub const UNICODE: &str = "/usr/share/unicode/UnicodeData.txt";
/// Debian's `wamerican` and `wbritish`.
pub const WORDS: [&str; 2] =
    ["/usr/share/dict/american-english", "/usr/share/dict/british-english"];

/// The columns of a line of `UnicodeData.txt`, as UAX #44 names them.
pub const UNICODE_COLUMNS: &str = "code text NOT NULL, name text NOT NULL, \
     general_category char(2) NOT NULL, canonical_combining_class smallint NOT NULL, \
     bidi_class varchar(3) NOT NULL, decomposition text, decimal_digit text, digit text, \
     numeric_value text, bidi_mirrored varchar(1), old_name text, comment text, \
     uppercase text, lowercase text, titlecase text";

/// The lines of one of the files, if it is installed.
pub fn lines(path: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(path)).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}
