//! EXPLAIN: a plan as PostgreSQL shows it in text.
//!
//! Costs are PostgreSQL's formulas with its default constants, over the table's pages; rows are
//! estimated from pages and the widths of columns, since there are no statistics yet. With
//! ANALYZE the statement runs, its rows are thrown away, and what was counted is shown: the time of
//! the whole at the top node, rows at every node.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use catalog::{TableDef, quote_identifier};
use types::{ColumnType, Datum};

use super::{Execution, OutRow, modify, query};
use crate::bind::group_names;
use crate::error::{Error, Result};
use crate::expr::deparse::deparse;
use crate::expr::{Expr, Node as ExprNode};
use crate::plan::cost;
use crate::planned::{
    ConflictAction, Derived, Distinct, First, InsertSource, OnConflict, Plan, Query, RowSource,
    TableSource,
};
use crate::storage::Usage;

/// What EXPLAIN is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExplainOptions {
    /// Run the statement.
    pub analyze: bool,
    /// Estimated costs.
    pub costs: bool,
    /// Pages found and read.
    pub buffers: bool,
    /// Records of the log.
    pub wal: bool,
    /// Times at the nodes.
    pub timing: bool,
    /// Planning and execution time at the end.
    pub summary: bool,
}

/// What an execution counts, for EXPLAIN ANALYZE.
#[derive(Default, Debug)]
pub(crate) struct Counts {
    /// Rows that passed the filter.
    pub passed: Cell<u64>,
    /// Rows that did not.
    pub removed: Cell<u64>,
    /// Groups that HAVING let pass.
    pub groups: Cell<u64>,
    /// Rows that came out.
    pub shown: Cell<u64>,
    /// Rows looked for in the table by an index.
    pub fetched: Cell<u64>,
    /// What the query counted that this one reads.
    pub below: RefCell<Option<Box<Counts>>>,
}

/// A node of the plan.
pub(super) struct Node {
    pub title: String,
    /// Lines below the title.
    pub details: Vec<String>,
    /// Cost until the first row, and of all.
    pub cost: (f64, f64),
    pub rows: f64,
    pub width: u32,
    /// Rows that there were.
    pub actual: Option<u64>,
    pub child: Option<Box<Node>>,
}

/// What stands above the plan of a value that is computed first; what is below is indented more.
const INIT_PLAN: &str = "InitPlan 1 (returns $0)";

/// Explains a plan: the lines of the answer. `planning_ms` is how long planning took.
pub(crate) fn explain(
    execution: &Execution<'_>,
    plan: &Plan,
    options: &ExplainOptions,
    planning_ms: f64,
) -> Result<Vec<String>> {
    let measured = if options.analyze { Some(measure(execution, plan)?) } else { None };
    let rows = measured.as_ref().map(|measured| measured.rows);
    let node = node_of(execution, plan, rows)?;
    let mut lines = Vec::new();
    push_node(&node, (0, 0), options, measured.as_ref(), &mut lines);
    if options.summary {
        lines.push(format!("Planning Time: {planning_ms:.3} ms"));
        if let Some(measured) = &measured {
            lines.push(format!("Execution Time: {:.3} ms", measured.milliseconds));
        }
    }
    Ok(lines)
}

struct Measured {
    rows: u64,
    milliseconds: f64,
    first_ms: f64,
    usage: Usage,
}

/// Runs the plan and throws its rows away.
fn measure(execution: &Execution<'_>, plan: &Plan) -> Result<Measured> {
    let before = execution.session.storage.usage();
    let start = Instant::now();
    let first = Cell::new(None);
    let mut sink = |_: &OutRow<'_>| {
        if first.get().is_none() {
            first.set(Some(start.elapsed()));
        }
        Ok(())
    };
    let (rows, returns) = match plan {
        Plan::Query(query) => (query::run(execution, query, &mut sink)?, true),
        Plan::Insert(insert) => {
            (modify::insert(execution, insert, &mut sink)?, insert.returning.is_some())
        }
        Plan::Update(update) => {
            (modify::update(execution, update, &mut sink)?, update.returning.is_some())
        }
        Plan::Delete(delete) => {
            (modify::delete(execution, delete, &mut sink)?, delete.returning.is_some())
        }
        _ => return Err(Error::syntax("EXPLAIN of a statement without a plan")),
    };
    let elapsed = start.elapsed();
    let milliseconds = elapsed.as_secs_f64() * 1000.0;
    Ok(Measured {
        rows: if returns { rows } else { 0 },
        milliseconds,
        first_ms: first.get().unwrap_or(elapsed).as_secs_f64() * 1000.0,
        usage: execution.session.storage.usage().since(before),
    })
}

