//! The data files of a delivery: rows go into one until it is full.

use std::io::{Error, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

use super::csv::{CsvFile, Times};
use super::delivery::Destination;
use super::format::{CsvStyle, Delivery};
use super::packing::Packed;

/// How the files of one delivery are made.
pub(super) struct Making {
    /// The columns of every batch.
    pub(super) schema: SchemaRef,
    pub(super) file: FileKind,
    /// The key of data file `n`, from 1.
    pub(super) key: Box<dyn Fn(usize) -> String>,
    pub(super) rows_per_file: usize,
}

/// A file's inside.
#[derive(Clone, Debug)]
pub(super) enum FileKind {
    Parquet(ParquetStyle),
    Csv {
        style: CsvStyle,
        times: Times,
        headers: Vec<String>,
    },
}

/// Whose Parquet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParquetStyle {
    /// Version 2 pages, dictionaries, one row group a file, no statistics a current reader would
    /// use.
    Aws,
    /// Version 1 pages with statistics; row groups of their own making.
    Others,
}

/// The data files on their way.
pub(super) struct Files<'a, D: Destination> {
    making: Making,
    to: &'a mut D,
    /// What the manifest names, with the rows in each.
    made: Vec<Made>,
    open: Option<Open<D::File>>,
    /// Rows the open file still takes.
    room: usize,
    /// The first rows, for what an older delivery left behind.
    sample: Option<RecordBatch>,
}

/// A data file that is complete.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) key: String,
    pub(super) rows: usize,
    pub(super) bytes: u64,
}

impl Made {
    fn new(key: String) -> Self {
        Made {
            key,
            rows: 0,
            bytes: 0,
        }
    }
}

enum Open<F: Write + Send> {
    Parquet(Box<ArrowWriter<Counted<F>>>),
    Csv(Box<CsvFile<Packed<Counted<F>>>>),
}

/// A file that knows its size: some manifests say it.
struct Counted<F> {
    file: F,
    bytes: u64,
}

impl<F: Write> Write for Counted<F> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.file.flush()
    }
}

impl<'a, D: Destination> Files<'a, D> {
    pub(super) fn new(making: Making, to: &'a mut D) -> Self {
        Files {
            making,
            to,
            made: Vec::new(),
            open: None,
            room: 0,
            sample: None,
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if self.sample.is_none() {
            self.sample = Some(batch.slice(0, batch.num_rows().min(3)));
        }
        let mut from = 0;
        while from < batch.num_rows() {
            if self.open.is_none() {
                let key = (self.making.key)(self.made.len() + 1);
                self.start(&key)?;
                self.made.push(Made::new(key));
                self.room = self.making.rows_per_file.max(1);
            }
            let take = self.room.min(batch.num_rows() - from);
            self.put(&batch.slice(from, take))?;
            if let Some(made) = self.made.last_mut() {
                made.rows += take;
            }
            from += take;
            self.room -= take;
            if self.room == 0 {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Ends the last file, adds the odd ones, and says what the manifest names.
    pub(super) fn finish(mut self, delivery: Delivery) -> Result<Vec<Made>, Error> {
        self.close()?;
        if delivery.empty_chunks {
            self.empty(Chunk::HeaderOnly)?;
            if matches!(self.making.file, FileKind::Csv { .. }) {
                self.empty(Chunk::NoBytes)?;
            }
        }
        let named = self.made.clone();
        for n in 0..delivery.leftovers {
            let chunks = [Chunk::Rows, Chunk::HeaderOnly, Chunk::NoBytes];
            self.empty(chunks[n % chunks.len()])?;
        }
        Ok(named)
    }

    fn empty(&mut self, chunk: Chunk) -> Result<(), Error> {
        let key = (self.making.key)(self.made.len() + 1);
        match (chunk, self.sample.clone()) {
            (Chunk::NoBytes, _) => self.to.put(key.clone(), b"")?,
            (Chunk::Rows, Some(rows)) => {
                self.start(&key)?;
                self.put(&rows)?;
            }
            _ => self.start(&key)?,
        }
        self.made.push(Made::new(key));
        self.close()
    }

    fn start(&mut self, key: &str) -> Result<(), Error> {
        let file = Counted {
            file: self.to.open(key)?,
            bytes: 0,
        };
        let open = match &self.making.file {
            FileKind::Parquet(style) => {
                Open::Parquet(Box::new(parquet_writer(file, &self.making.schema, *style)?))
            }
            FileKind::Csv {
                style,
                times,
                headers,
            } => {
                let name = key.rsplit('/').next().unwrap_or(key);
                let packed = Packed::new(file, style.packing, name.trim_end_matches(".zip"))?;
                Open::Csv(Box::new(CsvFile::new(packed, *style, *times, headers)?))
            }
        };
        self.open = Some(open);
        Ok(())
    }

    fn put(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        match &mut self.open {
            Some(Open::Parquet(writer)) => writer.write(rows).map_err(Error::other),
            Some(Open::Csv(file)) => file.write(rows),
            None => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        let (Some(open), Some(made)) = (self.open.take(), self.made.last_mut()) else {
            return Ok(());
        };
        let file = match open {
            Open::Parquet(writer) => writer.into_inner()?,
            Open::Csv(file) => file.finish().finish()?,
        };
        made.bytes = file.bytes;
        self.to.close(made.key.clone(), file.file)
    }
}

#[derive(Clone, Copy)]
enum Chunk {
    Rows,
    HeaderOnly,
    NoBytes,
}

/// A writer of Parquet: snappy, dictionaries, no Arrow schema.
pub(super) fn parquet_writer<W: Write + Send>(
    file: W,
    schema: &SchemaRef,
    style: ParquetStyle,
) -> Result<ArrowWriter<W>, parquet::errors::ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(true);
    let properties = match style {
        ParquetStyle::Aws => properties
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true)
            .set_max_row_group_row_count(None)
            // AWS's pages hold some hundred thousand rows of a repetitive column. More would cost
            // memory: eight bytes a row and column until the page is closed.
            .set_data_page_row_count_limit(100_000),
        ParquetStyle::Others => properties.set_writer_version(WriterVersion::PARQUET_1_0),
    };
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(file, Arc::clone(schema), options)
}
