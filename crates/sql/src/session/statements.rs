//! What each statement does.

use std::cell::Cell;
use std::rc::Rc;

use config::IsolationLevel;
use sqlparser::ast::Statement as AstStatement;
use txn::LockMode;
use types::{ColumnType, Datum, SqlState};

use super::cache::KeptPlan;
use super::kept::Keep;
use super::settings::Change;
use super::tables::UsedTables;
use super::transaction::Block;
use super::{Context, Session, Weight, transaction_is_aborted, warning};
use crate::bind::locking::clause;
use crate::bind::names::fold;
use crate::bind::stored::Names;
use crate::bind::{
    BindContext, Parameters, Unknowns, bind_create, bind_create_index, bind_delete, bind_insert,
    bind_query, bind_truncate, bind_update,
};
use crate::error::{Error, Result};
use crate::exec::{Execution, Reader, Tag, copy_from, copy_to, define};
use crate::output::{Output, OutputColumn, TextRow};
use crate::parse::{
    Access, CopyStatement, Endpoint, Parsed, Request, Source, Statement, TransactionModes,
};
use crate::plan::Planner;
use crate::planned::{Plan, Reindex};

impl Session {
    /// Executes one statement of a request; `keep` says how to keep its plan.
    pub(super) fn execute_statement(
        &mut self,
        request: &Request,
        parsed: &Parsed,
        several: bool,
        last: bool,
        keep: Keep<'_>,
        out: &mut dyn Output,
    ) -> Result<()> {
        let ends = match &parsed.statement {
            Statement::Commit | Statement::Rollback => true,
            Statement::Savepoint(savepoint) => savepoint.ends_failure(),
            _ => false,
        };
        if self.block == Block::Failed && !ends {
            return Err(transaction_is_aborted());
        }
        self.context.begin_statement();
        match &parsed.statement {
            Statement::Begin { modes, start } => {
                self.begin_block(modes, out)?;
                out.done(if *start { "START TRANSACTION" } else { "BEGIN" })?;
            }
            Statement::Commit => {
                let tag = self.commit_block(out)?;
                out.done(tag)?;
            }
            Statement::Rollback => {
                let tag = self.roll_back_block(out)?;
                out.done(tag)?;
            }
            Statement::Maintain(work) => {
                let tag = self.maintain(work, several, last, out)?;
                out.done(tag)?;
            }
            Statement::Savepoint(savepoint) => {
                let tag = self.savepoint(savepoint)?;
                self.end_statement(last)?;
                out.done(tag)?;
            }
            statement => {
                self.ensure_transaction(several);
                let tag = self.run_statement(request, statement, keep, out)?;
                self.end_statement(last)?;
                out.done(&tag)?;
            }
        }
        Ok(())
    }

    fn run_statement(
        &mut self,
        request: &Request,
        statement: &Statement,
        keep: Keep<'_>,
        out: &mut dyn Output,
    ) -> Result<String> {
        match statement {
            Statement::Sql(statement) => self.run_sql(request, statement, keep, out),
            Statement::SetTransaction(modes) => self.set_transaction(modes, out),
            Statement::SetCharacteristics(modes) => self.set_characteristics(modes),
            Statement::Checkpoint => {
                self.context.storage.checkpoint()?;
                Ok("CHECKPOINT".to_owned())
            }
            Statement::Reindex { name, table } => {
                let plan = Plan::Reindex(Reindex { name: name.clone(), table: *table });
                Ok(self.run_plan(&plan, &[], out)?.into_owned())
            }
            Statement::Show(name) => self.show(name, out),
            Statement::ShowAll => self.show_all(out),
            Statement::Set { name, value, local } => {
                let change = value.as_deref().map_or(Change::Reset, Change::Set);
                self.change_setting(name, change, *local, out)?;
                Ok("SET".to_owned())
            }
            Statement::Reset(name) => {
                self.change_setting(name, Change::Reset, false, out)?;
                Ok("RESET".to_owned())
            }
            Statement::ResetAll => {
                self.context.settings.borrow_mut().reset_all();
                self.context.settings_changed();
                Ok("RESET".to_owned())
            }
            Statement::Define(definition) => {
                self.context.refuse_if_read_only(&definition.tag())?;
                self.has_run = true;
                let params = Parameters::default();
                let tables = UsedTables::new(&self.context);
                let context = bind_context(&self.context, &request.source, &params, &tables);
                define(&Execution::new(&self.context, &[]), &context, definition, out)
            }
            Statement::Lock(lock) => self.lock_tables(lock),
            Statement::Copy(copy) => self.copy_out(request, copy, out),
            Statement::Unsupported(name) => Err(Error::unsupported(name)),
            Statement::Begin { .. }
            | Statement::Commit
            | Statement::Rollback
            | Statement::Maintain(_)
            | Statement::Savepoint(_) => {
                Err(Error::internal("transaction statement in a wrong place"))
            }
        }
    }

