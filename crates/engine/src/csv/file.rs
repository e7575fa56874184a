//! One CSV file: its columns, and its batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::SchemaRef;
use billing::{Dialect, csv_type};
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use object_store::path::Path;
use store::Pinned;

use super::malformed::{Malformed, Problem, shown};
use super::pieces::Pieces;
use super::records::{Batch, Found, Records};
use super::unpack::Unpacker;
use super::{archive, cells, header};
use crate::footer::Column;
use crate::names::Names;
use crate::types::arrow_type;
use crate::{Error, Kind};

/// Bytes that tell a byte order mark.
const MARK: usize = 3;

/// A file to read.
pub(crate) struct Object {
    pub(crate) store: Arc<Pinned>,
    pub(crate) path: Path,
    /// Bytes.
    pub(crate) size: u64,
    /// As messages name it: `s3://bucket/key`.
    pub(crate) name: String,
}

/// A column of the table, and what it is in the files.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Its name in the files.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// The columns of a file, of the types that their names tell. None for an empty file.
///
/// # Errors
/// The store's, and [`Error::BadFile`] and [`Error::Malformed`].
pub(crate) async fn columns(object: Object) -> Result<Vec<Column>> {
    let mut text = Text::open(&object).await?;
    let mut records = Records::new(1);
    let names = text.header(&mut records).await?;
    let dialect = Dialect::of(&names);
    let columns = names.into_iter().map(|name| Column {
        data_type: arrow_type(csv_type(dialect, &name)),
        name,
    });
    Ok(columns.collect())
}

/// The records of a file, batch after batch.
pub(crate) struct File {
    text: Text,
    records: Records,
    /// The file's columns.
    names: Vec<String>,
    /// Whether the word NULL means nothing.
    null_word: bool,
    wanted: Vec<Wanted>,
    /// For each wanted column its place in the file, if the file has it.
    places: Vec<Option<usize>>,
    schema: SchemaRef,
}

impl File {
    /// Opens a file for these columns, which the schema describes, in batches of so many records.
    pub(crate) async fn open(
        object: Object,
        wanted: Vec<Wanted>,
        schema: SchemaRef,
        most: usize,
    ) -> Result<Self> {
        let mut text = Text::open(&object).await?;
        let mut records = Records::new(most);
        let names = text.header(&mut records).await?;
        let known = Names::new(names.clone());
        let place = |wanted: &Wanted| known.place(&wanted.name);
        Ok(Self {
            places: wanted.iter().map(place).collect(),
            null_word: Dialect::of(&names) == Some(Dialect::Focus),
            text,
            records,
            names,
            wanted,
            schema,
        })
    }

    /// The next batch, or `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.records.clear();
        self.text.fill(&mut self.records).await?;
        match self.records.len() {
            0 => Ok(None),
            _ => self.batch().map(Some),
        }
    }

    fn batch(&self) -> Result<RecordBatch> {
        let batch = self.records.batch().map_err(|(record, field)| {
            let problem = Problem::NotUtf8 {
                column: self.names[field].clone(),
                value: shown(self.records.field(record, field)),
            };
            self.malformed(record, problem)
        })?;
        let columns = self.wanted.iter().zip(&self.places);
        let arrays = columns.map(|(wanted, place)| match place {
            Some(place) => self.array(batch, *place, wanted.kind),
            None => Ok(new_null_array(&wanted.kind.arrow(), batch.len())),
        });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options);
        Ok(batch?)
    }

    fn array(&self, batch: Batch<'_>, place: usize, kind: Kind) -> Result<ArrayRef> {
        // Python writes None for nothing (nise does); as a text it may be a value.
        let typed = !matches!(kind, Kind::Text | Kind::Jsonb);
        let means_nothing = |cell: &str| {
            cell.is_empty() || (self.null_word && cell == "NULL") || (typed && cell == "None")
        };
        let cells = batch.column(place);
        let cells = cells.map(|cell| (!means_nothing(cell)).then_some(cell));
        cells::array(cells, kind).map_err(|(record, name)| {
            let problem = Problem::Value {
                column: self.names[place].clone(),
                value: shown(self.records.field(record, place)),
                wanted: name,
            };
            self.malformed(record, problem)
        })
    }

    fn malformed(&self, record: usize, problem: Problem) -> DataFusionError {
        self.text.malformed((self.records.line(record), problem))
    }
}

