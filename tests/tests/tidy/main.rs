//! What a machine can check of how the code should read. Each rule is a test, and says what to do
//! instead; [`source`] finds the files and tells test code from the rest.
//!
//! Limits ratchet: `ceilings.txt` beside this file holds the longest files and functions with the
//! length that they may have. They may shrink, and then their ceiling must follow; they may not
//! grow, unless somebody raises the ceiling and means it.

mod book;
mod ceilings;
mod commands;
mod layers;
mod leftovers;
mod source;
mod usage;

/// Fails with all complaints at once.
#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}
