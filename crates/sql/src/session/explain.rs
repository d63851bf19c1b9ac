//! EXPLAIN and its options.

use std::rc::Rc;
use std::time::Instant;

use sqlparser::ast::{
    AnalyzeFormat, AnalyzeFormatKind, DescribeAlias, Expr as AstExpr, Statement as AstStatement,
    UtilityOption, Value, ValueWithSpan,
};
use types::SqlState;

use super::Session;
use super::statements::{plan, send_texts};
use crate::bind::Parameters;
use crate::bind::names::fold;
use crate::error::{Error, Result};
use crate::exec::{Execution, ExplainOptions, explain};
use crate::output::Output;
use crate::parse::Request;

impl Session {
    /// EXPLAIN
    pub(super) fn explain(
        &mut self,
        request: &Request,
        statement: &AstStatement,
        out: &mut dyn Output,
    ) -> Result<String> {
        let AstStatement::Explain {
            describe_alias,
            analyze,
            verbose,
            query_plan,
            estimate,
            statement,
            format,
            options,
        } = statement
        else {
            return Err(Error::internal("not an EXPLAIN"));
        };
        if !matches!(describe_alias, DescribeAlias::Explain) || *query_plan || *estimate {
            return Err(Error::syntax("EXPLAIN in a form that PostgreSQL does not have"));
        }
        match format {
            None | Some(AnalyzeFormatKind::Keyword(AnalyzeFormat::TEXT)) => {}
            Some(_) => return Err(Error::unsupported("EXPLAIN in a format other than text")),
        }
        let options = explain_options(*analyze, *verbose, options.as_deref().unwrap_or(&[]))?;
        let start = Instant::now();
        let (plan, params) = match statement.as_ref() {
            AstStatement::Execute { .. } => self.prepared_plan(&request.source, statement)?,
            AstStatement::Query(_)
            | AstStatement::Insert(_)
            | AstStatement::Update(_)
            | AstStatement::Delete(_) => {
                let params = Parameters::default();
                let plan = plan(&self.context, &request.source, &params, statement)?;
                (Rc::new(plan), Vec::new())
            }
            _ => return Err(Error::syntax("EXPLAIN of a statement without a plan")),
        };
        if options.analyze {
            self.check_read_only(&plan.plan)?;
        }
        let planning_ms = start.elapsed().as_secs_f64() * 1000.0;
        let execution = Execution::new(&self.context, &params);
        let lines = explain(&execution, &plan.plan, &options, planning_ms)?;
        send_texts(&["QUERY PLAN"], lines.into_iter().map(|line| vec![line]), out)?;
        Ok("EXPLAIN".to_owned())
    }
}

fn explain_options(
    analyze: bool,
    verbose: bool,
    given: &[UtilityOption],
) -> Result<ExplainOptions> {
    if verbose {
        return Err(Error::unsupported("EXPLAIN VERBOSE"));
    }
    let mut options = ExplainOptions {
        analyze,
        costs: true,
        buffers: false,
        wal: false,
        timing: false,
        summary: false,
    };
    let (mut timing, mut summary) = (None, None);
    for UtilityOption { name, arg } in given {
        let name = fold(name);
        if name == "format" {
            check_format(arg.as_ref())?;
            continue;
        }
        let on = option_is_on(&name, arg.as_ref())?;
        match name.as_str() {
            "analyze" => options.analyze = on,
            "costs" => options.costs = on,
            "buffers" => options.buffers = on,
            "wal" => options.wal = on,
            "timing" => timing = Some(on),
            "summary" => summary = Some(on),
            "verbose" | "settings" if !on => {}
            "verbose" | "settings" => {
                return Err(Error::unsupported(format!("EXPLAIN {}", name.to_uppercase())));
            }
            other => {
                return Err(Error::syntax(format!("unrecognized EXPLAIN option \"{other}\"")));
            }
        }
    }
    for (wanted, name) in [(options.wal, "WAL"), (timing == Some(true), "TIMING")] {
        if wanted && !options.analyze {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("EXPLAIN option {name} requires ANALYZE"),
            ));
        }
    }
    options.timing = timing.unwrap_or(options.analyze);
    options.summary = summary.unwrap_or(options.analyze);
    Ok(options)
}

/// The word or literal that an option has as its value.
fn option_word(arg: Option<&AstExpr>) -> Option<String> {
    match arg {
        None => Some("on".to_owned()),
        Some(AstExpr::Identifier(ident)) => Some(fold(ident)),
        Some(AstExpr::Value(ValueWithSpan { value, span: _ })) => match value {
            Value::Boolean(value) => Some(value.to_string()),
            Value::Number(digits, _) => Some(digits.clone()),
            Value::SingleQuotedString(text) => Some(text.to_ascii_lowercase()),
            _ => None,
        },
        Some(_) => None,
    }
}

fn option_is_on(name: &str, arg: Option<&AstExpr>) -> Result<bool> {
    match option_word(arg).as_deref() {
        Some("on" | "true" | "1") => Ok(true),
        Some("off" | "false" | "0") => Ok(false),
        _ => Err(Error::syntax(format!("{name} requires a Boolean value"))),
    }
}

fn check_format(arg: Option<&AstExpr>) -> Result<()> {
    match option_word(arg).as_deref() {
        Some("text") => Ok(()),
        Some("xml" | "json" | "yaml") => {
            Err(Error::unsupported("EXPLAIN in a format other than text"))
        }
        _ => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "unrecognized value for EXPLAIN option \"format\"",
        )),
    }
}
