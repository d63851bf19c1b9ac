//! Damage on disk: each kind is named, with file, block or position, and refused or got around as
//! the book says; nothing panics, loops, or answers wrongly without a word. What cannot be told
//! from what a crash leaves is pinned here too, so that the book stays true.
//!
//! A database is made once for each test and copied or mended for each case. Sweeps over every bit
//! stand beside the code: `crates/wal/tests/damage.rs`, `crates/wal/src/control_file/tests.rs`,
//! `crates/buffer/src/checksum.rs`.

mod check;
mod control_file;
mod data_directory;
mod page;
mod support;
mod wal;
