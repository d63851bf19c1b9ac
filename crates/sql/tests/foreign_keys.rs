//! Foreign keys against a model: random changes of two tables, with every action, must come to what
//! plain collections say, and no row may ever refer to one that is not there.
//!
//! A seed that fails is told; put it into [`paste_your_seed`] to see it alone.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use access::heap::Draw;
use sql::Session;
use support::{Client, new_world, session};

/// Sends a line and answers the reply without `COLUMNS` and `READY`.
fn answers(session: &mut Session, line: &str) -> Vec<String> {
    let mut reply = Client::default().send(session, line);
    reply.retain(|line| !line.starts_with("COLUMNS") && !line.starts_with("READY"));
    reply
}

const ACTIONS: [&str; 5] = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"];
/// The value that SET DEFAULT sets.
const DEFAULT: i32 = 0;
/// Keys are below this.
const KEYS: i32 = 8;
const STEPS: usize = 120;

/// What the tables hold.
#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    parents: BTreeSet<i32>,
    /// What each child refers to.
    children: BTreeMap<i32, Option<i32>>,
}

/// A change of one of the tables.
#[derive(Clone, Copy, Debug)]
enum Step {
    NewParent(i32),
    /// Those from one to the other.
    DeleteParents(i32, i32),
    MoveParent(i32, i32),
    NewChild(i32, Option<i32>),
    DeleteChild(i32),
    /// All those of a parent, to another.
    MoveChildren(Option<i32>, Option<i32>),
}

fn shown(value: Option<i32>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| value.to_string())
}

impl Step {
    fn random(draw: &mut Draw) -> Step {
        let below = |draw: &mut Draw, end: i32| draw.below(end as usize) as i32;
        let key = |draw: &mut Draw| below(draw, KEYS);
        let maybe = |draw: &mut Draw| (draw.below(5) > 0).then(|| key(draw));
        match draw.below(8) {
            0 | 1 => Step::NewParent(key(draw)),
            2 => {
                let from = key(draw);
                Step::DeleteParents(from, from + below(draw, 3))
            }
            3 => Step::MoveParent(key(draw), key(draw)),
            4 | 5 => Step::NewChild(below(draw, 30), maybe(draw)),
            6 => Step::DeleteChild(below(draw, 30)),
            _ => Step::MoveChildren(maybe(draw), maybe(draw)),
        }
    }

    fn sql(self) -> String {
        match self {
            Step::NewParent(key) => format!("INSERT INTO p VALUES ({key}, 1)"),
            Step::DeleteParents(from, to) => {
                format!("DELETE FROM p WHERE a BETWEEN {from} AND {to}")
            }
            Step::MoveParent(from, to) => {
                format!("UPDATE p SET a = {to}, n = n + 1 WHERE a = {from}")
            }
            Step::NewChild(id, to) => format!("INSERT INTO c VALUES ({id}, {})", shown(to)),
            Step::DeleteChild(id) => format!("DELETE FROM c WHERE id = {id}"),
            Step::MoveChildren(None, to) => {
                format!("UPDATE c SET a = {} WHERE a IS NULL", shown(to))
            }
            Step::MoveChildren(Some(from), to) => {
                format!("UPDATE c SET a = {} WHERE a = {from}", shown(to))
            }
        }
    }
}

impl Model {
    /// The state after a step; `None`: it is refused.
    fn after(&self, step: Step, [on_delete, on_update]: [&str; 2]) -> Option<Model> {
        let mut next = self.clone();
        match step {
            Step::NewParent(key) => next.parents.insert(key).then_some(())?,
            Step::DeleteParents(from, to) => {
                next.parents.retain(|key| !(from..=to).contains(key));
                let gone = self.parents.range(from..=to);
                gone.copied().try_for_each(|key| next.act(key, on_delete, None))?;
            }
            Step::MoveParent(from, to) => {
                if self.parents.contains(&from) && from != to {
                    next.parents.remove(&from);
                    next.parents.insert(to).then_some(())?;
                    next.act(from, on_update, Some(to))?;
                }
            }
            Step::NewChild(id, to) => {
                next.children.insert(id, to).is_none().then_some(())?;
            }
            Step::DeleteChild(id) => {
                next.children.remove(&id);
            }
            Step::MoveChildren(from, to) => {
                next.children.values_mut().filter(|at| **at == from).for_each(|at| *at = to);
            }
        }
        next.is_whole().then_some(next)
    }

