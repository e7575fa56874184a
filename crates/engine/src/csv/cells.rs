//! Columns of a batch in the types that a query asks for.
//!
//! Bills repeat themselves: a cell that says what the one above it says is not looked at again.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, NullBufferBuilder, PrimitiveArray, StringViewArray,
    StringViewBuilder,
};
use arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};

use super::instant;
use crate::{Kind, json};

/// The record whose cell is none of the type, and the type's name in SQL.
pub(super) type Unfit = (usize, &'static str);

/// The column that these cells are, of this kind.
///
/// # Errors
/// The first cell that does not hold a value of the kind.
pub(super) fn array<'a>(
    cells: impl ExactSizeIterator<Item = Option<&'a str>>,
    kind: Kind,
) -> Result<ArrayRef, Unfit> {
    match kind {
        Kind::Text => made(views(cells, |_| true), "text"),
        Kind::Bool => booleans(cells),
        Kind::Int2 => primitives::<Int16Type>(cells, "smallint", |cell| cell.parse().ok()),
        Kind::Int4 => primitives::<Int32Type>(cells, "integer", |cell| cell.parse().ok()),
        Kind::Int8 => primitives::<Int64Type>(cells, "bigint", |cell| cell.parse().ok()),
        Kind::Float4 => primitives::<Float32Type>(cells, "real", real),
        Kind::Float8 => primitives::<Float64Type>(cells, "double precision", double),
        Kind::Numeric => made(views(cells, |cell| double(cell).is_some()), "numeric"),
        Kind::Jsonb => made(json::array_of(cells), "JSON"),
        Kind::Date => primitives::<Date32Type>(cells, "date", instant::day),
        Kind::Timestamp => {
            primitives::<TimestampMicrosecondType>(cells, "timestamp", instant::instant)
        }
        Kind::Timestamptz => {
            let name = "timestamp with time zone";
            let instants = primitives::<TimestampMicrosecondType>(cells, name, instant::instant)?;
            let zoned = arrow::compute::cast(&instants, &kind.arrow());
            zoned.map_err(|_| (0, name))
        }
    }
}

fn made(array: Result<impl Array + 'static, usize>, name: &'static str) -> Result<ArrayRef, Unfit> {
    match array {
        Ok(array) => Ok(Arc::new(array)),
        Err(record) => Err((record, name)),
    }
}

/// Equal neighbours become one view, by which readers of the batch know that they are equal.
///
/// # Errors
/// The first cell that is not fit.
fn views<'a>(
    cells: impl ExactSizeIterator<Item = Option<&'a str>>,
    is_fit: impl Fn(&str) -> bool,
) -> Result<StringViewArray, usize> {
    let mut builder = StringViewBuilder::with_capacity(cells.len());
    let mut run = (None, 0);
    for (record, cell) in cells.enumerate() {
        if cell != run.0 {
            if cell.is_some_and(|cell| !is_fit(cell)) {
                return Err(record);
            }
            append(&mut builder, run);
            run = (cell, 0);
        }
        run.1 += 1;
    }
    append(&mut builder, run);
    Ok(builder.finish())
}

fn append(builder: &mut StringViewBuilder, (cell, times): (Option<&str>, usize)) {
    match cell {
        // Fails beyond 4 GB only, of which a record has far less.
        Some(cell) => drop(builder.try_append_value_n(cell, times)),
        None => (0..times).for_each(|_| builder.append_null()),
    }
}

fn primitives<'a, T: ArrowPrimitiveType>(
    cells: impl ExactSizeIterator<Item = Option<&'a str>>,
    name: &'static str,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<ArrayRef, Unfit> {
    let mut values = Vec::with_capacity(cells.len());
    let mut nulls = NullBufferBuilder::new(cells.len());
    let mut last = ("", T::Native::default());
    for (record, cell) in cells.enumerate() {
        match cell {
            Some(cell) if cell != last.0 => {
                last = (cell, parse(cell).ok_or((record, name))?);
            }
            _ => (),
        }
        values.push(last.1);
        nulls.append(cell.is_some());
    }
    let array = PrimitiveArray::<T>::new(values.into(), nulls.finish());
    Ok(Arc::new(array))
}

