//! One attempt at a transaction, carried out over a session, in one of the ways in which clients
//! write transactions.

use crate::client::Client;
use crate::clock::now_ns;
use crate::crash::conversation::{Conversation, Request, Trouble, joined};
use crate::crash::history::{Attempt, Outcome};
use crate::crash::step::{How, Step};
use crate::draw::Draw;

/// How the statements are spread over lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// All in one line, which is one transaction; a COPY comes last.
    OneLine,
    /// All in one line, between BEGIN and COMMIT.
    OneLineBegin,
    /// A line each, each answered before the next is sent.
    Stepwise,
    /// A line each, all sent at once.
    Pipelined,
}

/// What the client means to do in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intent {
    /// COMMIT.
    Commit,
    /// ROLLBACK.
    Rollback,
    /// Make a mistake on the way, and go away with an error.
    Fail,
    /// Close the connection before the end: in mid-transaction, mid-line or mid-COPY.
    Vanish,
}

/// An attempt that is to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The attempt; its outcome is filled in by [`Plan::perform`].
    pub attempt: Attempt,
    /// The tags that the server must answer each of its steps with.
    pub tags: Vec<Vec<String>>,
    /// How the lines are sent.
    pub form: Form,
    /// How it is to end.
    pub intent: Intent,
}

impl Plan {
    /// A plan for these steps, in a form that can hold them.
    pub fn draw(draw: &mut Draw, attempt: Attempt, tags: Vec<Vec<String>>) -> Plan {
        let copy = attempt.steps.iter().position(|s| matches!(s, Step::Copy(..)));
        let copy_is_last = copy.is_none_or(|at| at + 1 == attempt.steps.len());
        let needs = |part: fn((bool, bool)) -> bool| attempt.steps.iter().any(|s| part(s.needs()));
        let (begin, lines) = (needs(|needs| needs.0), needs(|needs| needs.1));
        let form = match draw.below(10) {
            0..4 if copy_is_last && !begin => Form::OneLine,
            0..6 if copy.is_none() && !lines => Form::OneLineBegin,
            6..8 => Form::Pipelined,
            _ => Form::Stepwise,
        };
        let intent = match draw.below(100) {
            0..5 if form != Form::OneLine => Intent::Rollback,
            5..9 => Intent::Fail,
            9..11 => Intent::Vanish,
            _ => Intent::Commit,
        };
        Plan { attempt, tags, form, intent }
    }

    /// The step at which [`Intent::Fail`] divides by zero: reproducible, not always the same.
    fn mistake_at(&self) -> Option<usize> {
        let steps = self.attempt.steps.len();
        (self.intent == Intent::Fail).then(|| self.attempt.seq as usize % steps)
    }

    /// Every statement in its order: the steps, then the rows of `log` and `progress`.
    fn statements(&self) -> Vec<Request> {
        let Attempt { seq, .. } = self.attempt;
        let mut all = Vec::new();
        for (i, (step, tags)) in self.attempt.steps.iter().zip(&self.tags).enumerate() {
            if self.mistake_at() == Some(i) {
                all.push(Request::new(Step::Fail.sql(seq), &[]));
            }
            requests_of(step, (seq, 1), &mut tags.iter().cloned(), &mut all);
        }
        all
    }

    fn bookkeeping(&self, client: usize) -> [Request; 2] {
        let Attempt { seq, .. } = self.attempt;
        let row = self.attempt.log_row();
        let (seen, moves) = (row.seen_text(), row.moves_text());
        let log = format!("INSERT INTO log VALUES ({client}, {seq}, '{seen}', '{moves}')");
        let progress = format!("UPDATE progress SET seq = {seq} WHERE client = {client}");
        [Request::new(log, &["INSERT 0 1"]), Request::new(progress, &["UPDATE 1"])]
    }

    /// The lines of the attempt.
    fn requests(&self, client: usize) -> Vec<Request> {
        let last = if self.intent == Intent::Rollback { "ROLLBACK" } else { "COMMIT" };
        let (begin, end) = (Request::new("BEGIN", &["BEGIN"]), Request::new(last, &[last]));
        let mut statements = self.statements();
        let at = match self.form {
            // What counts is that the COPY comes last.
            Form::OneLine => 0,
            _ => statements.len(),
        };
        statements.splice(at..at, self.bookkeeping(client));
        match self.form {
            Form::OneLine => vec![joined(statements)],
            Form::OneLineBegin => {
                statements.insert(0, begin);
                statements.push(end);
                vec![joined(statements)]
            }
            Form::Stepwise | Form::Pipelined => {
                statements.insert(0, begin);
                statements.push(end);
                statements
            }
        }
    }