fn push_node(
    node: &Node,
    (depth, more): (usize, usize),
    options: &ExplainOptions,
    measured: Option<&Measured>,
    lines: &mut Vec<String>,
) {
    let indent = if depth == 0 { String::new() } else { " ".repeat(depth * 6 - 4 + more) };
    let arrow = if depth == 0 { "" } else { "->  " };
    let mut line = format!("{indent}{arrow}{}", node.title);
    if options.costs {
        let (first, all) = node.cost;
        line.push_str(&format!(
            "  (cost={first:.2}..{all:.2} rows={:.0} width={})",
            node.rows.round(),
            node.width
        ));
    }
    if options.analyze {
        let rows = node.actual.unwrap_or(0);
        match measured.filter(|_| options.timing) {
            Some(measured) => line.push_str(&format!(
                " (actual time={:.3}..{:.3} rows={rows} loops=1)",
                measured.first_ms, measured.milliseconds
            )),
            None => line.push_str(&format!(" (actual rows={rows} loops=1)")),
        }
    }
    lines.push(line);
    let below = " ".repeat(if depth == 0 { 2 } else { depth * 6 + 2 + more });
    lines.extend(node.details.iter().map(|detail| format!("{below}{detail}")));
    if let Some(measured) = measured {
        push_usage(&measured.usage, options, &below, lines);
    }
    if let Some(child) = &node.child {
        let init_plan = node.details.iter().any(|detail| detail == INIT_PLAN);
        let more = more + if init_plan { 2 } else { 0 };
        push_node(child, (depth + 1, more), options, None, lines);
    }
}

fn push_usage(usage: &Usage, options: &ExplainOptions, below: &str, lines: &mut Vec<String>) {
    let counted = |names: &[(&str, u64)]| {
        let present = names.iter().filter(|(_, count)| *count > 0);
        present.map(|(name, count)| format!(" {name}={count}")).collect::<String>()
    };
    let buffers = counted(&[("hit", usage.hits), ("read", usage.reads)]);
    if options.buffers && !buffers.is_empty() {
        lines.push(format!("{below}Buffers: shared{buffers}"));
    }
    let wal = counted(&[("records", usage.records), ("fpi", usage.images), ("bytes", usage.bytes)]);
    if options.wal && !wal.is_empty() {
        lines.push(format!("{below}WAL:{wal}"));
    }
}

fn node_of(execution: &Execution<'_>, plan: &Plan, rows: Option<u64>) -> Result<Node> {
    match plan {
        Plan::Query(query) => query_node(execution, query, rows),
        Plan::Insert(insert) => {
            let child = match &insert.source {
                InsertSource::Query(query, _) => {
                    let counted = rows.map(|_| execution.counts.passed.get());
                    query_node(execution, query, counted)?
                }
                InsertSource::Values(lists) => values_node(lists.len(), rows),
            };
            let returns = insert.returning.is_some();
            let mut node = change_node("Insert", &insert.table.name, None, child, returns, rows);
            if let Some(on) = &insert.on_conflict {
                push_conflict(on, &insert.table, &mut node.details);
            }
            Ok(node)
        }
        Plan::Update(update) => {
            let scan =
                scan_node(execution, &update.source, update.filter.as_ref(), &update.names, rows)?;
            let TableSource { table, alias, .. } = &update.source;
            let returns = update.returning.is_some();
            Ok(change_node("Update", &table.name, alias.as_deref(), scan, returns, rows))
        }
        Plan::Delete(delete) => {
            let scan =
                scan_node(execution, &delete.source, delete.filter.as_ref(), &delete.names, rows)?;
            let TableSource { table, alias, .. } = &delete.source;
            let returns = delete.returning.is_some();
            Ok(change_node("Delete", &table.name, alias.as_deref(), scan, returns, rows))
        }
        _ => Err(Error::syntax("EXPLAIN of a statement without a plan")),
    }
}

