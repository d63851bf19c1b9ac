//! Names that nobody has given: PostgreSQL's for indexes and constraints.

use txn::Transaction;

use crate::NAME_LENGTH_MAX;
use crate::catalog::Catalog;
use crate::definition::TableDef;
use crate::error::Error;

/// `first_second_label`, the longer of the first two cut until the whole is no longer than a name
/// may be.
fn join(first: &str, second: &str, label: &str) -> String {
    let joints = usize::from(!second.is_empty()) + usize::from(!label.is_empty());
    let room = NAME_LENGTH_MAX.saturating_sub(label.len() + joints);
    let (mut one, mut two) = (first.len(), second.len());
    while one + two > room {
        if one > two { one -= 1 } else { two -= 1 }
    }
    let mut name = cut(first, one).to_owned();
    for part in [cut(second, two), label] {
        if !part.is_empty() {
            name.push('_');
            name.push_str(part);
        }
    }
    name
}

/// The text up to so many bytes, no character cut in two.
fn cut(text: &str, mut bytes: usize) -> &str {
    while !text.is_char_boundary(bytes) {
        bytes -= 1;
    }
    &text[..bytes]
}

impl Catalog {
    /// A name for an index or a constraint of a table that no relation of its schema and no
    /// constraint of its own has: `t_a_b_idx`, then `t_a_b_idx1` and so on.
    pub fn choose_name(
        &self,
        tx: &Transaction,
        table: &TableDef,
        columns: &[&str],
        label: &str,
    ) -> Result<String, Error> {
        let columns = columns.join("_");
        for number in 0_u32.. {
            let numbered = if number == 0 { label.to_owned() } else { format!("{label}{number}") };
            let name = join(&table.name, &columns, &numbered);
            let taken = table.constraints.iter().any(|constraint| constraint.name == name);
            if !taken && self.lookup(tx, Some(&table.schema), &name)?.is_none() {
                return Ok(name);
            }
        }
        Err(Error::DuplicateTable(join(&table.name, &columns, label)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_as_in_postgresql() {
        assert_eq!(join("t", "", "pkey"), "t_pkey");
        assert_eq!(join("t", "a_b", "idx1"), "t_a_b_idx1");
    }

    #[test]
    fn the_longer_part_is_cut() {
        let long = "x".repeat(70);
        let name = join(&long, "abc", "key");
        assert_eq!(name.len(), NAME_LENGTH_MAX);
        assert!(name.ends_with("x_abc_key"), "{name}");
        let name = join("tab", &"ä".repeat(40), "idx");
        assert!(
            name.len() <= NAME_LENGTH_MAX && name.starts_with("tab_ä") && name.ends_with("ä_idx")
        );
    }
}
