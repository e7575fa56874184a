//! Reads a damaged bill as the extension does. Whatever of the engine's interface the fuzzer needs
//! is used here only.

use std::fmt;
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use billing::{BillingPeriod, FileKind, Object};
use engine::{
    Bill, Comparison, Delivery, Engine, Error, Expr, Field, Footer, Kind, Query, Request, Scan,
    Source, Value, sql_type,
};
use store::{Location, Network, Store};
use tempfile::TempDir;

use crate::corpus::Corpus;
use crate::csv;
use crate::mutate::{Case, Damaged};

const PREFIX: &str = "cur/Report";
const FILE: &str = "cur/Report/Report/year=2025/month=9/a.parquet";
const CSV: &str = "csv/a.csv";
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
                .scan_thrice()
                .unwrap_or_else(|error| panic!("{}: {error}", valid.name));
        }
        reader
    }

    /// Reads it.
    pub fn read(&self, case: &Case) -> Outcome {
        match &case.damaged {
            Damaged::Keys(keys) => return self.discover(keys),
            Damaged::Csv(bytes) => return self.read_csv(bytes),
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
        let rows = classify(self.scan_thrice());
        match columns {
            Outcome::Wrong(_) => columns,
            _ => rows,
        }
    }

    /// The file's columns, then its rows in the columns of the valid one.
    fn read_csv(&self, bytes: &[u8]) -> Outcome {
        self.write(CSV, bytes);
        let read = || {
            let store = self.store();
            let listing = store.clone();
            let files = self
                .engine
                .run(async move { Ok(listing.list("csv").await?) }, || {})?;
            let (reading, file) = (store.clone(), files[0].clone());
            self.engine.run(
                async move { Footer::of(&reading, &file, FileKind::of(&file.key).unwrap()).await },
                || {},
            )?;
            let fields = csv::COLUMNS.map(|(name, kind)| Field {
                source: Source::File(name.to_owned()),
                kind,
            });
            let delivery = Delivery {
                period: BillingPeriod::new(2025, 9)?,
                manifest_id: None,
                declared: None,
                files,
            };
            self.scan_files(Query::of(fields.into()), Vec::new(), vec![delivery])
        };
        match classify(read()) {
            Outcome::Rows => Outcome::Refused("csv rows"),
            Outcome::Refused("bad file") => Outcome::Refused("csv bad file"),
            other => other,
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

    /// Reads all rows, then those that meet a condition, then those of some pages.
    fn scan_thrice(&self) -> Result<(), Error> {
        self.scan(Query::of(self.fields.clone()), Vec::new())?;
        self.scan(filtered(self.fields.clone()), self.values.clone())?;
        self.scan(paged(self.fields.clone()), self.values.clone())
    }

    fn scan(&self, query: Query, values: Vec<Value>) -> Result<(), Error> {
        let reading = self.store();
        let deliveries = async move {
            let bill = Bill::find(&reading, PREFIX).await?;
            Ok(vec![bill.delivery(bill.newest()?).await?])
        };
        let deliveries = self.engine.run(deliveries, || {})?;
        self.scan_files(query, values, deliveries)
    }

    fn scan_files(
        &self,
        query: Query,
        values: Vec<Value>,
        deliveries: Vec<Delivery>,
    ) -> Result<(), Error> {
        let store = self.store();
        let request = Request {
            query,
            values,
            limit: None,
            deliveries,
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
        "jsonb" => (Kind::Jsonb, Value::Null),
        "timestamp" => (Kind::Timestamp, Value::Timestamp(1_750_000_000_000_000)),
        _ => (Kind::Text, Value::Text("Usage".to_owned())),
    })
}

fn at_most(index: usize) -> Expr {
    Expr::Compare {
        comparison: Comparison::LessOrEqual,
        left: Box::new(Expr::Column(index)),
        right: Box::new(Expr::Param(index)),
    }
}

/// Asks for the rows in which one column is at most its value: only for such a condition are page
/// indexes read.
fn paged(columns: Vec<Field>) -> Query {
    let small = |field: &Field| field.source == Source::File("small".to_owned());
    let small = columns.iter().position(small);
    Query {
        params: columns.iter().map(|c| c.kind).collect(),
        filters: small.map(at_most).into_iter().collect(),
        ..Query::of(columns)
    }
}

/// Asks for the rows in which some column is at most its value: statistics and pages are read for
/// that.
fn filtered(columns: Vec<Field>) -> Query {
    // Conditions on jsonb are not read into the files.
    let comparable = (0..columns.len()).filter(|index| columns[*index].kind.is_comparable());
    Query {
        params: columns.iter().map(|c| c.kind).collect(),
        filters: vec![Expr::Or(comparable.map(at_most).collect())],
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
        Error::Malformed(_) => "csv malformed",
        Error::Store(_) => "store",
        Error::TypeMismatch { .. } => "type mismatch",
        Error::OutOfMemory { .. } => "out of memory",
        Error::Billing(_) | Error::MissingFile { .. } | Error::NoMonth { .. } => "bill",
        _ => return Outcome::Wrong(message),
    };
    let names_the_file = kind == "bill"
        || [FILE, MANIFEST, CSV]
            .iter()
            .any(|file| message.contains(file));
    match names_the_file && !hint.is_empty() {
        true => Outcome::Refused(kind),
        false => Outcome::Wrong(message),
    }
}