fn booleans<'a>(cells: impl ExactSizeIterator<Item = Option<&'a str>>) -> Result<ArrayRef, Unfit> {
    let parse = |(record, cell): (usize, Option<&str>)| match cell {
        None => Ok(None),
        Some(cell) if cell.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(cell) if cell.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(_) => Err((record, "boolean")),
    };
    let flags = cells.enumerate().map(parse);
    Ok(Arc::new(flags.collect::<Result<BooleanArray, _>>()?))
}

/// Neither `NaN` nor `Infinity`, which no bill has, nor anything else that is spelled in letters.
fn is_number(cell: &str) -> bool {
    let of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    cell.as_bytes().iter().all(of_number)
}

fn double(cell: &str) -> Option<f64> {
    let number: f64 = is_number(cell).then(|| cell.parse().ok())??;
    number.is_finite().then_some(number)
}

fn real(cell: &str) -> Option<f32> {
    let number: f32 = is_number(cell).then(|| cell.parse().ok())??;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    fn column(cells: &[Option<&str>], kind: Kind) -> Result<ArrayRef, Unfit> {
        array(cells.iter().copied(), kind)
    }

    #[test]
    fn equal_neighbours_are_one_view_and_nulls_stay_apart() {
        let long = "arn:aws:ec2:eu-west-2:123456789012:instance/i-1";
        let cells = [None, Some(long), Some(long), None, Some(long), Some("x")];
        let array = column(&cells, Kind::Text).unwrap();
        let texts = array.as_string_view();
        assert_eq!(texts.iter().collect::<Vec<_>>(), cells);
        assert_eq!(texts.views()[1], texts.views()[2]);
        assert_eq!(texts.null_count(), 2);

        let long = "0.1000000000000000055511151231257827";
        let cells = [Some(long), Some(long), None, Some("2")];
        let array = column(&cells, Kind::Numeric).unwrap();
        let numbers = array.as_string_view();
        assert_eq!(numbers.iter().collect::<Vec<_>>(), cells);
        assert_eq!(numbers.views()[0], numbers.views()[1], "parsed once");
    }

    #[test]
    fn a_number_is_read_strictly_and_the_first_that_is_none_is_named() {
        let numbers = [
            "0",
            "-0.5",
            "1e-06",
            "2.3198314011096954e-05",
            "+1",
            ".5",
            "5.",
        ];
        let cells: Vec<_> = numbers.iter().map(|n| Some(*n)).collect();
        let array = column(&cells, Kind::Float8).unwrap();
        let read = array.as_primitive::<Float64Type>().values().to_vec();
        assert_eq!(
            read,
            [0.0, -0.5, 1e-6, 2.3198314011096954e-5, 1.0, 0.5, 5.0]
        );
        for bad in [
            "1,5", " 1", "1 ", "NaN", "inf", "0x1", "1e999", "$1", "--1", "e", ".",
        ] {
            let cells = [Some("1"), None, Some(bad)];
            assert_eq!(
                column(&cells, Kind::Float8).err(),
                Some((2, "double precision")),
                "{bad}"
            );
            assert_eq!(
                column(&cells, Kind::Numeric).err(),
                Some((2, "numeric")),
                "{bad}"
            );
        }
    }

    #[test]
    fn every_kind_takes_its_values_and_null() {
        for (kind, cell) in [
            (Kind::Bool, "True"),
            (Kind::Int2, "-7"),
            (Kind::Int4, "70000"),
            (Kind::Int8, "9223372036854775807"),
            (Kind::Float4, "1.5"),
            (Kind::Float8, "1.5"),
            (Kind::Numeric, "0.1000000000000000055511151231257827"),
            (Kind::Text, "x"),
            (Kind::Jsonb, "\"k\":\"v\""),
            (Kind::Date, "10/01/2018"),
            (Kind::Timestamp, "2018-10-01T00:00:00Z"),
            (Kind::Timestamptz, "2018-10-01T00:00:00Z"),
        ] {
            let array = column(&[Some(cell), None, Some(cell)], kind).unwrap();
            assert_eq!(array.data_type(), &kind.arrow());
            assert_eq!((array.len(), array.null_count()), (3, 1));
            if !matches!(kind, Kind::Text) {
                assert_eq!(column(&[None, Some("x")], kind).err().map(|e| e.0), Some(1));
            }
        }
    }
}
