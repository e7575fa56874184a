//! Doubles as exact decimals.

use billing::ExactSum;
use pgrx::prelude::*;
use pgrx::{AnyNumeric, Internal, PgMemoryContexts, pg_sys};

use crate::datum::numeric_from_text;

/// `exact_numeric(double precision) → numeric`: the decimal a double prints as. A cast rounds to
/// 15 significant digits (Postgres, float8_numeric), and a month's total would be off.
#[pg_extern(sql = false)]
fn exact_numeric(value: f64) -> AnyNumeric {
    let mut sum = ExactSum::default();
    sum.add(value);
    numeric(&sum.to_string())
}

/// Adds a value to the state of `exact_sum`; NULL is no value.
#[pg_extern(sql = false)]
fn exact_sum_add(
    state: Internal,
    value: Option<f64>,
    call: pg_sys::FunctionCallInfo,
) -> Option<Internal> {
    let Some(value) = value else {
        return state.initialized().then_some(state);
    };
    let mut state = state;
    sum_in(&mut state, call).add(value);
    Some(state)
}

/// Adds one state of `exact_sum` to another.
#[pg_extern(sql = false)]
fn exact_sum_combine(
    state: Internal,
    other: Internal,
    call: pg_sys::FunctionCallInfo,
) -> Option<Internal> {
    // SAFETY: the aggregate's states are sums.
    let Some(other) = (unsafe { other.get::<ExactSum>() }) else {
        return state.initialized().then_some(state);
    };
    let mut state = state;
    sum_in(&mut state, call).merge(other);
    Some(state)
}

/// A state of `exact_sum` for another process.
#[pg_extern(sql = false)]
fn exact_sum_serialize(state: Internal) -> Vec<u8> {
    // SAFETY: the aggregate's states are sums.
    unsafe { state.get::<ExactSum>() }.map_or_else(Vec::new, ExactSum::to_bytes)
}

/// The state of `exact_sum` that another process sent.
#[pg_extern(sql = false)]
fn exact_sum_deserialize(bytes: &[u8], _unused: Internal) -> Internal {
    Internal::new(ExactSum::from_bytes(bytes).unwrap_or_default())
}

/// The result of `exact_sum`; NULL without values.
#[pg_extern(sql = false)]
fn exact_sum_total(state: Internal) -> Option<AnyNumeric> {
    // SAFETY: the aggregate's states are sums.
    let sum = unsafe { state.get::<ExactSum>() }?;
    Some(numeric(&sum.to_string()))
}

/// `zone_region(text) → text`: [`billing::region_of_zone`].
#[pg_extern(sql = false)]
fn zone_region(zone: &str) -> Option<&str> {
    billing::region_of_zone(zone)
}

/// The sum of a state, which is made where the aggregate keeps its states.
fn sum_in(state: &mut Internal, call: pg_sys::FunctionCallInfo) -> &mut ExactSum {
    if !state.initialized() {
        let mut memory = std::ptr::null_mut();
        // SAFETY: Postgres passes the call's own information.
        if unsafe { pg_sys::AggCheckCallContext(call, &mut memory) } == 0 {
            pgrx::error!("exact_sum's functions are for the aggregate");
        }
        // SAFETY: the aggregate's context is alive while its states are.
        let made = unsafe {
            PgMemoryContexts::For(memory).switch_to(|_| Internal::new(ExactSum::default()))
        };
        *state = made;
    }
    // SAFETY: the state was made above, or by an earlier call.
    unsafe { state.get_or_insert_default::<ExactSum>() }
}

/// The numeric that a decimal spelling denotes.
pub fn numeric(text: &str) -> AnyNumeric {
    let datum = numeric_from_text(text);
    // SAFETY: the datum is a numeric that was just made, not NULL.
    match unsafe { AnyNumeric::from_polymorphic_datum(datum, false, pg_sys::NUMERICOID) } {
        Some(numeric) => numeric,
        None => AnyNumeric::from(0),
    }
}
