//! The values of a query's parameters, which the executor evaluates.

use engine::{Kind, Value};
use pgrx::pg_sys::{self, Datum};
use pgrx::{FromDatum, PgMemoryContexts};

use super::elements;
use crate::datum::{EPOCH_DAYS, EPOCH_MICROSECONDS};

/// The parameters of a scan, compiled.
#[derive(Debug, Default)]
pub struct Params {
    /// The compiled expressions, their kinds and types.
    params: Vec<(*mut pg_sys::ExprState, Kind, pg_sys::Oid)>,
}

impl Params {
    /// Compiles the first expressions of a list, one for each kind.
    ///
    /// # Safety
    /// `node` is a scan being initialised, `expressions` its `fdw_exprs`.
    pub unsafe fn new(
        node: *mut pg_sys::ForeignScanState,
        expressions: *mut pg_sys::List,
        kinds: &[Kind],
    ) -> Self {
        // SAFETY: the caller's promise.
        let params = unsafe {
            elements::<pg_sys::Expr>(expressions)
                .zip(kinds)
                .map(|(expression, kind)| {
                    let state = pg_sys::ExecInitExpr(expression, &mut (*node).ss.ps);
                    (state, *kind, pg_sys::exprType(expression.cast()))
                })
                .collect()
        };
        Self { params }
    }

    /// The parameters' values now.
    ///
    /// # Safety
    /// `node` is the scan of [`Params::new`], and is running.
    pub unsafe fn values(&self, node: *mut pg_sys::ForeignScanState) -> Vec<Value> {
        // SAFETY: the scan's expression context is valid while it runs; values are copied out of
        // the context that is reset.
        unsafe {
            let context = (*node).ss.ps.ps_ExprContext;
            let mut memory = PgMemoryContexts::For((*context).ecxt_per_tuple_memory);
            let evaluate = |(state, kind, of): &(*mut pg_sys::ExprState, Kind, pg_sys::Oid)| {
                let mut is_null = false;
                let datum = match (**state).evalfunc {
                    Some(evaluate) => pgrx::pg_sys::ffi::pg_guard_ffi_boundary(|| {
                        evaluate(*state, context, &mut is_null)
                    }),
                    None => return Value::Null,
                };
                match is_null {
                    true => Value::Null,
                    false => value(datum, *kind, *of),
                }
            };
            let values = memory.switch_to(|_| self.params.iter().map(evaluate).collect());
            pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            values
        }
    }
}

/// # Safety
/// `datum` is a value of type `of`, which is of this kind or an array of it.
unsafe fn value(datum: Datum, kind: Kind, of: pg_sys::Oid) -> Value {
    // SAFETY: the caller's promise.
    unsafe {
        match pg_sys::get_element_type(of) {
            pg_sys::InvalidOid => scalar(datum, kind),
            element => list(datum, kind, element),
        }
    }
}

unsafe fn list(datum: Datum, kind: Kind, element: pg_sys::Oid) -> Value {
    let (mut length, mut by_value, mut align) = (0, false, 0);
    let mut values: *mut Datum = std::ptr::null_mut();
    let mut nulls: *mut bool = std::ptr::null_mut();
    let mut count = 0;
    // SAFETY: the caller passes an array; deconstruct_array allocates as many values and flags as
    // it counts.
    unsafe {
        let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
        pg_sys::get_typlenbyvalalign(element, &mut length, &mut by_value, &mut align);
        pg_sys::deconstruct_array(
            array,
            element,
            length.into(),
            by_value,
            align,
            &mut values,
            &mut nulls,
            &mut count,
        );
        let elements = (0..count as usize).map(|i| match *nulls.add(i) {
            true => Value::Null,
            false => scalar(*values.add(i), kind),
        });
        Value::List(elements.collect())
    }
}

unsafe fn scalar(datum: Datum, kind: Kind) -> Value {
    // SAFETY: the caller passes a value of this kind.
    unsafe {
        match kind {
            Kind::Bool => Value::Bool(datum.value() & 0xff != 0),
            Kind::Int2 => Value::Int(i64::from(datum.value() as i16)),
            Kind::Int4 => Value::Int(i64::from(datum.value() as i32)),
            Kind::Int8 => Value::Int(datum.value() as i64),
            Kind::Float4 => Value::Float(f64::from(f32::from_bits(datum.value() as u32))),
            Kind::Float8 => Value::Float(f64::from_bits(datum.value() as u64)),
            Kind::Numeric | Kind::Text | Kind::Jsonb => {
                String::from_datum(datum, false).map_or(Value::Null, Value::Text)
            }
            Kind::Date => Value::Date(match datum.value() as i32 {
                // The infinities.
                extreme @ (i32::MIN | i32::MAX) => extreme,
                days => days.saturating_add(EPOCH_DAYS),
            }),
            Kind::Timestamp | Kind::Timestamptz => match datum.value() as i64 {
                // -infinity.
                i64::MIN => Value::Timestamp(i64::MIN),
                microseconds => microseconds
                    .checked_add(EPOCH_MICROSECONDS)
                    .map_or(Value::Later, Value::Timestamp),
            },
        }
    }
}
