//! Sample bills of AWS, Azure and Google, as each delivers them.
//!
//! A [`Report`] stands for one payer's report over consecutive months. Everything in it follows
//! from its fields: the same report gives the same values on every machine. Months differ the way
//! real ones do. Columns come and go, the newest month has no invoice yet, a restated month has
//! other rows, and commitments, taxes, credits and refunds add up.
//!
//! [`Report::format`] and [`Report::encoding`] say how it is written. All of AWS's formats have the
//! same line items, and so have all of Azure's.
//!
//! ```ignore
//! let bill = Report::press().month(2025, 9, 0);
//! println!("{} rows, {} USD", bill.totals.rows, bill.totals.unblended);
//! ```

// Test support: a sample bill that cannot be made is a failed test.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod azure;
mod calendar;
mod catalog;
mod charges;
mod commitments;
mod csv;
mod cur;
mod cur2;
mod delivery;
mod estate;
mod exports;
mod files;
mod focus;
mod format;
#[cfg(test)]
mod format_tests;
mod gcp;
mod legacy;
mod manifest;
mod packing;
pub mod rng;
mod rows;
mod samples;
mod schema;
mod series;
mod split;
mod table;
#[cfg(test)]
mod tests;
mod totals;
mod usage;

use std::convert::Infallible;
use std::fs::File;
use std::io::{BufWriter, Error, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};

use calendar::Month;
use delivery::Destination;
use estate::Estate;
use files::ParquetStyle;
use rows::Missing;

pub use format::{
    AzureDialect, BillFormat, CsvStyle, Delivery, Encoding, FocusVersion, GcpExport, Headers,
    Packing, Versioning,
};
pub use samples::{Sample, samples};
pub use totals::Totals;

/// How many columns a bill has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Some 130 columns, not the same ones in every month.
    Typical,
    /// Exactly 178 columns in every month.
    Wide,
}

/// One report's sample bill over consecutive months.
#[derive(Clone, Debug)]
pub struct Report {
    /// The report's name, as in its keys.
    pub name: String,
    /// What its keys start with; may be empty.
    pub prefix: String,
    /// The bucket the manifest names.
    pub bucket: String,
    /// What all values follow from.
    pub seed: u64,
    /// Account numbers of twelve digits; the first is the payer. Twenty or more make a large
    /// bill, fewer a proportionally smaller one.
    pub accounts: Vec<String>,
    /// Year and month of the first bill.
    pub first: (i32, u32),
    /// How many months; the last one is open: its rows have no invoice.
    pub months: u32,
    /// Rows of a first delivery; a restatement has a few more. From 50,000 on lines are by the
    /// hour. Below about 1,500 some kinds of charges are cut off.
    pub rows_per_month: usize,
    /// How many columns.
    pub columns: Width,
    /// Rows of a data file, which is one row group.
    pub rows_per_file: usize,
    /// In which format.
    pub format: BillFormat,
    /// In which kind of file.
    pub encoding: Encoding,
    /// With or without manifests, older deliveries and empty chunks.
    pub delivery: Delivery,
    /// AWS: with the lines and columns of split cost allocation.
    pub split_costs: bool,
}

/// One delivery of one month.
#[derive(Clone, Debug)]
pub struct MonthBill {
    /// The year.
    pub year: i32,
    /// The month, from 1.
    pub month: u32,
    /// Data files, table definition, and last the manifest.
    pub files: Vec<BillFile>,
    /// What the data files add up to.
    pub totals: Totals,
}

impl MonthBill {
    /// One of the accounts that it bills.
    pub fn an_account(&self) -> &str {
        let mut accounts = self.totals.by_account.keys();
        accounts.next().expect("a bill has accounts")
    }
}

/// One object of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillFile {
    /// The key within the bucket.
    pub key: String,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Report {
    /// The larger payer's report: twenty accounts, several files a month.
    pub fn press() -> Report {
        Report {
            name: "CUP-Cost-Usage-Report".to_owned(),
            prefix: "cup".to_owned(),
            bucket: "bills".to_owned(),
            seed: 0x9E55,
            accounts: accounts(1, 20),
            first: (2025, 9),
            months: 3,
            rows_per_month: 5_000,
            columns: Width::Typical,
            rows_per_file: 2_000,
            format: BillFormat::Cur,
            encoding: Encoding::Parquet,
            delivery: Delivery::PLAIN,
            split_costs: false,
        }
    }

    /// The smaller payer's report: three accounts, one file a month.
    pub fn ca() -> Report {
        Report {
            name: "CA-Cost-Usage-Report".to_owned(),
            prefix: "ca".to_owned(),
            seed: 0xCA,
            accounts: accounts(2, 3),
            rows_per_file: 1_000_000,
            ..Report::press()
        }
    }

    /// One month; restatement 0 is its first delivery, every further one has other totals.
    pub fn month(&self, year: i32, month: u32, restatement: u32) -> MonthBill {
        let mut files = Memory::default();
        let totals = delivery::deliver(self, Month::new(year, month), restatement, &mut files)
            .expect("a sample bill is written to memory");
        MonthBill {
            year,
            month,
            files: files.0,
            totals,
        }
    }

    /// The first deliveries of all months.
    pub fn all(&self) -> Vec<MonthBill> {
        let first = Month::new(self.first.0, self.first.1);
        (0..self.months)
            .map(|n| first.plus(n))
            .map(|month| self.month(month.year, month.month, 0))
            .collect()
    }
}

