//! A query's expressions in DataFusion's terms.
//!
//! DataFusion's own comparison of floats goes by bits, its conversions may fail or round, so every
//! float that is compared passes through [`Kernel::Canonical`], and times through our calendar.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::functions_aggregate::{bool_and_or, count, min_max, sum};
use datafusion::logical_expr::expr::{AggregateFunction, Case, Sort};
use datafusion::logical_expr::{self as df, AggregateUDF, ExprFunctionExt, Operator, cast, lit};

use crate::compute::like::Pattern;
use crate::compute::{Kernel, calendar, exact, sums, texts};
use crate::expr::{Comparison, Expr, Value};
use crate::query::{Aggregate, Function, Key, Order, OrderBy, Query};
use crate::{Kind, Result};

/// Wide enough for the sum of any number of `bigint`.
const BIG_SUM: DataType = DataType::Decimal128(38, 0);

/// The name of a group's key inside a plan. Names begin with a NUL byte where no file's column may
/// be taken for them.
pub(crate) fn key_name(index: usize) -> String {
    format!("\0k{index}")
}

/// The name of an aggregate inside a plan.
pub(crate) fn aggregate_name(index: usize) -> String {
    format!("\0a{index}")
}

/// A reference to a column of a plan.
pub(crate) fn named(name: String) -> df::Expr {
    df::Expr::Column(Column::new_unqualified(name))
}

/// Translates the expressions of one query with the values of its parameters.
pub(crate) struct Translator<'a> {
    pub(crate) query: &'a Query,
    pub(crate) values: &'a [Value],
    /// The names of the query's columns inside the plan.
    pub(crate) names: &'a [String],
}