fn push_conflict(on: &OnConflict, table: &TableDef, details: &mut Vec<String>) {
    let resolution = match on.action {
        ConflictAction::Nothing => "NOTHING",
        ConflictAction::Update { .. } => "UPDATE",
    };
    details.push(format!("Conflict Resolution: {resolution}"));
    let arbiters = table.indexes.iter().filter(|index| on.arbiters.contains(&index.oid));
    let names: Vec<String> = arbiters.map(|index| quote_identifier(&index.name)).collect();
    if !names.is_empty() {
        details.push(format!("Conflict Arbiter Indexes: {}", names.join(", ")));
    }
    if let ConflictAction::Update { filter: Some(filter), names, .. } = &on.action {
        details.push(format!("Conflict Filter: {}", deparse(filter, names)));
    }
}

fn values_node(lists: usize, analyzed: Option<u64>) -> Node {
    let rows = lists.max(1);
    let title = if lists > 1 { "Values Scan on \"*VALUES*\"" } else { "Result" };
    Node {
        title: title.to_owned(),
        details: Vec::new(),
        cost: (0.0, if lists > 1 { 0.0125 * rows as f64 } else { 0.01 }),
        rows: rows as f64,
        width: 0,
        actual: analyzed.map(|_| rows as u64),
        child: None,
    }
}

fn on_table(verb: &str, table: &str, alias: Option<&str>) -> String {
    match alias {
        Some(alias) if alias != table => {
            format!("{verb} on {} {}", quote_identifier(table), quote_identifier(alias))
        }
        _ => format!("{verb} on {}", quote_identifier(table)),
    }
}

fn change_node(
    verb: &str,
    table: &str,
    alias: Option<&str>,
    child: Node,
    returns: bool,
    rows: Option<u64>,
) -> Node {
    Node {
        title: on_table(verb, table, alias),
        details: Vec::new(),
        cost: (child.cost.0, child.cost.1),
        rows: if returns { child.rows } else { 0.0 },
        width: if returns { child.width } else { 0 },
        actual: rows,
        child: Some(Box::new(child)),
    }
}

fn scan_node(
    execution: &Execution<'_>,
    source: &TableSource,
    filter: Option<&Expr>,
    names: &[String],
    analyzed: Option<u64>,
) -> Result<Node> {
    let TableSource { table, alias, path, .. } = source;
    let is_view = table.kind == catalog::TableKind::Virtual;
    let mut details = Vec::new();
    if let Some(condition) = path.index.as_ref().and_then(|path| path.condition.as_ref()) {
        let text = deparse(condition, names);
        let text = if text.starts_with('(') { text } else { format!("({text})") };
        details.push(format!("Index Cond: {text}"));
    }
    push_filter(execution, filter, names, analyzed, &mut details);
    if analyzed.is_some() && path.index.as_ref().is_some_and(|path| path.only) {
        details.push(format!("Heap Fetches: {}", execution.counts.fetched.get()));
    }
    let on = |verb: &str| on_table(verb, &table.name, alias.as_deref());
    let title = match &path.index {
        Some(path) => {
            let only = if path.only { " Only" } else { "" };
            let backward = if path.backward { " Backward" } else { "" };
            let index = quote_identifier(&path.index.name);
            on(&format!("Index{only} Scan{backward} using {index}"))
        }
        None if is_view => on("Function Scan"),
        None => on("Seq Scan"),
    };
    Ok(Node {
        title,
        details,
        cost: if is_view { (0.0, 1.0) } else { path.cost },
        rows: if is_view { 100.0 } else { path.rows },
        width: table.columns.iter().map(|column| cost::width(column.ty)).sum(),
        actual: analyzed.map(|_| execution.counts.passed.get()),
        child: None,
    })
}

fn push_filter(
    execution: &Execution<'_>,
    filter: Option<&Expr>,
    names: &[String],
    analyzed: Option<u64>,
    details: &mut Vec<String>,
) {
    let Some(filter) = filter else { return };
    details.push(format!("Filter: {}", deparse(filter, names)));
    let removed = execution.counts.removed.get();
    if analyzed.is_some() && removed > 0 {
        details.push(format!("Rows Removed by Filter: {removed}"));
    }
}

