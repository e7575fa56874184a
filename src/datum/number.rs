//! `boolean`, the integers and the floats: passed by value.

use arrow::array::{BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array};
use pgrx::pg_sys::Datum;

use super::Cells;
use crate::error::Error;

pub(super) fn bools(array: &BooleanArray, mut cells: Cells<'_>) -> Result<(), Error> {
    cells.set_all(array, array.values().iter(), |v| Ok(Datum::from(v)))
}

pub(super) fn int2s(array: &Int16Array, mut cells: Cells<'_>) -> Result<(), Error> {
    cells.set_all(array, array.values().iter(), |v| Ok(Datum::from(*v)))
}

pub(super) fn int4s(array: &Int32Array, mut cells: Cells<'_>) -> Result<(), Error> {
    cells.set_all(array, array.values().iter(), |v| Ok(Datum::from(*v)))
}

pub(super) fn int8s(array: &Int64Array, mut cells: Cells<'_>) -> Result<(), Error> {
    cells.set_all(array, array.values().iter(), |v| Ok(Datum::from(*v)))
}

pub(super) fn float4s(array: &Float32Array, mut cells: Cells<'_>) -> Result<(), Error> {
    cells.set_all(array, array.values().iter(), |v| {
        Ok(Datum::from(v.to_bits()))
    })
}

pub(super) fn float8s(array: &Float64Array, mut cells: Cells<'_>) -> Result<(), Error> {
    cells.set_all(array, array.values().iter(), |v| {
        Ok(Datum::from(v.to_bits()))
    })
}
