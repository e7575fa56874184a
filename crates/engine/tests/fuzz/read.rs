//! Reads a damaged bill as the extension does. Whatever of the engine's interface the fuzzer needs
//! is used here only.

use std::fmt;
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use billing::Object;
use engine::{
    Bill, Comparison, Engine, Error, Expr, Field, Kind, Query, Request, Scan, Source, Value,
    sql_type,
};
use store::{Location, Network, Store};
use tempfile::TempDir;

use crate::corpus::Corpus;
use crate::mutate::{Case, Damaged};

const PREFIX: &str = "cur/Report";
const FILE: &str = "cur/Report/Report/year=2025/month=9/a.parquet";
const MANIFEST: &str = "cur/Report/20250901-20251001/Report-Manifest.json";

/// What reading came to.
#[derive(Debug)]
pub enum Outcome {
    /// It was read, for the damage does not show.
    Rows,
    /// An error of the kind one expects.
    Refused(&'static str),
    /// Anything else.
    Wrong(String),
}

impl Outcome {
    /// What [`Outcome::Wrong`] is displayed with.
    pub const WRONG: &str = "WRONG ";
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows => f.write_str("rows"),
            Self::Refused(kind) => f.write_str(kind),
            Self::Wrong(why) => write!(f, "{}{}", Self::WRONG, why.replace('\n', " ")),
        }
    }
}

/// Reads one case after the other.
pub struct Reader {
    engine: Engine,
    directory: TempDir,
    valid: Vec<u8>,
    manifest: String,
    fields: Vec<Field>,
    values: Vec<Value>,
}

impl Reader {
    /// Starts the threads, and looks at a valid file for the columns that a table would have.
    pub fn new(corpus: &Corpus) -> Self {
        let mut reader = Reader {
            engine: Engine::start(2, 64 << 20, None).unwrap(),
            directory: tempfile::tempdir().unwrap(),
            valid: corpus.files[0].bytes.clone(),
            manifest: corpus.manifest.clone(),
            fields: Vec::new(),
            values: Vec::new(),
        };
        reader.write(FILE, &reader.valid);
        reader.write(MANIFEST, reader.manifest.as_bytes());
        (reader.fields, reader.values) = reader.columns().unwrap();
        assert!(reader.fields.len() > 10);
        for valid in &corpus.files {
            reader.write(FILE, &valid.bytes);
            reader
                .scan_twice()
                .unwrap_or_else(|error| panic!("{}: {error}", valid.name));
        }
        reader
    }

    /// Reads it.
    pub fn read(&self, case: &Case) -> Outcome {
        match &case.damaged {
            Damaged::Keys(keys) => return self.discover(keys),
            Damaged::File(bytes) => {
                self.write(FILE, bytes);
                self.write(MANIFEST, self.manifest.as_bytes());
            }
            Damaged::Manifest(bytes) => {
                self.write(FILE, &self.valid);
                self.write(MANIFEST, bytes);
            }
        }
        // Both, for a table knows its columns without asking the file.
        let columns = classify(self.columns());
        let rows = classify(self.scan_twice());
        match columns {
            Outcome::Wrong(_) => columns,
            _ => rows,
        }
    }