/// The data files that count: those the newest manifest names, or all where there is none. Of
/// deliveries that keep their own manifest the files must be in the order of delivery.
pub fn counted<'a>(files: &'a [BillFile], bucket: &str) -> Vec<&'a BillFile> {
    let is_manifest = |file: &&BillFile| file.key.to_lowercase().ends_with("manifest.json");
    let Some(manifest) = files.iter().rfind(is_manifest) else {
        return files.iter().collect();
    };
    let manifest: serde_json::Value =
        serde_json::from_slice(&manifest.bytes).expect("a manifest is JSON");
    let list = |name: &str| manifest[name].as_array().cloned().unwrap_or_default();
    let names = [list("reportKeys"), list("dataFiles"), list("blobs")].concat();
    let uri = format!("s3://{bucket}/");
    let key = |name: &serde_json::Value| {
        let name = name.as_str().or(name["blobName"].as_str());
        name.expect("a name of a file").replace(&uri, "")
    };
    let file = |key: String| files.iter().find(|file| file.key == key);
    names
        .iter()
        .map(|name| file(key(name)).expect("a manifest names files that are there"))
        .collect()
}

/// The object AWS keeps beside the data to say that it is complete: one column, one row, READY.
pub fn status_file(report: &Report) -> BillFile {
    let field = Field::new("status", DataType::Utf8, false);
    let schema = Arc::new(ArrowSchema::new(vec![field]));
    let ready = Arc::new(StringArray::from(vec!["READY"]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![ready]).expect("one column of text");
    let mut writer =
        files::parquet_writer(Vec::new(), &schema, ParquetStyle::Aws).expect("one column of text");
    writer.write(&batch).expect("memory takes writes");
    let bytes = writer.into_inner().expect("memory takes writes");
    BillFile {
        key: manifest::status_key(report),
        bytes,
    }
}

/// Hands out the rows of a month's first delivery in batches of at most 16,384, without holding
/// the month in memory. They are those of AWS's legacy Parquet, in the same order.
pub fn stream_month(report: &Report, year: i32, month: u32, batch: &mut dyn FnMut(&RecordBatch)) {
    let estate = Estate::new(report, Month::new(year, month), 0);
    let streamed = rows::stream::<Infallible>(&estate, Missing::Blank, &mut |rows| {
        batch(&rows);
        Ok(())
    });
    match streamed {
        Ok(_) => {}
    }
}

/// Writes the files of [`Report::month`] below `dir`, one data file in memory at a time.
///
/// # Errors
/// When a file cannot be written.
pub fn write_month(
    report: &Report,
    year: i32,
    month: u32,
    restatement: u32,
    dir: &Path,
) -> std::io::Result<Totals> {
    let mut directory = Directory(dir.to_owned());
    delivery::deliver(report, Month::new(year, month), restatement, &mut directory)
}

/// Account numbers of one payer.
fn accounts(payer: u64, count: usize) -> Vec<String> {
    let mut rng = rng::Rng::new(payer, &[0xACC]);
    (0..count)
        .map(|_| format!("{payer}{}", rng.word(b"0123456789", 11)))
        .collect()
}

/// A delivery into memory.
#[derive(Default)]
struct Memory(Vec<BillFile>);

impl Destination for Memory {
    type File = Vec<u8>;

    fn open(&mut self, _key: &str) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn close(&mut self, key: String, bytes: Vec<u8>) -> Result<(), Error> {
        self.0.push(BillFile { key, bytes });
        Ok(())
    }
}

/// A delivery into a directory.
struct Directory(PathBuf);

impl Destination for Directory {
    type File = BufWriter<File>;

    fn open(&mut self, key: &str) -> Result<BufWriter<File>, Error> {
        let path = self.0.join(key);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        File::create(path).map(BufWriter::new)
    }

    fn close(&mut self, _key: String, mut file: BufWriter<File>) -> Result<(), Error> {
        file.flush()
    }
}
