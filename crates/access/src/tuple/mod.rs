//! The bytes of a row version: what stands in a heap page and in heap records.
//!
//! ```text
//! header, 32 bytes (little-endian)
//!    0  xmin      u64   the transaction that made this version
//!    8  xmax      u64   the one that deleted, replaced or locked it, or 0
//!   16  cid       u32   the command of xmin that made it; once xmax deleted it, xmax's command
//!   20  ctid      u32   block of the next version (of this one itself if there is none)
//!   24            u16   line pointer of the next version
//!   26  infomask  u16   what is known of xmin and xmax, and the shape of the row
//!   28  natts     u16   number of columns stored
//!   30  hoff      u8    where the values start
//!   31  (zero)    u8
//!   32  null bitmap, if HAS_NULL: bit i of byte i/8 is 1 if column i is *not* null
//! hoff  the values that are not null, one behind the other, unaligned
//! ```
//!
//! Values of a fixed width are stored little-endian. The others are stored as a length and that
//! many bytes; the length takes 16 bits, of which the two highest must be 0: they are kept for
//! values that are stored elsewhere or compressed.
//!
//! A version may have fewer columns than its table: the ones missing at the end have the value that
//! the table says for them, or are null ([`fill_missing`]).
//!
//! Bytes that come from a page or a record are never trusted: every length is checked, and what
//! does not fit is an error that the caller turns into `XX001`, never a panic.

mod decode;
mod encode;
mod header;
mod missing;

pub use decode::{Malformed, are_equal_in, decode_into};
pub use encode::{encode_into, is_storable};
pub(crate) use header::at::INFOMASK as INFOMASK_AT;
pub use header::{HEADER_SIZE, Header, infomask};
pub use missing::fill_missing;

/// The most bytes a row version may take: an empty page less one line pointer, in units of 8.
pub const MAX_TUPLE_SIZE: usize = (types::PAGE_SIZE - 32 - 4) & !7;

/// The longest value of variable width that a length word can tell.
const MAX_VALUE_LENGTH: usize = (1 << 14) - 1;

/// The most columns a row can have; PostgreSQL's limit.
pub const MAX_COLUMNS: usize = 1600;
