//! What depends on what, and dropping with all that depends on it.
//!
//! ```text
//!  schema s  <──normal──  table t  <──auto──  constraint c
//!                            │
//!                            └── column a  <──normal──  view v
//! ```
//!
//! - *Normal*: the thing stands in the way of a drop, unless CASCADE takes it along.
//! - *Auto*: it goes with the other without a word, and may also be dropped alone.
//! - *Internal*: as auto, but it may not be dropped alone.
//!
//! A drop first gathers everything that goes, locks the relations among it, and gathers again if it
//! had to take a lock: what was found before may have changed. Under the locks nothing can come to
//! depend on any of it: whoever makes something dependent holds a lock on what it depends on.

use std::collections::{HashMap, HashSet};

use txn::{LockMode, LockTag, Transaction};
use types::{Datum, Oid};

use crate::catalog::Catalog;
use crate::changes;
use crate::error::Error;
use crate::system::{PG_ATTRDEF, PG_CLASS, PG_CONSTRAINT, PG_DEPEND, PG_NAMESPACE};

/// A thing in the system tables.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Object {
    /// The system table that describes it.
    pub class: Oid,
    /// Its oid.
    pub oid: Oid,
    /// The number of a column of it, or 0.
    pub column: i32,
}

impl Object {
    /// A relation.
    pub fn relation(oid: Oid) -> Object {
        Object { class: PG_CLASS.oid, oid, column: 0 }
    }

    /// A column of a relation, by its place from 0.
    pub fn column(relation: Oid, index: usize) -> Object {
        Object { column: index as i32 + 1, ..Object::relation(relation) }
    }

    /// A constraint.
    pub fn constraint(oid: Oid) -> Object {
        Object { class: PG_CONSTRAINT.oid, oid, column: 0 }
    }

    /// A column's default.
    pub fn default(oid: Oid) -> Object {
        Object { class: PG_ATTRDEF.oid, oid, column: 0 }
    }

    /// A schema.
    pub fn schema(oid: Oid) -> Object {
        Object { class: PG_NAMESPACE.oid, oid, column: 0 }
    }

    /// Whether it is the other, or the other a part of it.
    fn covers(self, other: Object) -> bool {
        (self.class, self.oid) == (other.class, other.oid)
            && (self.column == 0 || self.column == other.column)
    }
}

/// How a thing depends on another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DependKind {
    /// It stands in the way of a drop.
    Normal,
    /// It goes with the other.
    Auto,
    /// It is a part of how the other works.
    Internal,
}

impl DependKind {
    fn letter(self) -> &'static str {
        match self {
            DependKind::Normal => "n",
            DependKind::Auto => "a",
            DependKind::Internal => "i",
        }
    }
}

/// A row of `pg_depend`.
pub(super) struct Dependency {
    pub depender: Object,
    pub on: Object,
    pub kind: DependKind,
}

impl Dependency {
    /// Whether it is that of a sequence on the column that it belongs to; or of an index on one.
    pub(super) fn is_ownership(&self) -> bool {
        let relations = self.depender.class == PG_CLASS.oid && self.on.class == PG_CLASS.oid;
        relations && self.on.column != 0 && self.kind != DependKind::Normal
    }
}

/// Everything that goes with a drop.
#[derive(Default)]
struct Gathered {
    /// In the order in which they are taken away: dependents first.
    order: Vec<Object>,
    /// Through which other each was found first.
    through: HashMap<Object, Object>,
    /// Those that go without a word.
    silent: HashSet<Object>,
}

impl Catalog {
    /// Records that a thing depends on another.
    pub fn record_dependency(
        &self,
        tx: &mut Transaction,
        depender: Object,
        on: Object,
        kind: DependKind,
    ) -> Result<(), Error> {
        let row = [
            Datum::Oid(depender.class.0),
            Datum::Oid(depender.oid.0),
            Datum::Int4(depender.column),
            Datum::Oid(on.class.0),
            Datum::Oid(on.oid.0),
            Datum::Int4(on.column),
            Datum::Text(kind.letter().to_owned()),
        ];
        self.insert_row(tx, &PG_DEPEND, &row)
    }

    /// Drops things, each locked by the caller; with `cascade` also what depends on them. Answers
    /// what CASCADE took along, as messages name it.
    pub fn drop_objects(
        &self,
        tx: &mut Transaction,
        targets: &[Object],
        cascade: bool,
    ) -> Result<Vec<String>, Error> {
        let mut locked = HashSet::new();
        let gathered = loop {
            let gathered = gather(targets, &self.dependencies(tx)?);
            if !self.lock_relations(tx, &gathered.order, &mut locked)? {
                break gathered;
            }
        };
        self.check_internal(tx, targets, &gathered)?;
        let mut loud: Vec<Object> = gathered.order.clone();
        loud.retain(|object| !targets.contains(object) && !gathered.silent.contains(object));
        loud.reverse();
        if !cascade && !loud.is_empty() {
            return Err(self.refusal(tx, targets, &loud, &gathered.through)?);
        }
        let mut names = Vec::with_capacity(loud.len());
        for object in &loud {
            names.push(self.describe(tx, *object)?);
        }
        for object in &gathered.order {
            self.remove(tx, *object)?;
        }
        Ok(names)
    }

