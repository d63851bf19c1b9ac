//! The line protocol as pure encoders and decoders: bytes in, bytes out, no sockets.
//!
//! ```text
//!  socket ──bytes──► LineReader ──lines──► Request ──► (a session works)
//!  socket ◄─bytes─── LineWriter ◄─columns, rows, tags, errors, ready──┘
//!
//!  a client:  lines of a reply ──► Reply
//! ```
//!
//! The contract is `docs/protocol.md`. What is here is its grammar: how a line is cut out of the
//! stream, which lines are not SQL, how a value is escaped, what each reply line looks like. Who
//! may come in, what a statement does and when bytes are sent is decided elsewhere.
//!
//! Invariants:
//! - Whatever bytes come in, no call panics, and the memory that a [`LineReader`] holds is bounded
//!   by the longest line that is allowed.
//! - Whatever values go out, a reply line holds no raw tab or line end within a value, so a reader
//!   that cuts at LF and TAB never cuts wrong.
//!
//! Everything here belongs to one connection, in the memory of one process, and goes with it.

mod escape;
mod reader;
mod reply;
mod request;
mod writer;

pub use escape::{escape_into, unescape};
pub use reader::{LineError, LineReader};
pub use reply::{BadReply, Message, Reply, column, values};
pub use request::{COPY_END, Opening, Request};
pub use writer::{LineWriter, Status};
