//! The type that holds what two files, or a file and a table, call the same column.

use arrow::datatypes::{DataType, TimeUnit};

use crate::types::{has_json, is_text, is_widening, sql_type};

/// What stands for `numeric`, which has no precision of its own in Arrow.
pub const NUMERIC: DataType = DataType::Decimal256(76, 38);

/// The types to widen to, narrowest first.
const LADDER: [DataType; 6] = [
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::Float32,
    DataType::Float64,
    DataType::Timestamp(TimeUnit::Microsecond, None),
];

/// The narrowest type in which no value of either is lost: a wider one of their family, `numeric`
/// for numbers of different families, `jsonb` for maps and lists that other files spell as JSON in
/// text, text for everything else. `None` if one of them has no counterpart in Postgres.
pub fn common_type(one: &DataType, other: &DataType) -> Option<DataType> {
    if sql_type(one)? == sql_type(other)? {
        return Some(one.clone());
    }
    let holds_both = |wide: &&DataType| is_widening(one, wide) && is_widening(other, wide);
    Some(match LADDER.iter().find(holds_both) {
        Some(wide) => wide.clone(),
        None if is_number(one) && is_number(other) => NUMERIC,
        None if has_json(one) && is_text(other) => one.clone(),
        None if has_json(other) && is_text(one) => other.clone(),
        None => DataType::Utf8View,
    })
}

fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_number(value),
        _ => data_type.is_numeric(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType as T;

    fn common(one: DataType, other: DataType) -> Option<String> {
        let both = [common_type(&one, &other), common_type(&other, &one)];
        let [one, other] = both.map(|t| t.and_then(|t| sql_type(&t)));
        assert_eq!(one, other, "the order of the two does not matter");
        one
    }

    #[test]
    fn no_value_is_lost() {
        let day = T::Date32;
        let instant = T::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        for (one, other, wide) in [
            (T::Int16, T::Int32, "integer"),
            (T::Int32, T::Int64, "bigint"),
            (T::Int64, T::UInt64, "numeric"),
            (T::Float32, T::Float64, "double precision"),
            (T::Int32, T::Float64, "double precision"),
            (T::Int32, T::Float32, "double precision"),
            (T::Int64, T::Float64, "numeric"),
            (T::Float64, T::Decimal128(20, 5), "numeric"),
            (day, instant.clone(), "timestamp"),
            (T::Boolean, T::Int32, "text"),
            (T::Float64, T::Utf8, "text"),
            (instant, T::Float64, "text"),
            (crate::types::map(), T::Utf8, "jsonb"),
            (crate::types::map(), T::Float64, "text"),
        ] {
            assert_eq!(common(one, other).as_deref(), Some(wide));
        }
    }

    #[test]
    fn what_postgres_lacks_has_no_common_type() {
        let nanoseconds = T::Timestamp(TimeUnit::Nanosecond, None);
        assert_eq!(common(T::Utf8, nanoseconds), None);
    }
}
