//! Small valid files that between them have what writers of bills produce, and more: every
//! encoding and compression that can be read, both page versions, indexes, nulls, nesting.

use std::sync::Arc;

use crate::csv;
use arrow::array::*;
use arrow::datatypes::{DataType, Field, Int32Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};

const ROWS: usize = 400;

/// The valid files.
pub struct Corpus {
    /// At least one.
    pub files: Vec<Valid>,
    /// A manifest that names `a.parquet`.
    pub manifest: String,
    /// The text of a CSV file.
    pub csv: Vec<u8>,
}

/// A valid file.
pub struct Valid {
    /// What is special about it.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its footer.
    pub metadata: ParquetMetaData,
    /// Where its footer begins.
    pub footer: usize,
    /// Where pages begin, or other parts that are found by an offset.
    pub landmarks: Vec<usize>,
}

impl Corpus {
    /// Writes them.
    pub fn new() -> Self {
        let plain = WriterProperties::builder().set_dictionary_enabled(false);
        let small_pages = || {
            WriterProperties::builder()
                .set_data_page_row_count_limit(100)
                .set_write_batch_size(50)
        };
        let zstd = Compression::ZSTD(ZstdLevel::default());
        let gzip = Compression::GZIP(GzipLevel::default());
        let files = vec![
            // As AWS writes bills.
            file(
                "snappy",
                WriterProperties::builder().set_compression(Compression::SNAPPY),
            ),
            file("plain", plain),
            file(
                "gzip v2",
                small_pages()
                    .set_compression(gzip)
                    .set_writer_version(WriterVersion::PARQUET_2_0),
            ),
            file("zstd", small_pages().set_compression(zstd)),
            file(
                "groups",
                WriterProperties::builder()
                    .set_max_row_group_row_count(Some(90))
                    .set_compression(Compression::SNAPPY),
            ),
            file(
                "indexed",
                small_pages()
                    .set_statistics_enabled(EnabledStatistics::Page)
                    .set_bloom_filter_enabled(true),
            ),
            file(
                "delta",
                encoded(
                    Encoding::DELTA_BINARY_PACKED,
                    Encoding::DELTA_BYTE_ARRAY,
                    Encoding::PLAIN,
                ),
            ),
            file(
                "lengths",
                encoded(
                    Encoding::DELTA_BINARY_PACKED,
                    Encoding::DELTA_LENGTH_BYTE_ARRAY,
                    Encoding::BYTE_STREAM_SPLIT,
                )
                .set_writer_version(WriterVersion::PARQUET_2_0),
            ),
        ];
        Corpus {
            files,
            manifest: manifest(),
            csv: csv::text(),
        }
    }
}

fn encoded(integers: Encoding, texts: Encoding, doubles: Encoding) -> WriterPropertiesBuilder {
    ["integer", "small", "instant", "seconds", "day"]
        .into_iter()
        .map(|name| (name, integers))
        .chain([
            ("text", texts),
            ("long", texts),
            ("double", doubles),
            ("real", doubles),
        ])
        .fold(
            WriterProperties::builder().set_dictionary_enabled(false),
            |properties, (name, encoding)| properties.set_column_encoding(name.into(), encoding),
        )
}

fn file(name: &'static str, properties: WriterPropertiesBuilder) -> Valid {
    let batch = batch();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build()))
        .expect("the writer knows these types");
    writer.write(&batch).expect("memory takes writes");
    let bytes = writer.into_inner().expect("memory takes writes");
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(&bytes::Bytes::from(bytes.clone()))
        .expect("what was written can be read");
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
    let landmarks = landmarks(&metadata);
    Valid {
        name,
        footer: bytes.len() - 8 - length,
        landmarks,
        metadata,
        bytes,
    }
}

fn landmarks(metadata: &ParquetMetaData) -> Vec<usize> {
    let columns = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    columns
        .flat_map(|column| {
            [
                column.dictionary_page_offset(),
                Some(column.data_page_offset()),
                column.bloom_filter_offset(),
                column.column_index_offset(),
                column.offset_index_offset(),
            ]
        })
        .flatten()
        .map(|offset| offset as usize)
        .collect()
}

fn batch() -> RecordBatch {
    let numbers = || 0..ROWS as i64;
    let some = |n: i64| n % 7 != 0;
    let decimals = |precision, scale| -> ArrayRef {
        let values =
            Decimal128Array::from_iter(numbers().map(|n| some(n).then_some(i128::from(n))));
        Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
    };
    let texts =
        StringArray::from_iter(numbers().map(|n| some(n).then(|| format!("Amazon {}", n % 13))));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(texts)),
        (
            "long",
            Arc::new(StringArray::from_iter_values(numbers().map(|n| {
                format!("arn:aws:ec2:eu-west-2:123456789012:instance/i-{n:017x}")
            }))),
        ),
        (
            "double",
            Arc::new(Float64Array::from_iter_values(
                numbers().map(|n| n as f64 / 3.0),
            )),
        ),
        (
            "real",
            Arc::new(Float32Array::from_iter_values(
                numbers().map(|n| n as f32 / 3.0),
            )),
        ),
        (
            "integer",
            Arc::new(Int64Array::from_iter(
                numbers().map(|n| some(n).then_some(n * n)),
            )),
        ),
        (
            "small",
            Arc::new(Int32Array::from_iter_values(numbers().map(|n| n as i32))),
        ),
        (
            "unsigned",
            Arc::new(UInt64Array::from_iter_values(numbers().map(|n| n as u64))),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from_iter(
                numbers().map(|n| some(n).then_some(n % 2 == 0)),
            )),
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(
                numbers().map(|n| 20_000 + n as i32 % 30),
            )),
        ),
        (
            "instant",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                numbers().map(|n| n * 3_600_000_000),
            )),
        ),
        (
            "seconds",
            Arc::new(TimestampMillisecondArray::from_iter_values(
                numbers().map(|n| n * 3_600_000),
            )),
        ),
        ("cents", decimals(9, 2)),
        ("money", decimals(18, 9)),
        ("exact", decimals(38, 18)),
        ("tags", tags()),
        ("parts", parts()),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// A column that no table reads, but that every footer's reader meets.
fn tags() -> ArrayRef {
    let lists = (0..ROWS)
        .map(|n| (n % 3 != 0).then(|| (0..n % 4).map(|i| Some(i as i32)).collect::<Vec<_>>()));
    Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))
}

fn parts() -> ArrayRef {
    let field = Arc::new(Field::new("key", DataType::Utf8, true));
    let keys: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..ROWS).map(|n| n.to_string()),
    ));
    Arc::new(StructArray::from(vec![(field, keys)]))
}

/// As AWS writes it, cut to what is read.
fn manifest() -> String {
    r#"{"assemblyId":"0b5fa1e7-6bc1-4e4a-9a9b-3a1d0cbb1f6a","account":"123456789012",
"columns":[{"category":"line_item","name":"unblended_cost","type":"OptionalBigDecimal"},
{"category":"text","name":"","type":"String"}],
"charset":"UTF-8","compression":"Parquet","contentType":"Parquet","reportId":"f00d","reportName":"Report",
"billingPeriod":{"start":"20250901T000000.000Z","end":"20251001T000000.000Z"},"bucket":"bills",
"reportKeys":["cur/Report/Report/year=2025/month=9/a.parquet"],"additionalArtifactKeys":[]}"#
        .to_owned()
}