/// A file's text.
struct Text {
    name: String,
    pieces: Pieces,
    unpacker: Unpacker,
    /// What has arrived and was not unpacked yet.
    piece: Bytes,
    /// How much of the unpacked text was read.
    read: usize,
    /// The least text to go on with.
    least: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// All is unpacked.
    Unpacked,
    /// The last record was ended.
    Ended,
}

impl Text {
    /// What the file is packed in, its first bytes say: names are given by people.
    async fn open(object: &Object) -> Result<Self> {
        let pieces = |range| Pieces::new(object.store.clone(), object.path.clone(), range);
        let mut pieces_of_all = pieces(0..object.size);
        let first = pieces_of_all.next().await?.unwrap_or_default();
        let text = |pieces, unpacker, piece| Self {
            name: object.name.clone(),
            pieces,
            unpacker,
            piece,
            read: 0,
            least: MARK,
            state: State::Open,
        };
        Ok(match &*first {
            [0x1f, 0x8b, ..] => text(pieces_of_all, Unpacker::gzip(), first),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => {
                let entry = archive::entry(&pieces_of_all, object.size).await?;
                let entry = entry.map_err(|why| bad_file(&object.name, "zip", why))?;
                let packed = pieces(entry.packed.clone());
                text(packed, Unpacker::zip(&entry), Bytes::new())
            }
            _ => text(pieces_of_all, Unpacker::plain(), first),
        })
    }

    /// Reads the header; without one, the file has no columns.
    async fn header(&mut self, records: &mut Records) -> Result<Vec<String>> {
        self.fill(records).await?;
        Ok(header::names(&records.take_header()))
    }

    /// Reads until the batch is full or the file ends.
    async fn fill(&mut self, records: &mut Records) -> Result<()> {
        while !records.is_full() {
            let text = &self.unpacker.text()[self.read..];
            if !text.is_empty() {
                let read = records.push(text);
                self.read += read.map_err(|found| self.malformed(found))?;
            } else if self.state == State::Open {
                self.unpack().await?;
            } else if self.state == State::Unpacked {
                self.state = State::Ended;
                records.end().map_err(|found| self.malformed(found))?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Unpacks some text, or finds that there is no more.
    async fn unpack(&mut self) -> Result<()> {
        self.unpacker.text().clear();
        self.read = 0;
        while self.unpacker.text().len() < self.least && self.state == State::Open {
            // Packed bytes may give little text for long, and a cancel must come through.
            tokio::task::coop::consume_budget().await;
            if self.piece.is_empty() {
                match self.pieces.next().await? {
                    Some(piece) => self.piece = piece,
                    None => self.state = State::Unpacked,
                }
            }
            let unpacked = match self.state {
                State::Open => self.unpacker.push(&mut self.piece),
                _ => self.unpacker.finish(),
            };
            unpacked.map_err(|e| self.bad_packing(&e))?;
        }
        self.least = 1;
        Ok(())
    }

    fn bad_packing(&self, error: &std::io::Error) -> DataFusionError {
        let format = match self.unpacker {
            Unpacker::Plain(_) => "CSV",
            Unpacker::Gzip(_) => "gzip",
            Unpacker::Deflated(_) | Unpacker::Stored(_) => "zip",
        };
        bad_file(&self.name, format, error.to_string())
    }

    fn malformed(&self, (line, problem): Found) -> DataFusionError {
        let malformed = Malformed {
            file: self.name.clone(),
            line,
            problem,
        };
        DataFusionError::External(Box::new(Error::from(malformed)))
    }
}

fn bad_file(file: &str, format: &'static str, why: String) -> DataFusionError {
    DataFusionError::External(Box::new(Error::BadFile {
        file: file.to_owned(),
        format,
        why,
    }))
}
