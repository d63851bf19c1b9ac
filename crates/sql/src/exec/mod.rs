//! Runs plans.
//!
//! Rows are pushed: a source calls for each row, filters and projections pass it on, the last of
//! them hands it to the sink. Only a sort, DISTINCT and groups hold rows, and they count the bytes
//! ([`memory`]): a query that would hold more than 64 times `work_mem` fails with `53200`.
//!
//! What if the process dies: nothing here is shared; the transaction aborts.

mod collect;
mod copy_in;
mod copy_out;
mod define;
mod define_index;
mod definitions;
mod explain;
mod foreign;
mod group;
mod lock_rows;
mod memory;
mod modify;
mod query;
mod ranges;
mod scan;
mod sequences;
mod sort;
mod upsert;

use std::borrow::Cow;
use std::cell::RefCell;

use types::Datum;

use crate::error::Result;
use crate::expr::eval::EvalContext;
use crate::functions::Environment as _;
use crate::output::{Output, OutputColumn, TextRow};
use crate::planned::Plan;
use crate::session::Context;
use crate::storage::Flow;
use crate::values;
pub(crate) use copy_in::{Reader, copy_from};
pub(crate) use copy_out::copy_to;
pub(crate) use define::undefined_table;
pub(crate) use define_index::{check_heap, check_index};
pub(crate) use definitions::define;
pub(crate) use explain::{Counts, ExplainOptions, explain};
use foreign::Events;
pub(crate) use sequences::definition_of;

/// What a statement did, in PostgreSQL's words.
pub(crate) type Tag = Cow<'static, str>;

/// The tag of a statement that did something to so many rows; `of_one` is it for one row.
fn counted(of_one: &'static str, count: u64) -> Tag {
    match of_one.strip_suffix('1') {
        Some(words) if count != 1 => Cow::Owned(format!("{words}{count}")),
        _ => Cow::Borrowed(of_one),
    }
}

/// The values of a row on its way out.
pub(crate) type OutRow<'a> = [Cow<'a, Datum>];

/// Where rows go.
pub(crate) trait Sink {
    /// Takes a row; says whether it wants more.
    fn row(&mut self, row: &OutRow<'_>) -> Result<Flow>;
}

impl<F: FnMut(&OutRow<'_>) -> Result<()>> Sink for F {
    fn row(&mut self, row: &OutRow<'_>) -> Result<Flow> {
        self(row).map(|()| Flow::Continue)
    }
}

/// One execution of a plan.
pub(crate) struct Execution<'a> {
    /// The session.
    pub session: &'a Context,
    /// The values of the parameters.
    pub params: &'a [Datum],
    /// What is counted on the way.
    pub counts: Counts,
    /// What foreign keys have to look at when all rows have been changed.
    events: RefCell<Events>,
}

impl<'a> Execution<'a> {
    /// An execution with these parameters.
    pub(crate) fn new(session: &'a Context, params: &'a [Datum]) -> Execution<'a> {
        Execution { session, params, counts: Counts::default(), events: RefCell::default() }
    }

    /// An execution of a query that the one at hand reads.
    fn for_derived(&self) -> Execution<'a> {
        Execution::new(self.session, self.params)
    }

    pub(crate) fn evaluator(&self) -> EvalContext<'a> {
        EvalContext::new(self.session, self.params)
    }

    /// Runs a plan, sends its rows, and answers its command tag.
    pub(crate) fn run(&self, plan: &Plan, out: &mut dyn Output) -> Result<Tag> {
        match plan {
            Plan::Query(query) => {
                let mut sink = ClientSink::new(self.session, &query.columns, out);
                let count = query::run(self, query, &mut sink)?;
                sink.finish()?;
                Ok(counted("SELECT 1", count))
            }
            Plan::Insert(insert) => {
                let columns = returned(insert.returning.as_ref());
                let mut sink = ClientSink::new(self.session, columns, out);
                let count = modify::insert(self, insert, &mut sink)?;
                finish_returning(sink, insert.returning.is_some())?;
                Ok(counted("INSERT 0 1", count))
            }
            Plan::Update(update) => {
                let columns = returned(update.returning.as_ref());
                let mut sink = ClientSink::new(self.session, columns, out);
                let count = modify::update(self, update, &mut sink)?;
                finish_returning(sink, update.returning.is_some())?;
                Ok(counted("UPDATE 1", count))
            }
            Plan::Delete(delete) => {
                let columns = returned(delete.returning.as_ref());
                let mut sink = ClientSink::new(self.session, columns, out);
                let count = modify::delete(self, delete, &mut sink)?;
                finish_returning(sink, delete.returning.is_some())?;
                Ok(counted("DELETE 1", count))
            }
            Plan::Create(create) => define::create(self, create, out).map(Tag::Owned),
            Plan::Truncate(truncate) => define::truncate(self, truncate, out).map(Tag::Owned),
            Plan::CreateIndex(create) => {
                define_index::create_index(self, create, out).map(Tag::Owned)
            }
            Plan::Reindex(reindex) => define_index::reindex(self, reindex).map(Tag::Owned),
        }
    }
}

fn returned(returning: Option<&crate::planned::Returning>) -> &[OutputColumn] {
    returning.map_or(&[], |returning| returning.columns.as_slice())
}

fn finish_returning(sink: ClientSink<'_>, has_rows: bool) -> Result<()> {
    if has_rows { sink.finish() } else { Ok(()) }
}

/// Sends rows to the client. The head of the row set goes out with the first row, so that an error
/// before it is all that the client gets.
pub(crate) struct ClientSink<'a> {
    session: &'a Context,
    columns: &'a [OutputColumn],
    out: &'a mut dyn Output,
    opened: bool,
    text: TextRow,
}

impl<'a> ClientSink<'a> {
    pub(crate) fn new(
        session: &'a Context,
        columns: &'a [OutputColumn],
        out: &'a mut dyn Output,
    ) -> ClientSink<'a> {
        ClientSink { session, columns, out, opened: false, text: session.take_text() }
    }

    fn open(&mut self) -> Result<()> {
        if !self.opened {
            self.opened = true;
            self.out.columns(self.columns)?;
        }
        Ok(())
    }

    /// Opens the row set if there was no row.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.open()
    }
}

impl Drop for ClientSink<'_> {
    fn drop(&mut self) {
        self.session.give_back_text(std::mem::take(&mut self.text));
    }
}

impl Sink for ClientSink<'_> {
    fn row(&mut self, row: &OutRow<'_>) -> Result<Flow> {
        self.session.send_warnings(self.out)?;
        self.open()?;
        let style = self.session.style();
        self.text.clear();
        for value in row {
            match value.as_ref() {
                Datum::Null => self.text.push_null(),
                value => self.text.push_with(|text| values::output(value, style, text)),
            }
        }
        self.out.row(&self.text)?;
        Ok(Flow::Continue)
    }
}
