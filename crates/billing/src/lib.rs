//! What a billing export is: its folders, months, manifests, columns and money.
//!
//! Nothing here does I/O and nothing here knows Postgres. Callers list a bucket and read bytes;
//! this crate says what the keys and the bytes mean.
//!
//! ```
//! use billing::{BillingPeriod, Object, choose, discover};
//!
//! let key = "cup/Report/Report/year=2018/month=11/Report-00001.snappy.parquet";
//! let listed = Object { key: key.into(), size: 1, etag: None, modified_ms: 0 };
//! let export = choose(discover([listed]).exports, "cup/Report/Report/")?;
//! assert_eq!(export.root, "cup/Report");
//! assert!(export.months.contains_key(&BillingPeriod::new(2018, 11)?));
//! # Ok::<(), billing::Error>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod column;
pub mod csv_types;
pub mod dialect;
pub mod error;
pub mod file_kind;
pub mod format;
pub mod layout;
pub mod manifest;
pub mod money;
pub mod normalize;
pub mod object;
pub mod period;
mod zone;

pub use column::{SqlName, column_name, sql_names, table_name, table_names};
pub use csv_types::{CsvType, csv_type};
pub use dialect::Dialect;
pub use error::Error;
pub use file_kind::{Compression, FileKind};
pub use format::{Evidence, Format};
pub use layout::{
    Discovery, Export, Layout, Month, Stranger, choose, discover, listing_folder, wider_folder,
};
pub use manifest::{Bounds, Manifest};
pub use money::ExactSum;
pub use normalize::{
    Column, ColumnKind, Grain, cost_columns, normalization_sql, normalized_column_sql,
};
pub use object::Object;
pub use period::BillingPeriod;
pub use zone::region_of_zone;