    fn run_sql(
        &mut self,
        request: &Request,
        statement: &AstStatement,
        keep: Keep<'_>,
        out: &mut dyn Output,
    ) -> Result<String> {
        self.begin_query()?;
        match statement {
            AstStatement::Prepare { name, data_types, statement } => {
                self.prepare(&fold(name), data_types, statement, &request.source)
            }
            AstStatement::Execute { .. } => {
                let (plan, params) = self.prepared_plan(&request.source, statement)?;
                let tag = self.run_plan(&plan.plan, &params, out)?;
                self.keep_execute(keep);
                Ok(tag.into_owned())
            }
            AstStatement::Deallocate { name, prepare: _ } => self.deallocate(name),
            AstStatement::Explain { .. } => self.explain(request, statement, out),
            _ => {
                self.context.forget_asked();
                let params = Parameters::default();
                let plan = plan(&self.context, &request.source, &params, statement)?;
                let plan = Rc::new(plan);
                let kept = matches!(
                    plan.plan,
                    Plan::Query(_) | Plan::Insert(_) | Plan::Update(_) | Plan::Delete(_)
                );
                let kept = kept && !self.context.was_asked();
                let tag = self.run_plan(&plan.plan, &[], out)?;
                if kept {
                    self.keep_plan(keep, plan);
                }
                Ok(tag.into_owned())
            }
        }
    }

    /// Runs a plan; answers its tag.
    pub(super) fn run_plan(
        &mut self,
        plan: &Plan,
        params: &[Datum],
        out: &mut dyn Output,
    ) -> Result<Tag> {
        self.check_read_only(plan)?;
        self.context.storage.check_interrupts()?;
        let done = Execution::new(&self.context, params).run(plan, out);
        self.context.send_warnings(out)?;
        done
    }

    /// `25006` for what writes in a transaction that may not.
    pub(super) fn check_read_only(&self, plan: &Plan) -> Result<()> {
        match plan {
            Plan::Query(query) => match query.any_locking() {
                None => Ok(()),
                Some(locking) => {
                    self.context.refuse_if_read_only(&format!("SELECT {}", clause(locking.mode)))
                }
            },
            Plan::Insert(_) => self.context.refuse_if_read_only("INSERT"),
            Plan::Update(_) => self.context.refuse_if_read_only("UPDATE"),
            Plan::Delete(_) => self.context.refuse_if_read_only("DELETE"),
            Plan::Create(_) => self.context.refuse_if_read_only("CREATE TABLE"),
            Plan::Truncate(_) => self.context.refuse_if_read_only("TRUNCATE TABLE"),
            Plan::CreateIndex(_) => self.context.refuse_if_read_only("CREATE INDEX"),
            Plan::Reindex(_) => self.context.refuse_if_read_only("REINDEX"),
        }
    }

    fn set_transaction(
        &mut self,
        modes: &TransactionModes,
        out: &mut dyn Output,
    ) -> Result<String> {
        modes.level()?;
        if self.block == Block::None {
            let code = SqlState::NO_ACTIVE_SQL_TRANSACTION;
            let report = warning(code, "SET TRANSACTION can only be used in transaction blocks");
            self.context.notice(out, Weight::Warning, &report)?;
        }
        self.apply_modes(modes)?;
        Ok("SET".to_owned())
    }

    /// SET SESSION CHARACTERISTICS: what later transactions begin with.
    fn set_characteristics(&mut self, modes: &TransactionModes) -> Result<String> {
        let on_off = |on| if on { "on" } else { "off" };
        let changes = [
            ("default_transaction_isolation", modes.level()?.map(IsolationLevel::name)),
            (
                "default_transaction_read_only",
                modes.access.map(|access| on_off(access == Access::ReadOnly)),
            ),
            ("default_transaction_deferrable", modes.deferrable.map(on_off)),
        ];
        let mut settings = self.context.settings.borrow_mut();
        for (name, value) in changes {
            if let Some(value) = value {
                settings.change(name, Change::Set(value), false)?;
            }
        }
        Ok("SET".to_owned())
    }

    fn change_setting(
        &mut self,
        name: &str,
        change: Change<'_>,
        local: bool,
        out: &mut dyn Output,
    ) -> Result<()> {
        if local && self.block == Block::None {
            let code = SqlState::NO_ACTIVE_SQL_TRANSACTION;
            let report = warning(code, "SET LOCAL can only be used in transaction blocks");
            self.context.notice(out, Weight::Warning, &report)?;
        }
        let modes = self.context.settings.borrow().modes(name, change)?;
        if let Some(modes) = modes {
            return self.apply_modes(&modes);
        }
        self.context.settings.borrow_mut().change(name, change, local)?;
        self.context.settings_changed();
        Ok(())
    }

    fn show(&self, name: &str, out: &mut dyn Output) -> Result<String> {
        let settings = self.context.settings.borrow();
        let value = settings.show(name)?;
        send_texts(&[&settings.shown_name(name)], [vec![value]].into_iter(), out)?;
        Ok("SHOW".to_owned())
    }