impl Translator<'_> {
    /// An expression.
    pub(crate) fn expr(&self, expr: &Expr) -> Result<df::Expr> {
        Ok(match expr {
            Expr::Column(index) => {
                let column = named(self.names[*index].clone());
                match self.query.columns[*index].kind {
                    Kind::Jsonb => Kernel::AboveScan.call(column),
                    _ => column,
                }
            }
            Expr::Param(index) => literal(self.value(*index), self.kind_of(expr)),
            Expr::Compare {
                comparison,
                left,
                right,
            } => self.compare(*comparison, left, right)?,
            Expr::AnyOf { value, list } => self.any_of(value, *list)?,
            Expr::Like { text, pattern } => self.with_text(text, *pattern, |pattern| {
                Kernel::Like(Arc::new(Pattern::new(pattern)))
            })?,
            Expr::StartsWith { text, prefix } => self.with_text(text, *prefix, |prefix| {
                Kernel::StartsWith(prefix.to_owned())
            })?,
            Expr::And(parts) => self.joined(parts, df::and, true)?,
            Expr::Or(parts) => self.joined(parts, df::or, false)?,
            Expr::Not(inner) => df::not(self.expr(inner)?),
            Expr::IsNull(inner) => self.expr(inner)?.is_null(),
            Expr::IsTrue(inner) => self.expr(inner)?.is_true(),
            Expr::IsFalse(inner) => self.expr(inner)?.is_false(),
            Expr::IsDistinct(left, right) => {
                let (left, right) = self.sides(left, right)?;
                df::binary_expr(left, Operator::IsDistinctFrom, right)
            }
            Expr::Coalesce(parts) => self.coalesce(parts)?,
            Expr::Case {
                branches,
                otherwise,
            } => self.case(branches, otherwise.as_deref())?,
            Expr::Widen(inner, kind) => self.widen(inner, *kind)?,
            Expr::DateTrunc(unit, inner) => Kernel::DateTrunc(*unit).call(self.expr(inner)?),
            Expr::ToDate(inner) => Kernel::ToDate.call(self.expr(inner)?),
            Expr::Extract(part, inner) => Kernel::Extract(*part).call(self.expr(inner)?),
            Expr::RegionOfZone(inner) => Kernel::RegionOfZone.call(self.expr(inner)?),
        })
    }

    /// A key of a group.
    pub(crate) fn key(&self, index: usize, key: &Key) -> Result<df::Expr> {
        Ok(self.expr(&key.expr)?.alias(key_name(index)))
    }

    /// An aggregate.
    pub(crate) fn aggregate(&self, index: usize, aggregate: &Aggregate) -> Result<df::Expr> {
        let call = match &aggregate.function {
            Function::CountRows => count::count(lit(1_i64)),
            Function::Count(x) => count::count(self.expr(x)?),
            Function::CountDistinct(x, kind) => {
                count::count_distinct(comparable(self.expr(x)?, *kind))
            }
            Function::SumInt(x) => sum::sum(cast(self.expr(x)?, DataType::Int64)),
            Function::SumBig(x) => sum::sum(cast(self.expr(x)?, BIG_SUM)),
            Function::SumFloat(x) => self.float_sum(sums::sum(), x)?,
            Function::SumExact(x) => self.float_sum(exact::sum(), x)?,
            Function::MeanFloat(x) => self.float_sum(sums::mean(), x)?,
            Function::Min(x, kind) => min_max::min(sortable(self.expr(x)?, *kind)),
            Function::Max(x, kind) => min_max::max(sortable(self.expr(x)?, *kind)),
            Function::Every(x) => bool_and_or::bool_and(self.expr(x)?),
            Function::Any(x) => bool_and_or::bool_or(self.expr(x)?),
        };
        let call = match &aggregate.filter {
            Some(filter) => call.filter(self.expr(filter)?).build()?,
            None => call,
        };
        Ok(call.alias(aggregate_name(index)))
    }

    /// The result of an aggregate as its kind says, from the aggregate's column.
    pub(crate) fn finished(&self, index: usize, aggregate: &Aggregate) -> df::Expr {
        let column = named(aggregate_name(index));
        match &aggregate.function {
            Function::Min(_, kind) | Function::Max(_, kind) if kind.is_float() => {
                cast(Kernel::FromOrderKey.call(column), kind.arrow())
            }
            Function::SumBig(_) => cast(column, Kind::Numeric.arrow()),
            // A part of a timestamp is computed as bigint, whatever it was cast to.
            Function::Min(_, kind) | Function::Max(_, kind) => cast(column, kind.arrow()),
            _ => column,
        }
    }

    /// A column of the order.
    pub(crate) fn order(&self, order: &Order) -> Result<Sort> {
        let by = match &order.by {
            OrderBy::Expr(expr, kind) => comparable(self.expr(expr)?, *kind),
            OrderBy::Output(index) => self.output_order(*index),
        };
        Ok(by.sort(!order.descending, order.nulls_first))
    }

    fn output_order(&self, index: usize) -> df::Expr {
        let crate::Shape::Groups { keys, aggregates } = &self.query.shape else {
            return named(self.names[index].clone());
        };
        if index < keys.len() {
            return named(key_name(index));
        }
        let index = index - keys.len();
        let column = named(aggregate_name(index));
        match aggregates.get(index).map(|a| &a.function) {
            Some(Function::SumFloat(_) | Function::MeanFloat(_)) => Kernel::Canonical.call(column),
            // Keys of floats keep zeros apart, which compare as equal.
            Some(Function::Min(_, kind) | Function::Max(_, kind)) if kind.is_float() => {
                Kernel::Canonical.call(Kernel::FromOrderKey.call(column))
            }
            _ => column,
        }
    }

    fn float_sum(&self, function: AggregateUDF, x: &Expr) -> Result<df::Expr> {
        let argument = cast(self.expr(x)?, DataType::Float64);
        Ok(df::Expr::AggregateFunction(AggregateFunction::new_udf(
            Arc::new(function),
            vec![argument],
            false,
            None,
            vec![],
            None,
        )))
    }

    fn value(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    fn kind_of(&self, expr: &Expr) -> Kind {
        match expr {
            Expr::Column(index) => self.query.columns[*index].kind,
            Expr::Param(index) => self.query.params[*index],
            Expr::Coalesce(parts) => parts.first().map_or(Kind::Bool, |p| self.kind_of(p)),
            Expr::Case { branches, .. } => branches
                .first()
                .map_or(Kind::Bool, |(_, v)| self.kind_of(v)),
            Expr::Widen(_, kind) => *kind,
            Expr::DateTrunc(..) => Kind::Timestamp,
            Expr::ToDate(_) => Kind::Date,
            Expr::Extract(..) => Kind::Int8,
            Expr::RegionOfZone(_) => Kind::Text,
            _ => Kind::Bool,
        }
    }

    fn joined(
        &self,
        parts: &[Expr],
        join: fn(df::Expr, df::Expr) -> df::Expr,
        nothing: bool,
    ) -> Result<df::Expr> {
        let mut joined: Option<df::Expr> = None;
        for part in parts {
            let part = self.expr(part)?;
            joined = Some(match joined {
                Some(before) => join(before, part),
                None => part,
            });
        }
        Ok(joined.unwrap_or(lit(nothing)))
    }

    /// Texts that are at hand are looked through by [`texts::first`]; what has to be computed first, is
    /// computed only where it is asked for.
    fn coalesce(&self, parts: &[Expr]) -> Result<df::Expr> {
        let at_hand = |part: &&Expr| {
            self.kind_of(part) == Kind::Text
                && match part {
                    Expr::Column(_) | Expr::Param(_) => true,
                    Expr::Case {
                        branches,
                        otherwise,
                    } => self.null_if(branches, otherwise.as_deref()).is_some(),
                    _ => false,
                }
        };
        let at_hand = parts.iter().take_while(at_hand).count();
        let mut translated: Vec<df::Expr> =
            parts.iter().map(|p| self.expr(p)).collect::<Result<_>>()?;
        if at_hand > 1 {
            let rest = translated.split_off(at_hand);
            translated = vec![texts::first(translated)];
            translated.extend(rest);
        }
        Ok(match translated.len() {
            1 => translated.remove(0),
            _ => datafusion::functions::core::expr_fn::coalesce(translated),
        })
    }

    /// The column and the text of `nullif(column, 'text')`, which comes as
    /// `CASE WHEN NOT (column = 'text') IS TRUE THEN column END`.
    fn null_if<'e>(
        &'e self,
        branches: &'e [(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) -> Option<(&'e Expr, &'e str)> {
        let ([(Expr::Not(says), column @ Expr::Column(_))], None) = (branches, otherwise) else {
            return None;
        };
        let Expr::IsTrue(same) = says.as_ref() else {
            return None;
        };
        let Expr::Compare {
            comparison: Comparison::Equal,
            left,
            right,
        } = same.as_ref()
        else {
            return None;
        };
        let Expr::Param(nothing) = right.as_ref() else {
            return None;
        };
        match self.value(*nothing) {
            Value::Text(nothing)
                if left.as_ref() == column && self.kind_of(column) == Kind::Text =>
            {
                Some((column, nothing))
            }
            _ => None,
        }
    }

    fn case(&self, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) -> Result<df::Expr> {
        if let Some((column, nothing)) = self.null_if(branches, otherwise) {
            return Ok(Kernel::NullIf(nothing.to_owned()).call(self.expr(column)?));
        }
        let branch = |(when, then): &(Expr, Expr)| {
            Ok((Box::new(self.expr(when)?), Box::new(self.expr(then)?)))
        };
        let otherwise = otherwise.map(|e| self.expr(e)).transpose()?;
        Ok(df::Expr::Case(Case::new(
            None,
            branches.iter().map(branch).collect::<Result<_>>()?,
            otherwise.map(Box::new),
        )))
    }

    fn widen(&self, inner: &Expr, kind: Kind) -> Result<df::Expr> {
        let from = self.kind_of(inner);
        let inner = self.expr(inner)?;
        Ok(match (from, kind) {
            (Kind::Date, Kind::Timestamp) => Kernel::ToTimestamp.call(inner),
            _ => cast(inner, kind.arrow()),
        })
    }

    fn with_text(
        &self,
        text: &Expr,
        param: usize,
        kernel: impl Fn(&str) -> Kernel,
    ) -> Result<df::Expr> {
        Ok(match self.value(param) {
            Value::Text(value) => kernel(value).call(self.expr(text)?),
            _ => lit(ScalarValue::Boolean(None)),
        })
    }

    fn compare(&self, comparison: Comparison, left: &Expr, right: &Expr) -> Result<df::Expr> {
        if let (Expr::ToDate(timestamp), Expr::Param(param)) = (left, right) {
            return self.compare_day(comparison, timestamp, self.value(*param));
        }
        if let (Expr::Param(param), Expr::ToDate(timestamp)) = (left, right) {
            return self.compare_day(comparison.mirrored(), timestamp, self.value(*param));
        }
        if self.is_later(right) && is_of_file(left) {
            return self.compare_later(comparison, left);
        }
        if self.is_later(left) && is_of_file(right) {
            return self.compare_later(comparison.mirrored(), right);
        }
        let (left, right) = self.sides(left, right)?;
        Ok(df::binary_expr(left, operator(comparison), right))
    }

    fn is_later(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Param(param) if *self.value(*param) == Value::Later)
    }

    /// A file's timestamp compared with one that is later than any.
    fn compare_later(&self, comparison: Comparison, timestamp: &Expr) -> Result<df::Expr> {
        let timestamp = self.expr(timestamp)?;
        let unknown = lit(ScalarValue::Boolean(None));
        Ok(match comparison {
            Comparison::NotEqual | Comparison::Less | Comparison::LessOrEqual => {
                timestamp.is_not_null().or(unknown)
            }
            Comparison::Equal | Comparison::Greater | Comparison::GreaterOrEqual => {
                timestamp.is_null().and(unknown)
            }
        })
    }

    /// `timestamp::date` compared with a date, as the timestamp compared with that day's bounds:
    /// the files' statistics speak of timestamps.
    fn compare_day(
        &self,
        comparison: Comparison,
        timestamp: &Expr,
        date: &Value,
    ) -> Result<df::Expr> {
        let day = match date {
            Value::Date(days) => *days,
            _ => return Ok(lit(ScalarValue::Boolean(None))),
        };
        let bounds = calendar::begins(day).zip(day.checked_add(1).and_then(calendar::begins));
        let timestamp = self.expr(timestamp)?;
        let Some((begin, end)) = bounds else {
            let date = lit(ScalarValue::Date32(Some(day)));
            let day = Kernel::ToDate.call(timestamp);
            return Ok(df::binary_expr(day, operator(comparison), date));
        };
        let instant = |at| literal(&Value::Timestamp(at), Kind::Timestamp);
        let (begin, end) = (instant(begin), instant(end));
        Ok(match comparison {
            Comparison::Equal => timestamp.clone().gt_eq(begin).and(timestamp.lt(end)),
            Comparison::NotEqual => timestamp.clone().lt(begin).or(timestamp.gt_eq(end)),
            Comparison::Less => timestamp.lt(begin),
            Comparison::LessOrEqual => timestamp.lt(end),
            Comparison::Greater => timestamp.gt_eq(end),
            Comparison::GreaterOrEqual => timestamp.gt_eq(begin),
        })
    }

    /// Both sides of a comparison in one type in which Arrow compares as Postgres does.
    fn sides(&self, left: &Expr, right: &Expr) -> Result<(df::Expr, df::Expr)> {
        let (of_left, of_right) = (self.kind_of(left), self.kind_of(right));
        let side = |expr: &Expr, own: Kind, other: Kind| -> Result<df::Expr> {
            // Both are microseconds in UTC; a value takes the type of the column.
            if let (Expr::Param(index), Kind::Timestamp | Kind::Timestamptz) = (expr, other) {
                return Ok(literal(self.value(*index), instant_kind(own, other)));
            }
            let translated = self.expr(expr)?;
            Ok(match (own, other) {
                (Kind::Date, Kind::Timestamp) => Kernel::ToComparable.call(translated),
                _ if own.is_integer() && own != other => cast(translated, DataType::Int64),
                _ => comparable(translated, own),
            })
        };
        Ok((
            side(left, of_left, of_right)?,
            side(right, of_right, of_left)?,
        ))
    }

    fn any_of(&self, expr: &Expr, list: usize) -> Result<df::Expr> {
        let Value::List(elements) = self.value(list) else {
            return Ok(lit(ScalarValue::Boolean(None)));
        };
        if elements.is_empty() {
            return Ok(lit(false));
        }
        let (own, other) = (self.kind_of(expr), self.query.params[list]);
        let mut value = self.expr(expr)?;
        let mut kind = own;
        if own.is_integer() && own != other {
            (value, kind) = (cast(value, DataType::Int64), Kind::Int8);
        }
        if own.is_float() {
            (value, kind) = (comparable(value, own), Kind::Float8);
        }
        let of_file = is_of_file(expr);
        let elements = elements.iter().map(|e| match e {
            Value::Float(f) => Value::Float(crate::compute::float::canonical(*f)),
            // No file's timestamp is that late, nor has this value.
            Value::Later if of_file => Value::Timestamp(i64::MIN),
            other => other.clone(),
        });
        let elements = elements.map(|e| literal(&e, kind)).collect();
        Ok(df::in_list(value, elements, false))
    }
}

