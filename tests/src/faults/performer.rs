//! The client of a run: does what the script says, and takes note of what became of it.

use crate::client::Client;
use crate::crash::attempt::Intent;
use crate::crash::conversation::Trouble;
use crate::crash::history::{History, Outcome};
use crate::faults::script::{self, Act};

/// Carries transactions out and takes note of them.
pub struct Performer<'a> {
    history: &'a mut History,
    codes: Vec<String>,
    /// No statement may fail any more.
    strict: bool,
    /// A statement has failed.
    pub errors: u32,
}

impl<'a> Performer<'a> {
    /// For that history; statements may fail with these codes unless it is `strict`.
    pub fn new(history: &'a mut History, codes: Vec<String>, strict: bool) -> Performer<'a> {
        Performer { history, codes, strict, errors: 0 }
    }

    /// Does it.
    ///
    /// # Errors
    /// The session is gone, or the server did what it must not.
    pub fn act(&mut self, session: &mut Client, act: Act) -> Result<(), Trouble> {
        match act {
            Act::Checkpoint => self.checkpoint(session),
            Act::Transaction(form, intent, steps) => {
                let Some(mut plan) = script::plan(self.history, form, intent, steps) else {
                    return Ok(());
                };
                self.history.next_seq += 1;
                let codes: &[String] = if self.strict { &[] } else { &self.codes };
                let done = plan.perform(session, 0, codes);
                let mut after = self.history.tables.clone();
                for step in &plan.attempt.steps {
                    step.apply(&mut after, plan.attempt.seq);
                }
                let failed = plan.attempt.outcome == Outcome::RolledBack;
                self.errors += u32::from(failed && intent == Intent::Commit);
                self.history.record(plan.attempt, after);
                done
            }
        }
    }

    fn checkpoint(&mut self, session: &mut Client) -> Result<(), Trouble> {
        let reply = session.ask("CHECKPOINT")?;
        match reply.problem() {
            None => Ok(()),
            Some(problem) if problem.sqlstate.starts_with("57P") => Err(Trouble::Disconnected),
            Some(problem) if !self.strict && problem.message == "checkpoint request failed" => {
                self.errors += 1;
                Ok(())
            }
            Some(problem) => Err(Trouble::Wrong(format!("CHECKPOINT: {problem}"))),
        }
    }
}
