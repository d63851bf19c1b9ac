//! The title of a session's process.

use shmem::SessionState;

/// The title of the process, changed only when it differs.
#[derive(Debug, Default)]
pub struct Title {
    /// Who the client is, and then what the session does.
    text: String,
    prefix_len: usize,
    shown: Option<SessionState>,
}

impl Title {
    /// The title of a session with a client of that name at that place.
    pub fn new(place: &str) -> Title {
        let text = format!("mamont: backend {place} ");
        Title { prefix_len: text.len(), text, shown: None }
    }

    /// Shows who the client is and what the session does.
    pub fn show(&mut self, state: SessionState) {
        if self.shown == Some(state) {
            return;
        }
        let same = if self.shown.replace(state).is_some() { self.prefix_len } else { 0 };
        self.text.truncate(self.prefix_len);
        self.text.push_str(state.name());
        sys::process::set_title_behind(&self.text, same);
    }
}