/// Whether all values come from a file, or are computed of one.
fn is_of_file(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::DateTrunc(_, inner) | Expr::Widen(inner, _) => is_of_file(inner),
        _ => false,
    }
}

/// A date that is compared with timestamps becomes one.
fn instant_kind(own: Kind, other: Kind) -> Kind {
    match own {
        Kind::Date => Kind::Timestamp,
        _ => other,
    }
}

fn operator(comparison: Comparison) -> Operator {
    match comparison {
        Comparison::Equal => Operator::Eq,
        Comparison::NotEqual => Operator::NotEq,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::LtEq,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::GtEq,
    }
}

/// A value whose Arrow order and equality are Postgres's.
fn comparable(value: df::Expr, kind: Kind) -> df::Expr {
    match kind {
        Kind::Float4 => Kernel::Canonical.call(cast(value, DataType::Float64)),
        Kind::Float8 => Kernel::Canonical.call(value),
        _ => value,
    }
}

/// A value whose least and greatest Arrow finds as Postgres does.
fn sortable(value: df::Expr, kind: Kind) -> df::Expr {
    match kind {
        Kind::Float4 => Kernel::OrderKey.call(cast(value, DataType::Float64)),
        Kind::Float8 => Kernel::OrderKey.call(value),
        _ => value,
    }
}

