//! The type that holds what two files, or a file and a table, call the same column.

use arrow::datatypes::{DataType, TimeUnit};

use crate::types::{has_json, is_widening, sql_type};

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
/// for numbers of different families, `jsonb` with maps and lists, beside which text is JSON and
/// numbers are JSON's, and text for everything else. `None` if one of them has no counterpart in
/// Postgres. Of more types than two it is the same in whatever order they are taken.
pub fn common_type(one: &DataType, other: &DataType) -> Option<DataType> {
    if sql_type(one)? == sql_type(other)? {
        return Some(one.clone());
    }
    let holds_both = |wide: &&DataType| is_widening(one, wide) && is_widening(other, wide);
    Some(match LADDER.iter().find(holds_both) {
        Some(wide) => wide.clone(),
        None if is_number(one) && is_number(other) => NUMERIC,
        None if has_json(one) => one.clone(),
        None if has_json(other) => other.clone(),
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
            (crate::types::map(), T::Float64, "jsonb"),
        ] {
            assert_eq!(common(one, other).as_deref(), Some(wide));
        }
    }

    #[test]
    fn the_order_of_files_does_not_matter_and_what_is_common_can_be_read() {
        let types = [
            T::Boolean,
            T::Int16,
            T::Int64,
            T::UInt64,
            T::Float32,
            T::Float64,
            T::Decimal128(9, 2),
            T::Utf8,
            T::Date32,
            T::Timestamp(TimeUnit::Millisecond, None),
            crate::types::map(),
        ];
        let wanted = |common: &T| match sql_type(common).as_deref() {
            Some("jsonb") => crate::Kind::Jsonb.arrow(),
            Some("numeric" | "text") => T::Utf8View,
            _ => common.clone(),
        };
        for a in &types {
            for b in &types {
                for c in &types {
                    let first = common_type(&common_type(a, b).unwrap(), c).unwrap();
                    let last = common_type(a, &common_type(b, c).unwrap()).unwrap();
                    assert_eq!(sql_type(&first), sql_type(&last), "{a} {b} {c}");
                    for file in [a, b, c] {
                        let wide = wanted(&first);
                        let same = sql_type(file) == sql_type(&first);
                        assert!(same || is_widening(file, &wide), "{file} as {wide}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_postgres_lacks_has_no_common_type() {
        let nanoseconds = T::Timestamp(TimeUnit::Nanosecond, None);
        assert_eq!(common(T::Utf8, nanoseconds), None);
    }
}