    fn write(&self, key: &str, bytes: &[u8]) {
        let path: PathBuf = self.directory.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn store(&self) -> Store {
        open(self.directory.path())
    }

    /// The fields a foreign table would be imported with.
    fn columns(&self) -> Result<(Vec<Field>, Vec<Value>), Error> {
        let store = self.store();
        let columns = async move {
            let bill = Bill::find(&store, PREFIX).await?;
            bill.columns(&bill.delivery(bill.newest()?).await?).await
        };
        let columns = self.engine.run(columns, || {})?;
        let fields = columns.into_iter().filter_map(|column| {
            let (kind, value) = wanted(&column.data_type)?;
            let source = Source::File(column.name);
            Some((Field { source, kind }, value))
        });
        Ok(fields.unzip())
    }

    /// Reads all rows, then those that meet a condition.
    fn scan_twice(&self) -> Result<(), Error> {
        self.scan(Query::of(self.fields.clone()), Vec::new())?;
        self.scan(filtered(self.fields.clone()), self.values.clone())
    }

    fn scan(&self, query: Query, values: Vec<Value>) -> Result<(), Error> {
        let store = self.store();
        let reading = store.clone();
        let deliveries = async move {
            let bill = Bill::find(&reading, PREFIX).await?;
            Ok(vec![bill.delivery(bill.newest()?).await?])
        };
        let request = Request {
            query,
            values,
            limit: None,
            deliveries: self.engine.run(deliveries, || {})?,
            concurrency: 2,
        };
        let mut scan = Scan::start(&self.engine, &store, request);
        while let Some(batch) = scan.next(|| {})? {
            // Postgres takes any bytes for text, so it is the decoder that must have looked.
            for column in batch.columns() {
                let text = column
                    .as_any()
                    .downcast_ref::<arrow::array::StringViewArray>();
                for value in text.into_iter().flatten().flatten() {
                    assert!(str::from_utf8(value.as_bytes()).is_ok());
                }
            }
        }
        Ok(())
    }

    fn discover(&self, keys: &[String]) -> Outcome {
        let listed = keys.iter().map(|key| Object {
            key: key.clone(),
            size: 1,
            etag: None,
            modified_ms: 0,
        });
        let exports = billing::discover(listed).exports;
        let folders = keys.iter().chain(exports.iter().map(|export| &export.root));
        for folder in folders {
            let _ = billing::listing_folder(folder);
            if let Err(error) = billing::choose(exports.clone(), folder)
                && (error.to_string().is_empty() || error.hint().to_string().is_empty())
            {
                return Outcome::Wrong(format!("an error without words for {folder}"));
            }
        }
        Outcome::Refused("keys")
    }
}

fn open(directory: &Path) -> Store {
    let location = Location::File {
        directory: directory.to_owned(),
    };
    Store::open(location, None, &Network::default()).unwrap()
}

/// The kind a table's column is read in, and a value that some of its files may have.
fn wanted(file: &DataType) -> Option<(Kind, Value)> {
    Some(match sql_type(file)?.as_str() {
        "boolean" => (Kind::Bool, Value::Bool(true)),
        "smallint" => (Kind::Int2, Value::Int(1)),
        "integer" => (Kind::Int4, Value::Int(1)),
        "bigint" => (Kind::Int8, Value::Int(1)),
        "real" => (Kind::Float4, Value::Float(0.5)),
        "double precision" => (Kind::Float8, Value::Float(0.5)),
        "date" => (Kind::Date, Value::Date(20_000)),
        "timestamp" => (Kind::Timestamp, Value::Timestamp(1_750_000_000_000_000)),
        _ => (Kind::Text, Value::Text("Usage".to_owned())),
    })
}

/// Asks for the rows in which some column is at most its value: statistics, page indexes and pages
/// are read for that.
fn filtered(columns: Vec<Field>) -> Query {
    let at_most = |index: usize| Expr::Compare {
        comparison: Comparison::LessOrEqual,
        left: Box::new(Expr::Column(index)),
        right: Box::new(Expr::Param(index)),
    };
    Query {
        params: columns.iter().map(|c| c.kind).collect(),
        filters: vec![Expr::Or((0..columns.len()).map(at_most).collect())],
        ..Query::of(columns)
    }
}

fn classify<T>(result: Result<T, Error>) -> Outcome {
    let Err(error) = result else {
        return Outcome::Rows;
    };
    let (message, hint) = (error.to_string(), error.hint());
    let kind = match &error {
        Error::BadFile { .. } => "bad file",
        Error::Store(_) => "store",
        Error::TypeMismatch { .. } => "type mismatch",
        Error::OutOfMemory { .. } => "out of memory",
        Error::Billing(_) | Error::MissingFile { .. } | Error::NoMonth { .. } => "bill",
        _ => return Outcome::Wrong(message),
    };
    let names_the_file = kind == "bill" || message.contains(FILE) || message.contains(MANIFEST);
    match names_the_file && !hint.is_empty() {
        true => Outcome::Refused(kind),
        false => Outcome::Wrong(message),
    }
}