/// A value as a literal of a kind. What does not fit the kind is NULL; callers only ask for kinds
/// that fit.
fn literal(value: &Value, kind: Kind) -> df::Expr {
    let text = |v: &Value| match v {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    let int = match value {
        Value::Int(i) => Some(*i),
        _ => None,
    };
    let float = match value {
        Value::Float(f) => Some(*f),
        _ => None,
    };
    let instant = match value {
        Value::Timestamp(t) => Some(*t),
        Value::Later => Some(i64::MAX),
        Value::Date(days) => Some(calendar::to_comparable(*days)),
        _ => None,
    };
    lit(match kind {
        Kind::Bool => ScalarValue::Boolean(match value {
            Value::Bool(b) => Some(*b),
            _ => None,
        }),
        Kind::Int2 => ScalarValue::Int16(int.and_then(|i| i.try_into().ok())),
        Kind::Int4 => ScalarValue::Int32(int.and_then(|i| i.try_into().ok())),
        Kind::Int8 => ScalarValue::Int64(int),
        Kind::Float4 => ScalarValue::Float32(float.map(|f| f as f32)),
        Kind::Float8 => ScalarValue::Float64(float),
        Kind::Numeric | Kind::Text => ScalarValue::Utf8View(text(value)),
        Kind::Jsonb => ScalarValue::Utf8(text(value)),
        Kind::Date => ScalarValue::Date32(match value {
            Value::Date(days) => Some(*days),
            _ => None,
        }),
        Kind::Timestamp => ScalarValue::TimestampMicrosecond(instant, None),
        Kind::Timestamptz => ScalarValue::TimestampMicrosecond(instant, Some("UTC".into())),
    })
}
