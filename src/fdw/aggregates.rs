//! Postgres's aggregate calls in the engine's words.

use engine::{Aggregate, Expr, Function, Kind};
use pgrx::pg_sys;

use super::elements;
use super::translate::{Translation, is_bytewise, is_c, our_function, own_function};
use crate::datum::kind_of;

/// What the engine computes for one call of an aggregate.
pub enum Call {
    /// The result itself.
    Value(Aggregate),
    /// A sum and a count; Postgres divides.
    Quotient(Aggregate, Aggregate),
}

/// The engine's words for a call, if it gives the same result for all values.
///
/// # Safety
/// `call` is a planned Aggref over the translation's relation.
pub unsafe fn call(translation: &mut Translation, call: *mut pg_sys::Aggref) -> Option<Call> {
    // SAFETY: the caller's promise.
    unsafe {
        let plain = (*call).aggkind as u8 == b'n'
            && (*call).agglevelsup == 0
            && !(*call).aggvariadic
            && (*call).aggorder.is_null()
            && (*call).aggsplit == pg_sys::AggSplit::AGGSPLIT_SIMPLE;
        if !plain {
            return None;
        }
        let filter = match (*call).aggfilter.is_null() {
            true => None,
            false => Some(translation.expr((*call).aggfilter.cast())?),
        };
        let of = |function| Aggregate {
            function,
            filter: filter.clone(),
        };
        let own = own_function((*call).aggfnoid);
        let name = own.or_else(|| our_function((*call).aggfnoid))?;
        if (*call).aggstar {
            return (name == "count").then(|| Call::Value(of(Function::CountRows)));
        }
        let arguments: Vec<_> = elements::<pg_sys::TargetEntry>((*call).args).collect();
        let [argument] = arguments.as_slice() else {
            return None;
        };
        let node = (**argument).expr.cast::<pg_sys::Node>();
        let kind = kind_of(pg_sys::exprType(node), -1)?;
        let argument = Argument {
            expr: translation.expr(node)?,
            kind,
            bytewise: kind != Kind::Text || is_bytewise(pg_sys::exprCollation(node)),
            ordered: kind != Kind::Text || is_c((*call).inputcollid),
        };
        // The translation of an extract is an integer, but its type is numeric.
        if !kind.is_comparable() && name != "count" {
            return None;
        }
        let distinct = !(*call).aggdistinct.is_null();
        if let ("avg", true, false) = (name.as_str(), kind.is_integer(), distinct) {
            let sum = of(Function::SumBig(argument.expr.clone()));
            return Some(Call::Quotient(sum, of(Function::Count(argument.expr))));
        }
        argument
            .function(&name, distinct)
            .map(|function| Call::Value(of(function)))
    }
}

struct Argument {
    expr: Expr,
    kind: Kind,
    /// Values that differ are not equal.
    bytewise: bool,
    /// Values sort by their bytes, if they are texts.
    ordered: bool,
}

impl Argument {
    fn function(self, name: &str, distinct: bool) -> Option<Function> {
        let Self { expr, kind, .. } = self;
        Some(match (name, distinct) {
            ("count", false) => Function::Count(expr),
            ("count", true) if self.bytewise && kind.is_comparable() => {
                Function::CountDistinct(expr, kind)
            }
            // The same with and without DISTINCT.
            ("min", _) if self.ordered && kind != Kind::Bool => Function::Min(expr, kind),
            ("max", _) if self.ordered && kind != Kind::Bool => Function::Max(expr, kind),
            ("bool_and" | "every", _) => Function::Every(expr),
            ("bool_or", _) => Function::Any(expr),
            ("sum", false) => match kind {
                Kind::Int2 | Kind::Int4 => Function::SumInt(expr),
                Kind::Int8 => Function::SumBig(expr),
                Kind::Float8 => Function::SumFloat(expr),
                // The sum of `real` is `real`, rounded at each addition.
                _ => return None,
            },
            ("exact_sum", false) if kind == Kind::Float8 => Function::SumExact(expr),
            ("avg", false) if kind.is_float() => Function::MeanFloat(expr),
            _ => return None,
        })
    }
}
