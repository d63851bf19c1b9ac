//! Bound expressions written as SQL, for EXPLAIN: in the layout of PostgreSQL's `ruleutils.c`.

use types::{ColumnType, Datum};

use super::{Conversion, Expr, Node};
use crate::functions::Function;
use crate::values::{self, Style, type_name};

/// The SQL of an expression over columns of these names.
pub(crate) fn deparse(expr: &Expr, columns: &[String]) -> String {
    let mut out = String::new();
    push(expr, columns, &mut out);
    out
}

fn push_constant(value: &Datum, ty: ColumnType, out: &mut String) {
    let bare = matches!(value, Datum::Int4(0..) | Datum::Numeric(_) | Datum::Bool(_) | Datum::Null);
    match value {
        Datum::Null => out.push_str("NULL"),
        Datum::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Datum::Int4(0..) => values::output(value, Style::default(), out),
        Datum::Numeric(number) if number.sign() != bigdecimal::num_bigint::Sign::Minus => {
            values::output(value, Style::default(), out);
        }
        _ => {
            let text = values::to_text(value, Style::default());
            out.push('\'');
            out.push_str(&text.replace('\'', "''"));
            out.push('\'');
        }
    }
    let shows_type = !bare || (value.is_null() && ty != ColumnType::Unknown);
    if shows_type
        || matches!(value, Datum::Numeric(n) if n.sign() == bigdecimal::num_bigint::Sign::Minus)
    {
        out.push_str("::");
        out.push_str(&type_name(ty));
    }
}

fn list(exprs: &[Expr], between: &str, columns: &[String], out: &mut String) {
    for (place, expr) in exprs.iter().enumerate() {
        if place > 0 {
            out.push_str(between);
        }
        push(expr, columns, out);
    }
}

fn push_call(function: &Function, args: &[Expr], columns: &[String], out: &mut String) {
    let operator = !function.name.starts_with(|c: char| c.is_ascii_alphabetic());
    match args {
        [left, right] if operator => {
            out.push('(');
            push(left, columns, out);
            out.push(' ');
            out.push_str(function.name);
            out.push(' ');
            push(right, columns, out);
            out.push(')');
        }
        [arg] if operator => {
            out.push('(');
            out.push_str(function.name);
            out.push(' ');
            push(arg, columns, out);
            out.push(')');
        }
        _ => {
            out.push_str(function.name);
            out.push('(');
            list(args, ", ", columns, out);
            out.push(')');
        }
    }
}

fn push_test(arg: &Expr, negated: bool, what: &str, columns: &[String], out: &mut String) {
    out.push('(');
    push(arg, columns, out);
    out.push_str(if negated { " IS NOT " } else { " IS " });
    out.push_str(what);
    out.push(')');
}

fn push(expr: &Expr, columns: &[String], out: &mut String) {
    match &expr.node {
        Node::Const(value) => push_constant(value, expr.ty, out),
        Node::Param(index) => out.push_str(&format!("${}", index + 1)),
        Node::Column(index) => match columns.get(*index) {
            Some(name) => out.push_str(name),
            None => out.push_str(&format!("column{}", index + 1)),
        },
        Node::Aggregate(index) => out.push_str(&format!("aggregate{}", index + 1)),
        Node::Call { function, args } => push_call(function.0, args, columns, out),
        Node::Convert { conversion, arg } => push_convert(expr.ty, *conversion, arg, columns, out),
        Node::And(args) | Node::Or(args) => {
            let word = if matches!(expr.node, Node::And(_)) { " AND " } else { " OR " };
            out.push('(');
            list(args, word, columns, out);
            out.push(')');
        }
        Node::Not(arg) => {
            out.push_str("(NOT ");
            push(arg, columns, out);
            out.push(')');
        }
        Node::IsNull { arg, negated } => push_test(arg, *negated, "NULL", columns, out),
        Node::IsBool { arg, value, negated } => {
            let what = match value {
                Some(true) => "TRUE",
                Some(false) => "FALSE",
                None => "UNKNOWN",
            };
            push_test(arg, *negated, what, columns, out);
        }
        Node::CaseOperand => out.push_str("CASE_TEST_EXPR"),
        _ => push_rest(expr, columns, out),
    }
}

fn push_convert(
    ty: ColumnType,
    conversion: Conversion,
    arg: &Expr,
    columns: &[String],
    out: &mut String,
) {
    let simple = matches!(arg.node, Node::Call { .. });
    if !simple {
        out.push('(');
    }
    push(arg, columns, out);
    if !simple {
        out.push(')');
    }
    out.push_str("::");
    out.push_str(&type_name(ty));
    if let Conversion::Fit { precision, scale } = conversion {
        out.push_str(&format!("({precision},{scale})"));
    }
}

fn push_rest(expr: &Expr, columns: &[String], out: &mut String) {
    match &expr.node {
        Node::Distinct { equal: _, args, negated } => {
            // IS DISTINCT FROM is written through its negation's word.
            out.push('(');
            push(&args[0], columns, out);
            out.push_str(if *negated { " IS NOT DISTINCT FROM " } else { " IS DISTINCT FROM " });
            push(&args[1], columns, out);
            out.push(')');
        }
        Node::InList { equal: _, left, list: items, negated } => {
            out.push('(');
            push(left, columns, out);
            out.push_str(if *negated { " <> ALL (ARRAY[" } else { " = ANY (ARRAY[" });
            list(items, ", ", columns, out);
            out.push_str("]))");
        }
        Node::Case { operand, whens, otherwise } => {
            out.push_str("CASE");
            if let Some(operand) = operand {
                out.push(' ');
                push(operand, columns, out);
            }
            for (condition, result) in whens {
                out.push_str(" WHEN ");
                push(condition, columns, out);
                out.push_str(" THEN ");
                push(result, columns, out);
            }
            out.push_str(" ELSE ");
            push(otherwise, columns, out);
            out.push_str(" END");
        }
        Node::Coalesce(args) => push_named("COALESCE", args, columns, out),
        Node::NullIf { equal: _, args } => push_named("NULLIF", args.as_slice(), columns, out),
        Node::Extreme { greatest, args } => {
            push_named(if *greatest { "GREATEST" } else { "LEAST" }, args, columns, out);
        }
        _ => out.push('?'),
    }
}

fn push_named(name: &str, args: &[Expr], columns: &[String], out: &mut String) {
    out.push_str(name);
    out.push('(');
    list(args, ", ", columns, out);
    out.push(')');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_show_their_type_where_postgresql_does() {
        let shown = |value, ty| deparse(&Expr::constant(value, ty), &[]);
        assert_eq!(shown(Datum::Int4(5), ColumnType::Int4), "5");
        assert_eq!(shown(Datum::Int4(-5), ColumnType::Int4), "'-5'::integer");
        assert_eq!(shown(Datum::Int8(5), ColumnType::Int8), "'5'::bigint");
        assert_eq!(shown(Datum::Text("a'b".to_owned()), ColumnType::Text), "'a''b'::text");
        assert_eq!(shown(Datum::Bool(true), ColumnType::Bool), "true");
    }
}