    /// Carries the attempt out. Its outcome is set whatever happens.
    ///
    /// # Errors
    /// [`Trouble::Disconnected`] if the session is of no more use, [`Trouble::Wrong`] if the server
    /// broke a rule.
    pub fn perform(
        &mut self,
        session: &mut Client,
        client: usize,
        tolerated: &[String],
    ) -> Result<(), Trouble> {
        let requests = self.requests(client);
        self.attempt.outcome = Outcome::RolledBack;
        self.attempt.sent_ns = now_ns();
        if self.intent == Intent::Vanish {
            return self.vanish(session, &requests);
        }
        let mut run = Conversation::new(tolerated, self.intent);
        // What is sent ahead would go on from a savepoint after an error that nobody planned.
        let parts = self.attempt.steps.iter().any(|step| step.needs().0);
        let ahead = self.form == Form::Pipelined && (tolerated.is_empty() || !parts);
        let done = match ahead {
            true => run.pipelined(session, &requests),
            false => run.stepwise(session, &requests, &mut self.attempt.sent_ns),
        };
        let may_commit = run.asked && !run.failed && self.intent == Intent::Commit;
        if may_commit {
            self.attempt.outcome = match done {
                Ok(()) => Outcome::Acknowledged { at_ns: now_ns() },
                Err(_) => Outcome::InDoubt,
            };
        }
        done.map_err(|trouble| self.explain(trouble))
    }

    fn explain(&self, trouble: Trouble) -> Trouble {
        match trouble {
            Trouble::Wrong(why) => Trouble::Wrong(format!(
                "attempt {} ({:?}, {:?}): {why}",
                self.attempt.seq, self.form, self.intent
            )),
            gone => gone,
        }
    }

    /// Sends a part of the attempt that can't commit, and closes the connection.
    fn vanish(&self, session: &mut Client, requests: &[Request]) -> Result<(), Trouble> {
        if requests.len() == 1 {
            let bytes = requests[0].bytes();
            // Half a line, or a line and half of its data: never the last LF.
            session.send_raw(&bytes[..bytes.len() / 2])?;
            return Err(Trouble::Disconnected);
        }
        let count = 1 + self.attempt.seq as usize % (requests.len() - 1);
        let mut run = Conversation::new(&[], self.intent);
        for request in &requests[..count - 1] {
            session.send_raw(&request.bytes())?;
            let reply = session.read_reply()?;
            if run.check(request, &reply, false).is_err() {
                break;
            }
        }
        let bytes = requests[count - 1].bytes();
        session.send_raw(&bytes[..bytes.len() - 1])?;
        Err(Trouble::Disconnected)
    }
}

/// The lines of a step at a depth of savepoints; `tags` are those that the server must answer its statements with.
fn requests_of(
    step: &Step,
    (seq, depth): (i64, usize),
    tags: &mut dyn Iterator<Item = String>,
    all: &mut Vec<Request>,
) {
    let (steps, end) = match step {
        Step::Within(steps) => (steps, "RELEASE"),
        Step::Undone(steps, _) => (steps, "ROLLBACK TO"),
        _ => {
            let count = match step {
                Step::Move(..) => 2,
                Step::Create(_) => 3,
                _ => 1,
            };
            let (line, data) = (step.sql(seq), step.copy_lines(seq));
            all.push(Request {
                line,
                data,
                tags: tags.take(count).collect(),
                ..Request::default()
            });
            return;
        }
    };
    all.push(Request::answered(&format!("SAVEPOINT s{depth}"), tags.next()));
    steps.iter().for_each(|step| requests_of(step, (seq, depth + 1), tags, all));
    if let Step::Undone(_, How::ByMistake) = step {
        let line = Step::Fail.sql(seq);
        all.push(Request { line, mistake: true, ..Request::default() });
    }
    all.push(Request::answered(&format!("{end} s{depth}"), tags.next()));
}