fn source_node(execution: &Execution<'_>, query: &Query, analyzed: Option<u64>) -> Result<Node> {
    let filter = query.filter.as_ref();
    let mut node = match &query.source {
        RowSource::Table(table) => {
            return scan_node(execution, table, filter, &query.names, analyzed);
        }
        RowSource::Query(derived) => return derived_node(execution, query, derived, analyzed),
        RowSource::One => values_node(1, None),
        RowSource::Values(lists) => values_node(lists.len(), None),
        RowSource::Series { ty, .. } => Node {
            title: "Function Scan on generate_series".to_owned(),
            details: Vec::new(),
            cost: (0.0, 10.0),
            rows: 1000.0,
            width: cost::width(*ty),
            actual: None,
            child: None,
        },
    };
    push_filter(execution, filter, &query.names, analyzed, &mut node.details);
    node.actual = analyzed.map(|_| execution.counts.passed.get());
    Ok(node)
}

/// The node of a query that another one reads, and above it the scan of its rows, if that does
/// anything.
fn derived_node(
    execution: &Execution<'_>,
    query: &Query,
    derived: &Derived,
    analyzed: Option<u64>,
) -> Result<Node> {
    let counts = execution.counts.below.take().map_or_else(Counts::default, |counts| *counts);
    let shown = counts.shown.get();
    let below = Execution { counts, ..execution.for_derived() };
    let child = query_node(&below, &derived.query, analyzed.map(|_| shown))?;
    if is_trivial(query) {
        return Ok(child);
    }
    let mut details = Vec::new();
    push_filter(execution, query.filter.as_ref(), &qualified(query), analyzed, &mut details);
    let (share, operators) = if query.filter.is_some() { (1.0 / 3.0, 1.0) } else { (1.0, 0.0) };
    let cost = (child.cost.0, child.cost.1 + (0.01 + 0.0025 * operators) * child.rows);
    Ok(Node {
        title: format!("Subquery Scan on {}", quote_identifier(&derived.alias)),
        details,
        cost,
        rows: (child.rows * share).max(1.0),
        width: width_of(derived.query.columns.iter().map(|column| column.ty)),
        actual: analyzed.map(|_| execution.counts.passed.get()),
        child: Some(Box::new(child)),
    })
}

/// Whether a query takes the rows of the one that it reads as they are.
fn is_trivial(query: &Query) -> bool {
    let RowSource::Query(derived) = &query.source else { return false };
    let in_order =
        query.targets.iter().enumerate().all(|(n, target)| target.node == ExprNode::Column(n));
    let all = query.targets.len() == derived.query.columns.len();
    query.filter.is_none() && (query.grouping.is_some() || (in_order && all))
}

/// The names of the columns of the source, as they stand above its scan.
fn qualified(query: &Query) -> Vec<String> {
    let Some(qualifier) = &query.qualifier else { return query.names.clone() };
    let qualifier = quote_identifier(qualifier);
    query.names.iter().map(|name| format!("{qualifier}.{name}")).collect()
}

/// The node of a query, with those of its parts below it.
fn query_node(execution: &Execution<'_>, query: &Query, rows: Option<u64>) -> Result<Node> {
    let mut node = source_node(execution, query, rows)?;
    let mut names = qualified(query);
    if query.first == First::Row {
        node = first_row(node);
    } else if let Some(grouping) = &query.grouping {
        let group_names = group_names(grouping, &names);
        let grouped = grouping.grouped;
        let mut details = Vec::new();
        if grouped && !grouping.keys.is_empty() {
            details.push(format!("Group Key: {}", group_names[..grouping.keys.len()].join(", ")));
        }
        if let Some(having) = &grouping.having {
            details.push(format!("Filter: {}", deparse(having, &group_names)));
        }
        let groups = if grouped { node.rows.min(200.0) } else { 1.0 };
        let title = if grouped { "HashAggregate" } else { "Aggregate" };
        let actual = rows.map(|_| execution.counts.groups.get());
        let widths = grouping.keys.iter().map(|key| key.ty);
        let types = widths.chain(grouping.aggregates.iter().map(|call| call.ty));
        node = above(node, title, details, groups, width_of(types), actual);
        names = group_names;
    }
    node.width = width_of(query.columns.iter().map(|column| column.ty));
    if query.distinct == Distinct::All {
        let keys: Vec<String> =
            query.targets[..query.columns.len()].iter().map(|t| deparse(t, &names)).collect();
        let details = vec![format!("Group Key: {}", keys.join(", "))];
        let (kept, width) = (node.rows.min(200.0), node.width);
        let actual = if query.sort.is_empty() { rows } else { None };
        node = above(node, "HashAggregate", details, kept, width, actual.or(rows));
    }
    if !query.sort.is_empty() {
        node = sort_node(query, node, &names, rows);
    }
    if let Distinct::On(_) = query.distinct {
        let (kept, width) = (node.rows.min(200.0), node.width);
        node = above(node, "Unique", Vec::new(), kept, width, rows);
    }
    if query.locking.is_some() {
        node = lock_rows_node(node, rows);
    }
    if query.limit.is_some() || query.offset.is_some() {
        let limit = query.limit.as_ref().and_then(constant_count);
        let kept = limit.map_or(node.rows, |limit| node.rows.min(limit));
        let width = node.width;
        let share = if node.rows > 0.0 { kept / node.rows } else { 1.0 };
        let cost = (node.cost.0, node.cost.0 + (node.cost.1 - node.cost.0) * share);
        node = above(node, "Limit", Vec::new(), kept, width, rows);
        node.cost = cost;
    }
    Ok(node)
}