    pub(super) fn dependencies(&self, tx: &Transaction) -> Result<Vec<Dependency>, Error> {
        let object = |row: &[Datum], at: usize| Object {
            class: changes::oid(row, at),
            oid: changes::oid(row, at + 1),
            column: changes::number(row, at + 2) as i32,
        };
        let rows = self.rows(tx, &PG_DEPEND, &|_| true)?;
        let all = rows.iter().map(|row| Dependency {
            depender: object(row, 0),
            on: object(row, 3),
            kind: match changes::text(row, 6) {
                "a" => DependKind::Auto,
                "i" => DependKind::Internal,
                _ => DependKind::Normal,
            },
        });
        Ok(all.collect())
    }

    /// Locks the relations that things belong to; says whether one was not locked before.
    fn lock_relations(
        &self,
        tx: &Transaction,
        objects: &[Object],
        locked: &mut HashSet<Oid>,
    ) -> Result<bool, Error> {
        let before = locked.len();
        for object in objects {
            let relation = self.relation_of(tx, *object)?;
            let foreign = self.foreign_table_of(tx, *object)?;
            for relation in relation.into_iter().chain(foreign) {
                if locked.insert(relation) {
                    let tag = LockTag::Relation(relation);
                    self.txn().locks().acquire(tag, LockMode::AccessExclusive)?;
                }
            }
        }
        Ok(locked.len() > before)
    }

    /// `2BP01` for a part of how another thing works that is to be dropped alone.
    fn check_internal(
        &self,
        tx: &Transaction,
        targets: &[Object],
        gathered: &Gathered,
    ) -> Result<(), Error> {
        for dependency in self.dependencies(tx)? {
            let Dependency { depender, on, kind } = dependency;
            let alone = kind == DependKind::Internal && targets.contains(&depender);
            if alone && !gathered.order.iter().any(|object| object.covers(on)) {
                let (what, owner) = (self.describe(tx, depender)?, self.describe(tx, on)?);
                return Err(Error::RequiredByOther { what, owner });
            }
        }
        Ok(())
    }

    /// `2BP01`, with all that stands in the way.
    fn refusal(
        &self,
        tx: &Transaction,
        targets: &[Object],
        loud: &[Object],
        through: &HashMap<Object, Object>,
    ) -> Result<Error, Error> {
        let mut detail = Vec::with_capacity(loud.len());
        for object in loud {
            let on = through.get(object).copied().unwrap_or(*object);
            let (object, on) = (self.describe(tx, *object)?, self.describe(tx, on)?);
            detail.push(format!("{object} depends on {on}"));
        }
        let what = match targets {
            [one] => Some(self.describe(tx, *one)?),
            _ => None,
        };
        Ok(Error::Depended { what, detail })
    }
}

/// Finds everything that goes with the targets, without recursion: chains may be long.
fn gather(targets: &[Object], dependencies: &[Dependency]) -> Gathered {
    let mut gathered = Gathered::default();
    let mut seen: HashSet<Object> = HashSet::new();
    for target in targets {
        if !seen.insert(*target) {
            continue;
        }
        // Each with those of its dependents that have not been gone into yet.
        let mut path = vec![(*target, dependents(*target, dependencies))];
        while let Some((object, left)) = path.last_mut() {
            let object = *object;
            match left.pop() {
                Some((next, kind)) => {
                    if kind != DependKind::Normal {
                        gathered.silent.insert(next);
                    }
                    if seen.insert(next) {
                        gathered.through.insert(next, object);
                        path.push((next, dependents(next, dependencies)));
                    }
                }
                None => {
                    gathered.order.push(object);
                    path.pop();
                }
            }
        }
    }
    gathered
}

/// What depends on a thing: the youngest last.
fn dependents(object: Object, dependencies: &[Dependency]) -> Vec<(Object, DependKind)> {
    let mut found: Vec<(Object, DependKind)> = dependencies
        .iter()
        .filter(|dependency| object.covers(dependency.on) && dependency.depender != object)
        .map(|dependency| (dependency.depender, dependency.kind))
        .collect();
    found.sort_by_key(|(object, _)| (object.oid, object.column));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(oid: u32) -> Object {
        Object::relation(Oid(oid))
    }

    fn depends(depender: Object, on: Object, kind: DependKind) -> Dependency {
        Dependency { depender, on, kind }
    }

    #[test]
    fn dependents_go_first_and_what_goes_silently_is_known() {
        let (column, check) = (Object::column(Oid(1), 0), Object::constraint(Oid(5)));
        let all = [
            depends(table(2), column, DependKind::Normal),
            depends(table(3), table(2), DependKind::Normal),
            depends(check, column, DependKind::Auto),
            depends(table(4), table(9), DependKind::Normal),
        ];
        let gathered = gather(&[table(1)], &all);
        assert_eq!(gathered.order, [check, table(3), table(2), table(1)]);
        assert_eq!(gathered.silent, HashSet::from([check]));
        assert_eq!(gathered.through[&table(3)], table(2));
        let of_column = gather(&[Object::column(Oid(1), 1)], &all);
        assert_eq!(of_column.order.len(), 1, "another column");
    }

    #[test]
    fn a_circle_and_a_long_chain_end() {
        let mut all = vec![depends(table(1), table(2), DependKind::Normal)];
        all.push(depends(table(2), table(1), DependKind::Normal));
        assert_eq!(gather(&[table(1)], &all).order.len(), 2);
        let chain: Vec<_> =
            (1..2000).map(|oid| depends(table(oid + 1), table(oid), DependKind::Normal)).collect();
        assert_eq!(gather(&[table(1)], &chain).order.len(), 2000);
    }
}