    fn act(&mut self, key: i32, action: &str, new: Option<i32>) -> Option<()> {
        let referred = self.children.values().any(|to| *to == Some(key));
        let set = match action {
            "CASCADE" if new.is_none() => {
                self.children.retain(|_, to| *to != Some(key));
                return Some(());
            }
            "CASCADE" => new,
            "SET NULL" => None,
            "SET DEFAULT" => Some(DEFAULT),
            _ => return (!referred).then_some(()),
        };
        self.children.values_mut().filter(|to| **to == Some(key)).for_each(|to| *to = set);
        Some(())
    }

    /// Whether no child refers to nothing.
    fn is_whole(&self) -> bool {
        self.children.values().flatten().all(|to| self.parents.contains(to))
    }

    fn of(session: &mut Session) -> Model {
        let number = |text: &str| text.parse::<i32>().ok();
        let rows = |session: &mut Session, line: &str| -> Vec<String> {
            let rows = answers(session, line).into_iter();
            rows.filter_map(|row| row.strip_prefix("ROW ").map(str::to_owned)).collect()
        };
        let parents = rows(session, "SELECT a FROM p").iter().filter_map(|a| number(a)).collect();
        let children = rows(session, "SELECT id, a FROM c").into_iter().filter_map(|row| {
            let (id, to) = row.split_once('\t')?;
            Some((number(id)?, number(to)))
        });
        Model { parents, children: children.collect() }
    }
}

fn run(seed: u64) {
    let mut draw = Draw::new(seed);
    let world = new_world(64);
    let mut session = session(&world);
    let actions = [0; 2].map(|_| ACTIONS[draw.below(ACTIONS.len())]);
    let [on_delete, on_update] = actions;
    let made = answers(
        &mut session,
        &format!(
            "CREATE TABLE p (a int PRIMARY KEY, n int); CREATE TABLE c (id int PRIMARY KEY, \
             a int DEFAULT {DEFAULT} REFERENCES p ON DELETE {on_delete} ON UPDATE {on_update})"
        ),
    );
    assert_eq!(made, ["OK CREATE TABLE", "OK CREATE TABLE"]);
    if draw.below(2) == 0 {
        answers(&mut session, "CREATE INDEX ON c (a)");
    }
    let mut model = Model::default();
    for number in 0..STEPS {
        let step = Step::random(&mut draw);
        let undone = draw.below(6) == 0;
        let line = if undone { format!("BEGIN; {}; ROLLBACK", step.sql()) } else { step.sql() };
        let reply = answers(&mut session, &line);
        if undone {
            answers(&mut session, "ROLLBACK");
        }
        let refused = reply.iter().any(|line| line.starts_with("ERROR"));
        let next = model.after(step, actions);
        let story =
            format!("seed {seed}, step {number}: {line}: {reply:?}, {actions:?}, {model:?}");
        assert_eq!(refused, next.is_none(), "{story}");
        if refused {
            let known = reply.iter().any(|line| line.starts_with("ERROR 2350"));
            assert!(known, "{story}");
        }
        if let Some(next) = next.filter(|_| !undone) {
            model = next;
        }
        assert_eq!(Model::of(&mut session), model, "{story}");
    }
}

#[test]
fn random_changes_come_to_what_the_model_says() {
    (0..60).for_each(run);
}

#[test]
fn paste_your_seed() {
    run(4711);
}

#[test]
fn what_a_statement_notes_is_bounded() {
    let world = new_world(256);
    let mut session = session(&world);
    answers(&mut session, "CREATE TABLE p (a int PRIMARY KEY); INSERT INTO p VALUES (1)");
    answers(&mut session, "CREATE TABLE c (a int REFERENCES p); SET work_mem = '64kB'");
    let fill = |rows| format!("INSERT INTO c SELECT 1 FROM generate_series(1, {rows}) g");
    let room = 64 * 64 * 1024 / 24;
    let reply = answers(&mut session, &fill(room + 100));
    assert!(
        reply[0].starts_with("ERROR 53200 out of memory\tdetail=A statement notes"),
        "{reply:?}"
    );
    assert_eq!(answers(&mut session, &fill(1000)), ["OK INSERT 0 1000"]);
}