    fn show_all(&self, out: &mut dyn Output) -> Result<String> {
        let settings = self.context.settings.borrow();
        let rows = config::settings().iter().map(|setting| {
            let value = settings.current.text(setting);
            vec![setting.name.to_owned(), value, setting.summary().to_owned()]
        });
        let mut rows: Vec<Vec<String>> = rows.collect();
        rows.sort_by_key(|row| row[0].to_ascii_lowercase());
        send_texts(&["name", "setting", "description"], rows.into_iter(), out)?;
        Ok("SHOW".to_owned())
    }

    fn copy_out(
        &mut self,
        request: &Request,
        copy: &CopyStatement,
        out: &mut dyn Output,
    ) -> Result<String> {
        match copy.endpoint {
            Endpoint::Stdio => {}
            Endpoint::File => return Err(Error::unsupported("COPY with a file of the server")),
            Endpoint::Program => return Err(Error::unsupported("COPY with a program")),
        }
        self.begin_query()?;
        let params = Parameters::default();
        let tables = UsedTables::new(&self.context);
        let context = bind_context(&self.context, &request.source, &params, &tables);
        let execution = Execution::new(&self.context, &[]);
        let count = copy_to(&execution, &context, copy, out)?;
        Ok(format!("COPY {count}"))
    }

    /// The COPY … FROM STDIN of a request; answers how many rows came in.
    pub(super) fn copy_in(
        &mut self,
        request: &Request,
        several: bool,
        reader: &mut Reader<'_>,
    ) -> Result<u64> {
        if self.block == Block::Failed {
            return Err(transaction_is_aborted());
        }
        let Some(copy) = request.copy_from_stdin() else {
            return Err(Error::internal("request without the COPY that it ends with"));
        };
        self.context.begin_statement();
        self.ensure_transaction(several);
        self.begin_query()?;
        self.context.refuse_if_read_only("COPY FROM")?;
        let params = Parameters::default();
        let tables = UsedTables::new(&self.context);
        let context = bind_context(&self.context, &request.source, &params, &tables);
        copy_from(&Execution::new(&self.context, &[]), &context, copy, reader)
    }
}

/// What binding needs, over the tables of the session.
pub(super) fn bind_context<'a>(
    context: &'a Context,
    source: &'a Source,
    params: &'a Parameters,
    tables: &'a UsedTables<'a>,
) -> BindContext<'a> {
    BindContext {
        env: context,
        source,
        params,
        tables,
        names: Names::Plain,
        within: None,
        mode: LockMode::AccessShare,
    }
}

impl Context {
    /// Binds what no statement of the client's has in it, such as the constraints of a table.
    pub(crate) fn bind<T>(&self, work: impl FnOnce(&BindContext<'_>) -> Result<T>) -> Result<T> {
        let (source, params) = (Source::new(""), Parameters::default());
        let tables = UsedTables::new(self);
        work(&bind_context(self, &source, &params, &tables))
    }
}

/// Plans a statement.
pub(super) fn plan(
    context: &Context,
    source: &Source,
    params: &Parameters,
    statement: &AstStatement,
) -> Result<KeptPlan> {
    let tables = UsedTables::new(context);
    let bind = bind_context(context, source, params, &tables);
    let mut plan = match statement {
        AstStatement::Query(query) => {
            Plan::Query(Box::new(bind_query(&bind, query, Unknowns::Text)?))
        }
        AstStatement::Insert(insert) => Plan::Insert(Box::new(bind_insert(&bind, insert)?)),
        AstStatement::Update(update) => Plan::Update(Box::new(bind_update(&bind, update)?)),
        AstStatement::Delete(delete) => Plan::Delete(Box::new(bind_delete(&bind, delete)?)),
        AstStatement::CreateTable(create) => Plan::Create(Box::new(bind_create(&bind, create)?)),
        AstStatement::CreateIndex(create) => {
            Plan::CreateIndex(Box::new(bind_create_index(&bind, create)?))
        }
        AstStatement::Truncate(truncate) => Plan::Truncate(bind_truncate(&bind, truncate)?),
        other => return Err(Error::unsupported(first_words(other))),
    };
    let planner = Planner::of(context, &params.values);
    planner.choose(&mut plan)?;
    let allowed = planner.allowed;
    Ok(KeptPlan {
        plan,
        tables: tables.into_used(),
        types: Vec::new(),
        allowed,
        uses: Cell::new(0),
    })
}

/// The first two words of a statement, to name it by.
fn first_words(statement: &AstStatement) -> String {
    let text = statement.to_string();
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ").to_uppercase()
}

/// Sends a row set of texts.
pub(super) fn send_texts(
    names: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    out: &mut dyn Output,
) -> Result<()> {
    let columns: Vec<OutputColumn> = names
        .iter()
        .map(|name| OutputColumn { name: (*name).to_owned(), ty: ColumnType::Text })
        .collect();
    out.columns(&columns)?;
    let mut text = TextRow::default();
    for row in rows {
        text.clear();
        for value in &row {
            text.push_with(|text| text.push_str(value));
        }
        out.row(&text)?;
    }
    Ok(())
}
