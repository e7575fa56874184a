//! Which of a file's statistics can be believed.
//!
//! Minimum and maximum decide which row groups are not read, so a wrong one loses rows. The fields
//! that AWS's writer fills are deprecated: writers filled them with signed comparisons of bytes
//! (parquet.thrift, `Statistics`: "deprecated … undefined ordering"), which is right for signed
//! integers only.

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;

/// The metadata without the statistics that may be wrong.
pub(crate) fn trusted(metadata: ParquetMetaData) -> Result<ParquetMetaData> {
    let mut builder = metadata.into_builder();
    for group in builder.take_row_groups() {
        let columns = group.columns().iter().cloned().map(trusted_column);
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let group: RowGroupMetaData = group.into_builder().set_column_metadata(columns).build()?;
        builder = builder.add_row_group(group);
    }
    Ok(builder.build())
}

fn trusted_column(column: ColumnChunkMetaData) -> Result<ColumnChunkMetaData> {
    let believed = match column.statistics() {
        None => true,
        Some(statistics) => is_trustworthy(statistics, column.column_descr()),
    };
    if believed {
        return Ok(column);
    }
    column.into_builder().clear_statistics().build()
}

fn is_trustworthy(statistics: &Statistics, column: &ColumnDescriptor) -> bool {
    let in_order = match statistics {
        Statistics::Int32(s) => is_ordered(s.min_opt(), s.max_opt()),
        Statistics::Int64(s) => is_ordered(s.min_opt(), s.max_opt()),
        _ => true,
    };
    let signed_integer =
        matches!(column.physical_type(), Type::INT32 | Type::INT64) && !is_unsigned(column);
    // Without their count, DataFusion takes it that there are no NULLs.
    let counted = statistics.null_count_opt().is_some();
    counted && in_order && (signed_integer || !statistics.is_min_max_deprecated())
}

fn is_ordered<T: PartialOrd>(min: Option<&T>, max: Option<&T>) -> bool {
    min.zip(max).is_none_or(|(min, max)| min <= max)
}

fn is_unsigned(column: &ColumnDescriptor) -> bool {
    let converted = matches!(
        column.converted_type(),
        ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64
    );
    let logical =
        matches!(column.logical_type_ref(), Some(LogicalType::Integer(int)) if !int.is_signed);
    converted || logical
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::data_type::ByteArray;
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;
    use std::sync::Arc;

    fn is_believed(column: &str, statistics: Statistics) -> bool {
        let schema = format!("message bill {{ optional {column}; }}");
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        is_trustworthy(&statistics, &SchemaDescriptor::new(schema).column(0))
    }

    fn text(deprecated: bool) -> Statistics {
        let (min, max) = (ByteArray::from("a"), ByteArray::from("z"));
        Statistics::byte_array(Some(min), Some(max), None, Some(0), deprecated)
    }

    #[test]
    fn deprecated_bounds_are_believed_of_signed_integers_only() {
        let int = |deprecated| Statistics::int64(Some(1), Some(2), None, Some(0), deprecated);
        assert!(is_believed("int64 x", int(true)));
        assert!(is_believed("int64 x (timestamp_millis)", int(true)));
        assert!(!is_believed("int64 x (uint_64)", int(true)));
        assert!(!is_believed("binary x (utf8)", text(true)));
        assert!(is_believed("binary x (utf8)", text(false)));
        let double = Statistics::double(Some(1.0), Some(2.0), None, Some(0), true);
        assert!(!is_believed("double x", double));
    }

    #[test]
    fn bounds_out_of_order_are_not_believed() {
        let inverted = Statistics::int64(Some(2), Some(1), None, Some(0), false);
        assert!(!is_believed("int64 x", inverted));
    }

    #[test]
    fn bounds_without_a_count_of_nulls_are_not_believed() {
        let uncounted = Statistics::int64(Some(1), Some(2), None, None, false);
        assert!(!is_believed("int64 x", uncounted));
    }
}
