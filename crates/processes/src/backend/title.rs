//! The title of a session's process.

use shmem::SessionState;

/// The title of the process, changed only when it differs.
#[derive(Debug, Default)]
pub struct Title {
    prefix: String,
    text: String,
    shown: Option<SessionState>,
}

impl Title {
    /// The title of a session with a client of that name at that place.
    pub fn new(place: &str) -> Title {
        Title { prefix: format!("mamont: backend {place} "), ..Title::default() }
    }

    /// Shows who the client is and what the session does.
    pub fn show(&mut self, state: SessionState) {
        if self.shown == Some(state) {
            return;
        }
        self.shown = Some(state);
        self.text.clear();
        self.text.push_str(&self.prefix);
        self.text.push_str(state.name());
        sys::process::set_title(&self.text);
    }
}
