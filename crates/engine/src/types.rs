//! Which types a file may have where a table asks for a type, and what Postgres calls them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use billing::CsvType;

/// The Postgres type that holds every value of a file's column, or `None` when there is none yet.
///
/// Instants become `timestamp` in UTC: with `timestamptz`, `usage_start::date` would depend on
/// the session's time zone and month totals would move by hours.
pub fn sql_type(file: &DataType) -> Option<String> {
    Some(match file {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint".to_owned(),
        DataType::Int32 | DataType::UInt16 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt32 => "bigint".to_owned(),
        // Without precision and scale: a later month may have more digits.
        DataType::UInt64 => "numeric".to_owned(),
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        // Writers forget to say that bytes are text; those that are not are an error when read.
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "text".to_owned(),
        DataType::Dictionary(_, value) => return sql_type(value),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(
            TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond,
            _,
        ) => "timestamp".to_owned(),
        nested if has_json(nested) => "jsonb".to_owned(),
        _ => return None,
    })
}

/// The type that stands for keys and values: a map, as Parquet files have them.
pub(crate) fn map() -> DataType {
    let entry = Fields::from(vec![
        Field::new("keys", DataType::Utf8, false),
        Field::new("values", DataType::Utf8, true),
    ]);
    let entries = Field::new("entries", DataType::Struct(entry), false);
    DataType::Map(Arc::new(entries), false)
}

/// What a column of a CSV file would be in Parquet.
pub(crate) fn arrow_type(csv: CsvType) -> DataType {
    match csv {
        CsvType::Text => DataType::Utf8,
        CsvType::Double => DataType::Float64,
        CsvType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        CsvType::Date => DataType::Date32,
        CsvType::Json => map(),
    }
}

/// Whether every value is text.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        _ => sql_type(data_type).as_deref() == Some("text"),
    }
}

/// Whether this is a list or a map, or a struct within one, of values that have a spelling.
pub(crate) fn has_json(nested: &DataType) -> bool {
    match nested {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => is_part_of_json(item.data_type()),
        _ => false,
    }
}

fn is_part_of_json(part: &DataType) -> bool {
    match part {
        DataType::Null => true,
        DataType::Struct(fields) => fields.iter().all(|f| is_part_of_json(f.data_type())),
        _ => sql_type(part).is_some(),
    }
}

/// A type as messages name it: as SQL does, where SQL has it.
pub(crate) fn type_name(data_type: &DataType) -> String {
    sql_type(data_type).unwrap_or_else(|| data_type.to_string())
}

/// Whether every value of `file` is a value of `wanted`: the same type, a wider one of its family,
/// or text, in which every scalar has a spelling.
pub(crate) fn is_widening(file: &DataType, wanted: &DataType) -> bool {
    use DataType as T;
    match (file, wanted) {
        (T::Dictionary(_, value), _) => is_widening(value, wanted),
        (T::Timestamp(TimeUnit::Nanosecond, _), _) => false,
        (T::Timestamp(..), T::Timestamp(..)) | (T::Date32, T::Timestamp(..)) => true,
        // Every value has a spelling as JSON; text that is asked for as jsonb is checked when it
        // becomes that.
        (_, T::Utf8) => sql_type(file).is_some(),
        (_, T::Utf8View) => sql_type(file).is_some() && !file.is_nested(),
        (_, T::Int16) => matches!(file, T::Int8 | T::UInt8 | T::Int16),
        (_, T::Int32) => is_widening(file, &T::Int16) || matches!(file, T::UInt16 | T::Int32),
        (_, T::Int64) => is_widening(file, &T::Int32) || matches!(file, T::UInt32 | T::Int64),
        (_, T::Float32) => matches!(file, T::Float16 | T::Float32),
        (_, T::Float64) => {
            is_widening(file, &T::Int32)
                || is_widening(file, &T::Float32)
                || matches!(file, T::UInt32 | T::Float64)
        }
        _ => file == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_narrowed() {
        use DataType as T;
        for (file, wanted) in [
            (T::Int64, T::Int32),
            (T::Int64, T::Float64),
            (T::Float64, T::Int64),
            (T::Float64, T::Float32),
            (T::Utf8, T::Float64),
            (
                T::Timestamp(TimeUnit::Nanosecond, None),
                T::Timestamp(TimeUnit::Microsecond, None),
            ),
            (T::Boolean, T::Int32),
        ] {
            assert!(!is_widening(&file, &wanted), "{file} was read as {wanted}");
        }
    }

    #[test]
    fn a_double_may_become_text_but_text_no_double() {
        assert!(is_widening(&DataType::Float64, &DataType::Utf8View));
        assert!(!is_widening(&DataType::Utf8, &DataType::Float64));
    }
}
