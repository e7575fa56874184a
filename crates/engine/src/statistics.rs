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
    in_order && (signed_integer || !statistics.is_min_max_deprecated())
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
