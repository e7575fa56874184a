//! Bytes that nobody said are text.
//!
//! The decoder looks whether bytes are UTF-8 only where the file says that they should be (`UTF8`,
//! `String`). Where a table has the column as text, DataFusion reads them as text nevertheless, and
//! what is not UTF-8 would break what Rust promises of strings. So all of them are said to be text
//! before the decoder reads the schema.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::errors::Result;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataBuilder};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// The metadata of a file whose bytes are text, decimals excepted.
pub(crate) fn annotated(metadata: ParquetMetaData) -> Result<ParquetMetaData> {
    let file = metadata.file_metadata();
    let columns = file.schema_descr().columns().iter();
    if !columns.map(|column| column.self_type()).any(is_bare) {
        return Ok(metadata);
    }
    let schema = Arc::new(schema(file.schema())?);
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        file.key_value_metadata().cloned(),
        Arc::new(SchemaDescriptor::new(schema)),
        file.column_orders().cloned(),
    );
    let mut rest = metadata.into_builder();
    let builder = ParquetMetaDataBuilder::new(file)
        .set_row_groups(rest.take_row_groups())
        .set_column_index(rest.take_column_index())
        .set_offset_index(rest.take_offset_index());
    Ok(builder.build())
}

fn is_bare(of: &Type) -> bool {
    let info = of.get_basic_info();
    of.is_primitive()
        && of.get_physical_type() == Physical::BYTE_ARRAY
        && !matches!(
            info.converted_type(),
            ConvertedType::UTF8 | ConvertedType::DECIMAL
        )
}

fn schema(of: &Type) -> Result<Type> {
    let mut annotated = of.clone();
    if is_bare(of) {
        let info = of.get_basic_info();
        return Type::primitive_type_builder(info.name(), Physical::BYTE_ARRAY)
            .with_repetition(info.repetition())
            .with_logical_type(Some(LogicalType::String))
            .with_id(info.has_id().then(|| info.id()))
            .build();
    }
    if let Type::GroupType { fields, .. } = &mut annotated {
        let parts = fields.iter().map(|field| schema(field).map(Arc::new));
        *fields = parts.collect::<Result<Vec<TypePtr>>>()?;
    }
    Ok(annotated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::printer::print_schema;

    #[test]
    fn only_bare_bytes_change() {
        let message = "message bill {
            required binary a;
            optional binary b (UTF8);
            optional binary c (JSON);
            optional binary d (DECIMAL(9,2));
            optional int64 e (TIMESTAMP_MILLIS);
            optional group f (MAP) {
                repeated group key_value {
                    required binary key;
                    optional double value;
                }
            }
        }";
        let schema = schema(&parse_message_type(message).unwrap()).unwrap();
        let mut printed = Vec::new();
        print_schema(&mut printed, &schema);
        let printed = String::from_utf8(printed).unwrap();
        let lines: Vec<_> = printed.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "message bill {",
                "REQUIRED BYTE_ARRAY a (STRING);",
                "OPTIONAL BYTE_ARRAY b (UTF8);",
                "OPTIONAL BYTE_ARRAY c (STRING);",
                "OPTIONAL BYTE_ARRAY d (DECIMAL(9,2));",
                "OPTIONAL INT64 e (TIMESTAMP_MILLIS);",
                "OPTIONAL group f (MAP) {",
                "REPEATED group key_value {",
                "REQUIRED BYTE_ARRAY key (STRING);",
                "OPTIONAL DOUBLE value;",
                "}",
                "}",
                "}"
            ]
        );
    }
}
