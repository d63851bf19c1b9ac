//! What systemd wants to hear (`Type=notify`), and nobody else.
//!
//! Without `NOTIFY_SOCKET` in the environment every call does nothing; a failure to tell is logged
//! and otherwise ignored, since the server works without.

use sd_notify::NotifyState;

/// The server serves.
pub fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// The server is reading its configuration again; followed by [`ready`].
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("could not read the clock: {error}"),
    }
}

/// The server is shutting down.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("shutting down")]);
}

/// What the server is doing, in words.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("could not notify the service manager: {error}");
    }
}
