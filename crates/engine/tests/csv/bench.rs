//! A directory with files, and what the engine reads of them.

use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use billing::{BillingPeriod, FileKind, Object};
use engine::{
    Delivery, Engine, Error, Field, Footer, Kind, Query, Request, Scan, Source, sql_type,
};
use store::{Location, Network, Store};
use tempfile::TempDir;

/// Texts of rows, `None` for NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// A bucket with one month.
pub struct Bench {
    pub engine: Engine,
    pub store: Store,
    directory: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let location = Location::File {
            directory: directory.path().to_owned(),
        };
        Self {
            engine: Engine::start(2, 64 << 20, None).unwrap(),
            store: Store::open(location, None, &Network::default()).unwrap(),
            directory,
        }
    }

    /// A bucket with one file.
    pub fn with(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let bench = Self::new();
        bench.write(name, bytes);
        bench
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// All files, in the order of their names.
    pub fn files(&self) -> Vec<Object> {
        let store = self.store.clone();
        let listing = async move { Ok(store.list("").await?) };
        let mut files = self.engine.run(listing, || {}).unwrap();
        files.sort_by(|a, b| a.key.cmp(&b.key));
        files
    }

    /// The columns of all files as SQL would define them.
    pub fn columns(&self) -> Result<Vec<String>, Error> {
        let mut columns = Vec::new();
        for file in self.files() {
            let store = self.store.clone();
            let footer =
                async move { Footer::of(&store, &file, FileKind::of(&file.key).unwrap()).await };
            let footer = self.engine.run(footer, || {})?;
            let described = footer.columns.iter().map(|c| {
                format!(
                    "{} {}",
                    c.name,
                    sql_type(&c.data_type).unwrap_or("?".to_owned())
                )
            });
            columns.extend(described);
        }
        Ok(columns)
    }

    pub fn request(&self, query: Query) -> Request {
        Request {
            query,
            values: Vec::new(),
            limit: None,
            deliveries: vec![Delivery {
                period: BillingPeriod::new(2025, 9).unwrap(),
                manifest_id: None,
                declared: None,
                files: self.files(),
            }],
            concurrency: 1,
        }
    }

    pub fn run(&self, request: Request) -> Result<Vec<RecordBatch>, Error> {
        let mut scan = Scan::start(&self.engine, &self.store, request);
        let mut batches = Vec::new();
        while let Some(batch) = scan.next(|| {})? {
            batches.push(batch);
        }
        Ok(batches)
    }

    /// The rows of these columns of all files.
    pub fn rows(&self, fields: &[(&str, Kind)]) -> Result<Rows, Error> {
        let fields = fields.iter().map(|(name, kind)| file_field(name, *kind));
        let query = Query::of(fields.collect());
        Ok(rows(&self.run(self.request(query))?))
    }

    /// The same of columns that are read as text.
    pub fn texts(&self, columns: &[&str]) -> Result<Rows, Error> {
        let fields: Vec<_> = columns.iter().map(|name| (*name, Kind::Text)).collect();
        self.rows(&fields)
    }
}

pub fn file_field(name: &str, kind: Kind) -> Field {
    Field {
        source: Source::File(name.to_owned()),
        kind,
    }
}

pub fn rows(batches: &[RecordBatch]) -> Rows {
    let of_batch = |batch: &RecordBatch| {
        let columns = batch.columns().iter().map(texts);
        let columns: Vec<Vec<_>> = columns.collect();
        let rows =
            (0..batch.num_rows()).map(|row| columns.iter().map(|c| c[row].clone()).collect());
        rows.collect::<Rows>()
    };
    batches.iter().flat_map(of_batch).collect()
}

fn texts(array: &arrow::array::ArrayRef) -> Vec<Option<String>> {
    if let Some(texts) = array.as_string_view_opt() {
        return texts.iter().map(|t| t.map(str::to_owned)).collect();
    }
    let options = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(array, &options).unwrap();
    let value = |row| {
        array
            .is_valid(row)
            .then(|| formatter.value(row).to_string())
    };
    (0..array.len()).map(value).collect()
}

/// A row as a test writes it: `~` is NULL.
pub fn row(cells: &[&str]) -> Vec<Option<String>> {
    let cell = |cell: &&str| (*cell != "~").then(|| (*cell).to_owned());
    cells.iter().map(cell).collect()
}
