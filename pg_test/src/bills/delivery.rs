//! A month as AWS delivers it: data files, then the table definition, then the manifest.

use std::io::{Error, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

use super::estate::Estate;
use super::totals::Totals;
use super::{manifest, rows};

/// Where a delivery goes: opened by key, closed when complete.
pub(super) trait Destination {
    type File: Write + Send;

    fn open(&mut self, key: &str) -> Result<Self::File, Error>;
    fn close(&mut self, key: String, file: Self::File) -> Result<(), Error>;

    fn put(&mut self, key: String, bytes: &[u8]) -> Result<(), Error> {
        let mut file = self.open(&key)?;
        file.write_all(bytes)?;
        self.close(key, file)
    }
}

/// Writes the whole month.
pub(super) fn deliver<D: Destination>(estate: &Estate<'_>, to: &mut D) -> Result<Totals, Error> {
    let mut files = Files {
        estate,
        to,
        keys: Vec::new(),
        writer: None,
        room: 0,
    };
    let tally = rows::stream(estate, &mut |batch| files.write(&batch))?;
    files.finish()?;
    let keys = files.keys;
    to.put(
        manifest::create_table_key(estate),
        manifest::create_table(estate).as_bytes(),
    )?;
    // Last, as AWS does: who sees the manifest can read all it names.
    to.put(
        manifest::key(estate),
        manifest::manifest(estate, &keys).as_bytes(),
    )?;
    Ok(tally.totals())
}

/// The data files: rows go into one until it is full.
struct Files<'a, D: Destination> {
    estate: &'a Estate<'a>,
    to: &'a mut D,
    keys: Vec<String>,
    writer: Option<ArrowWriter<D::File>>,
    /// Rows the open file still takes.
    room: usize,
}

impl<D: Destination> Files<'_, D> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let mut from = 0;
        while from < batch.num_rows() {
            let mut writer = match self.writer.take() {
                Some(writer) => writer,
                None => self.open()?,
            };
            let take = self.room.min(batch.num_rows() - from);
            writer.write(&batch.slice(from, take))?;
            self.writer = Some(writer);
            from += take;
            self.room -= take;
            if self.room == 0 {
                self.finish()?;
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<ArrowWriter<D::File>, Error> {
        let key = manifest::data_key(self.estate, self.keys.len() + 1);
        let file = self.to.open(&key)?;
        self.keys.push(key);
        self.room = self.estate.report.rows_per_file.max(1);
        Ok(parquet_writer(file, &self.estate.schema.arrow)?)
    }

    fn finish(&mut self) -> Result<(), Error> {
        let (Some(writer), Some(key)) = (self.writer.take(), self.keys.last()) else {
            return Ok(());
        };
        self.to.close(key.clone(), writer.into_inner()?)
    }
}

/// A writer of Parquet as AWS's: version 2 pages, snappy, dictionaries, one row group a file, no
/// statistics a current reader would use, no Arrow schema.
pub(super) fn parquet_writer<W: Write + Send>(
    file: W,
    schema: &SchemaRef,
) -> Result<ArrowWriter<W>, parquet::errors::ParquetError> {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(None)
        // AWS's pages hold some hundred thousand rows of a repetitive column. More would cost
        // memory: eight bytes a row and column until the page is closed.
        .set_data_page_row_count_limit(100_000)
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(file, Arc::clone(schema), options)
}
