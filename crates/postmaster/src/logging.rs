//! The server log: lines on stderr, one `write` each, from the postmaster and all its children.
//!
//! ```text
//! 2026-11-20T11:31:26.123456Z  INFO [4711] checkpoint complete (time): wrote 412 buffers ...
//! ```
//!
//! There is no writer thread (a process that forks has one thread) and no buffer that a dying
//! process could lose. Children inherit the subscriber; the pid is asked for at each line.

use std::fmt;
use std::io::IsTerminal;

use tracing::Event;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

/// Changes what is logged.
pub type LevelHandle = reload::Handle<LevelFilter, Registry>;

/// Starts logging, at `INFO` until the configuration says otherwise.
pub fn start() -> LevelHandle {
    let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false)
        .event_format(Line);
    // Fails only if a subscriber is set already, and this is the first thing `main` does.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    handle
}

struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut line)?;
        write!(line, " {:>5} [{}] ", event.metadata().level(), std::process::id())?;
        context.field_format().format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}