/// The least or greatest value from the end of an index, as PostgreSQL shows it.
fn first_row(child: Node) -> Node {
    let (start, all) = child.cost;
    let cost = (start, start + (all - start) / child.rows.max(1.0));
    let actual = child.actual.map(|rows| rows.min(1));
    let width = child.width;
    let over = |title: &str, details: Vec<String>, cost, child: Node| Node {
        title: title.to_owned(),
        details,
        cost,
        rows: 1.0,
        width,
        actual,
        child: Some(Box::new(child)),
    };
    let limit = over("Limit", Vec::new(), cost, child);
    let result_cost = (cost.1, cost.1 + 0.01);
    let mut result = over("Result", vec![INIT_PLAN.to_owned()], result_cost, limit);
    result.actual = actual.map(|_| 1);
    result
}

/// LockRows: as PostgreSQL's, the rows below carry their places along.
fn lock_rows_node(mut child: Node, rows: Option<u64>) -> Node {
    const PLACE: u32 = 6;
    let mut below = Some(&mut child);
    while let Some(node) = below {
        node.width += PLACE;
        below = node.child.as_deref_mut();
    }
    let (count, width) = (child.rows, child.width);
    let cost = (child.cost.0, child.cost.1 + 0.01 * count);
    let node = above(child, "LockRows", Vec::new(), count, width, rows);
    Node { cost, ..node }
}

fn sort_node(query: &Query, child: Node, names: &[String], rows: Option<u64>) -> Node {
    let keys: Vec<String> = query
        .sort
        .iter()
        .map(|key| {
            let target = &query.targets[key.target];
            let mut text = deparse(target, names);
            if !is_plain(query, target) {
                text = format!("({text})");
            }
            if key.descending {
                text.push_str(" DESC");
            }
            if key.nulls_first != key.descending {
                text.push_str(if key.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
            }
            text
        })
        .collect();
    let (count, width, below) = (child.rows, child.width, child.cost.1);
    let actual = if query.limit.is_none() && query.offset.is_none() { rows } else { child.actual };
    let mut node =
        above(child, "Sort", vec![format!("Sort Key: {}", keys.join(", "))], count, width, actual);
    let start = below + cost::sort(count);
    node.cost = (start, start + 0.0025 * count);
    node
}

/// Whether a sort key is a column of the table, and not computed below the sort.
fn is_plain(query: &Query, target: &Expr) -> bool {
    let ExprNode::Column(index) = target.node else { return false };
    query.grouping.as_ref().is_none_or(|grouping| {
        grouping.keys.get(index).is_some_and(|key| matches!(key.node, ExprNode::Column(_)))
    })
}

fn constant_count(limit: &Expr) -> Option<f64> {
    match limit.as_const() {
        Some(Datum::Int8(count)) => Some(*count as f64),
        _ => None,
    }
}

fn width_of(types: impl Iterator<Item = ColumnType>) -> u32 {
    types.map(cost::width).sum()
}

fn above(
    child: Node,
    title: &str,
    details: Vec<String>,
    rows: f64,
    width: u32,
    actual: Option<u64>,
) -> Node {
    let all = child.cost.1 + 0.0025 * child.rows;
    let cost = if title == "Unique" { (child.cost.0, all) } else { (all, all + 0.01 * rows) };
    Node {
        title: title.to_owned(),
        details,
        cost,
        rows,
        width,
        actual,
        child: Some(Box::new(child)),
    }
}
