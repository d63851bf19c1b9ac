//! What the client does in every run: the same each time.
//!
//! All statements of the crash test's load, small. With 16 buffers the tables do not fit, so that
//! pages are written and read again on the way.

use crate::crash::attempt::{Form, Intent, Plan};
use crate::crash::history::{Attempt, History, Outcome};
use crate::crash::step::{NewRow, Step, Tables};

/// One thing that the client does.
#[derive(Clone, Debug)]
pub enum Act {
    /// A transaction.
    Transaction(Form, Intent, Vec<Step>),
    /// CHECKPOINT.
    Checkpoint,
}

fn rows(first: i32, count: i32, width: usize) -> Vec<NewRow> {
    let row = |id| (id, i64::from(id) * 7, Some(format!("{id}-{}", "x".repeat(width))));
    (first..first + count).map(row).collect()
}

fn commit(form: Form, steps: Vec<Step>) -> Act {
    Act::Transaction(form, Intent::Commit, steps)
}

/// What was done before the template's server was killed.
pub fn before() -> Vec<Act> {
    let (a, t, d) = ("c0_a", "c0_t", "c0_d1");
    vec![
        commit(Form::OneLine, vec![Step::Copy(a.into(), rows(1, 60, 300))]),
        Act::Checkpoint,
        commit(Form::OneLine, vec![Step::Insert(t.into(), rows(100, 10, 50))]),
        commit(
            Form::Stepwise,
            vec![Step::Create(d.into()), Step::Insert(d.into(), rows(200, 8, 200))],
        ),
        commit(Form::OneLineBegin, vec![Step::Update(a.into(), 1, 30, 1), Step::Move(1, 2, 10)]),
    ]
}

/// What is done while something goes wrong.
pub fn during() -> Vec<Act> {
    let [a, t, d1, d2, d3] = ["c0_a", "c0_t", "c0_d1", "c0_d2", "c0_d3"].map(str::to_owned);
    let (a, t) = (|| a.clone(), || t.clone());
    vec![
        commit(Form::OneLine, vec![Step::Insert(a(), rows(1000, 5, 20))]),
        commit(
            Form::Stepwise,
            vec![Step::Create(d2.clone()), Step::Copy(d2.clone(), rows(1100, 60, 300))],
        ),
        commit(Form::OneLineBegin, vec![Step::Update(a(), 1, 60, 3), Step::Move(3, 4, 5)]),
        Act::Checkpoint,
        commit(Form::OneLine, vec![Step::Copy(a(), rows(2000, 120, 400))]),
        commit(Form::OneLine, vec![Step::Update(a(), 1000, 3000, 5)]),
        commit(Form::Pipelined, vec![Step::Delete(t(), 100, 104), Step::Move(5, 6, 7)]),
        commit(Form::Stepwise, vec![Step::Truncate(t()), Step::Insert(t(), rows(3000, 10, 100))]),
        Act::Transaction(
            Form::Stepwise,
            Intent::Rollback,
            vec![Step::Create(d3.clone()), Step::Insert(d3.clone(), rows(4000, 20, 300))],
        ),
        commit(Form::OneLine, vec![Step::Drop(d1)]),
        Act::Transaction(
            Form::OneLineBegin,
            Intent::Fail,
            vec![Step::Insert(t(), rows(5000, 30, 200)), Step::Move(6, 7, 1)],
        ),
        Act::Checkpoint,
        commit(
            Form::Stepwise,
            vec![Step::Create(d3.clone()), Step::Insert(d3.clone(), rows(6000, 30, 300))],
        ),
        commit(Form::OneLine, vec![Step::Delete(a(), 1, 40)]),
        commit(Form::Stepwise, vec![Step::Drop(d2), Step::Update(d3, 6000, 6100, 2)]),
        commit(Form::OneLine, vec![Step::Copy(t(), rows(7000, 150, 400))]),
        commit(Form::OneLineBegin, vec![Step::Update(a(), 40, 2100, 1), Step::Move(7, 8, 9)]),
    ]
}

/// What must succeed when nothing goes wrong any more. `turn` keeps the keys apart.
pub fn after(turn: i32) -> Act {
    let rows = rows(10_000 + turn * 100, 20, 300);
    commit(Form::OneLine, vec![Step::Move(8, 9, 1), Step::Copy("c0_a".into(), rows)])
}

/// The plan of a transaction as the history stands. Steps on tables that an earlier error has left
/// unmade are left out; `None`: nothing is left.
pub fn plan(history: &History, form: Form, intent: Intent, steps: Vec<Step>) -> Option<Plan> {
    let mut tables = history.tables.clone();
    let mut attempt = Attempt {
        seq: history.next_seq,
        parent: history.head,
        steps: Vec::new(),
        seen: vec![0],
        sent_ns: 0,
        outcome: Outcome::RolledBack,
    };
    let mut tags = Vec::new();
    for step in steps {
        if is_possible(&step, &tables) {
            tags.push(step.apply(&mut tables, attempt.seq));
            attempt.steps.push(step);
        }
    }
    (!attempt.steps.is_empty()).then_some(Plan { attempt, tags, form, intent })
}

fn is_possible(step: &Step, tables: &Tables) -> bool {
    match step {
        Step::Create(name) => !tables.contains_key(name),
        Step::Insert(name, _)
        | Step::Copy(name, _)
        | Step::Update(name, ..)
        | Step::Delete(name, ..)
        | Step::Truncate(name)
        | Step::Drop(name) => tables.contains_key(name),
        Step::Within(steps) | Step::Undone(steps, _) => {
            steps.iter().all(|step| is_possible(step, tables))
        }
        Step::Move(..) | Step::Fail => true,
    }
}
