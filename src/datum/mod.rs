//! Record batches to datums: whole columns at a time, one type a file.

mod jsonb;
mod number;
mod numeric;
mod text;
mod time;
mod tuple;

use arrow::array::{Array, RecordBatch};
use engine::Kind;
use pgrx::pg_sys;

use crate::error::Error;
pub use numeric::{from_decimal_text as numeric_from_text, quotient};
pub use time::{EPOCH_DAYS, EPOCH_MICROSECONDS};
pub use tuple::{Block, Indirect, Origin, Tuples};

/// The kind of a column, or `None` for a type no file can fill faithfully: a length or precision
/// that would have to cut values counts as such.
pub fn kind_of(type_oid: pg_sys::Oid, typmod: i32) -> Option<Kind> {
    Some(match (type_oid, typmod) {
        (pg_sys::BOOLOID, _) => Kind::Bool,
        (pg_sys::INT2OID, _) => Kind::Int2,
        (pg_sys::INT4OID, _) => Kind::Int4,
        (pg_sys::INT8OID, _) => Kind::Int8,
        (pg_sys::FLOAT4OID, _) => Kind::Float4,
        (pg_sys::FLOAT8OID, _) => Kind::Float8,
        (pg_sys::NUMERICOID, -1) => Kind::Numeric,
        (pg_sys::TEXTOID | pg_sys::VARCHAROID, -1) => Kind::Text,
        (pg_sys::JSONBOID, _) => Kind::Jsonb,
        (pg_sys::DATEOID, _) => Kind::Date,
        (pg_sys::TIMESTAMPOID, -1) => Kind::Timestamp,
        (pg_sys::TIMESTAMPTZOID, -1) => Kind::Timestamptz,
        _ => return None,
    })
}

/// A column to convert.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name, for messages.
    pub name: String,
    /// Its type.
    pub kind: Kind,
}

/// The datums of one batch, row by row. Texts live in this struct, numerics and jsonb in the memory context
/// that was current during [`Rows::fill`]: both must outlive the use of the datums.
#[derive(Debug, Default)]
pub struct Rows {
    width: usize,
    length: usize,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
    texts: text::Arena,
}

impl Rows {
    /// Replaces the content by that of a batch, whose columns are those of `targets`.
    ///
    /// # Errors
    /// [`Error::NulByte`], [`Error::DateOutOfRange`], [`Error::Shape`].
    pub fn fill(&mut self, batch: &RecordBatch, targets: &[Target]) -> Result<(), Error> {
        self.width = targets.len();
        self.length = batch.num_rows();
        self.values.clear();
        self.values
            .resize(self.width * self.length, pg_sys::Datum::null());
        self.nulls.clear();
        self.nulls.resize(self.width * self.length, true);
        self.texts.make_room_for(batch);
        for (index, target) in targets.iter().enumerate() {
            let cells = Cells {
                values: &mut self.values,
                nulls: &mut self.nulls,
                width: self.width,
                column: index,
            };
            convert(batch.column(index).as_ref(), target, cells, &mut self.texts)?;
        }
        Ok(())
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.length
    }

    /// The datums and null flags of a row.
    pub fn row(&self, index: usize) -> (&[pg_sys::Datum], &[bool]) {
        let range = index * self.width..(index + 1) * self.width;
        (&self.values[range.clone()], &self.nulls[range])
    }
}

/// One column of [`Rows`].
struct Cells<'a> {
    values: &'a mut [pg_sys::Datum],
    nulls: &'a mut [bool],
    width: usize,
    column: usize,
}

impl Cells<'_> {
    fn set(&mut self, row: usize, value: pg_sys::Datum) {
        let cell = row * self.width + self.column;
        self.values[cell] = value;
        self.nulls[cell] = false;
    }

    /// Sets every cell whose value is there.
    fn set_all<T>(
        &mut self,
        array: &dyn Array,
        values: impl Iterator<Item = T>,
        mut datum: impl FnMut(T) -> Result<pg_sys::Datum, Error>,
    ) -> Result<(), Error> {
        for (row, value) in values.enumerate() {
            if array.is_valid(row) {
                self.set(row, datum(value)?);
            }
        }
        Ok(())
    }
}

fn convert(
    array: &dyn Array,
    target: &Target,
    cells: Cells<'_>,
    texts: &mut text::Arena,
) -> Result<(), Error> {
    match target.kind {
        Kind::Bool => number::bools(downcast(array, target)?, cells),
        Kind::Int2 => number::int2s(downcast(array, target)?, cells),
        Kind::Int4 => number::int4s(downcast(array, target)?, cells),
        Kind::Int8 => number::int8s(downcast(array, target)?, cells),
        Kind::Float4 => number::float4s(downcast(array, target)?, cells),
        Kind::Float8 => number::float8s(downcast(array, target)?, cells),
        Kind::Numeric => numeric::numerics(downcast(array, target)?, cells),
        Kind::Text => text::texts(downcast(array, target)?, target, cells, texts),
        Kind::Jsonb => jsonb::jsonbs(downcast(array, target)?, cells),
        Kind::Date => time::dates(downcast(array, target)?, target, cells),
        Kind::Timestamp | Kind::Timestamptz => {
            time::timestamps(downcast(array, target)?, target, cells)
        }
    }
}

fn downcast<'a, T: 'static>(array: &'a dyn Array, target: &Target) -> Result<&'a T, Error> {
    array
        .as_any()
        .downcast_ref::<T>()
        .ok_or_else(|| Error::Shape {
            column: target.name.clone(),
            found: array.data_type().to_string(),
        })
}
