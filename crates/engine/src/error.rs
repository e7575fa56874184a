//! What can go wrong while reading a bill.

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;

use datafusion::error::DataFusionError;
use futures::FutureExt;
use store::Traffic;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure to find, open or read a bill.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The export is not what it should be.
    #[error(transparent)]
    Billing(#[from] billing::Error),
    /// The manifest names a file the listing does not have.
    #[error("manifest {manifest} names {file}, which does not exist")]
    MissingFile {
        /// The manifest, as `s3://bucket/key`.
        manifest: String,
        /// The missing file, as `s3://bucket/key`.
        file: String,
    },
    /// The export's format is recognised but cannot be read.
    #[error("export {export} is in format {format}, which cannot be read yet")]
    UnsupportedFormat {
        /// The export's root folder.
        export: String,
        /// The format's name, as `cost_discover` shows it.
        format: &'static str,
    },
    /// The export has no month at all, or not the one asked for.
    #[error("export {export} has no billing period {period}")]
    NoMonth {
        /// The export's root folder.
        export: String,
        /// The billing period, or `at all`.
        period: String,
    },
    /// A data file is damaged.
    #[error("{file} is not a readable Parquet file: {why}")]
    BadFile {
        /// The file, as `s3://bucket/key`.
        file: String,
        /// The decoder's words.
        why: String,
    },
    /// A column's type in a file does not fit the table.
    #[error("column \"{column}\" is {found} in {file}, but {wanted} in the table")]
    TypeMismatch {
        /// The column's name in the file.
        column: String,
        /// The file, as `s3://bucket/key`.
        file: String,
        /// The type in the file.
        found: String,
        /// The type the table asks for.
        wanted: String,
    },
    /// Reading needs more memory than it may take.
    #[error("reading {file} needs more than the memory limit: {why}")]
    OutOfMemory {
        /// The file, as `s3://bucket/key`.
        file: String,
        /// The pool's words.
        why: String,
    },
    /// A column of a type no table column can hold.
    #[error("column \"{column}\" of {export} has type {found}, which cannot be read yet")]
    UnsupportedType {
        /// The column's name in the file.
        column: String,
        /// The export's root folder.
        export: String,
        /// The type in the file.
        found: String,
    },
    /// The engine's threads could not be started or ended early.
    #[error("the reading threads failed: {why}")]
    Threads {
        /// The cause.
        why: String,
    },
}

impl Error {
    /// The next step for the user.
    pub fn hint(&self) -> String {
        match self {
            Self::Store(error) => error.hint().to_owned(),
            Self::Billing(error) => error.hint().to_string(),
            Self::MissingFile { .. } => {
                "A delivery may be in progress. Try again later; if it stays, ask AWS to redeliver the month."
            }
            .to_owned(),
            Self::UnsupportedFormat { .. } => {
                "Legacy Cost and Usage Reports in Parquet (the Athena integration) can be read.".to_owned()
            }
            Self::NoMonth { .. } => "cost_discover(server) shows the months of each export.".to_owned(),
            Self::BadFile { .. } => {
                "The file is damaged or incomplete. Ask AWS to redeliver the month, or copy it again.".to_owned()
            }
            Self::TypeMismatch { column, .. } => format!(
                "Widen the column, as in ALTER FOREIGN TABLE … ALTER COLUMN \"{column}\" TYPE text."
            ),
            Self::OutOfMemory { .. } => "Raise cur_fdw.memory_limit, or select fewer columns.".to_owned(),
            Self::UnsupportedType { .. } => {
                "Leave the column out by declaring the foreign table by hand.".to_owned()
            }
            Self::Threads { .. } => "Try again; if it stays, look at the server's limits on threads.".to_owned(),
        }
    }

    /// Translates what a reader raised while it read `key` through a view with this traffic.
    pub(crate) fn reading(
        error: &DataFusionError,
        store: &store::Store,
        key: &str,
        traffic: &Traffic,
    ) -> Self {
        if let Some(failure) = traffic.failure() {
            return Self::Store(failure.clone());
        }
        if let Some(source) = cause::<object_store::Error>(error) {
            return Self::Store(store.error(source, key));
        }
        let file = store.object_name(key);
        match error.find_root() {
            DataFusionError::ResourcesExhausted(why) => Self::OutOfMemory {
                file,
                why: why.clone(),
            },
            root => match cause::<Self>(error) {
                Some(Self::TypeMismatch {
                    column,
                    found,
                    wanted,
                    ..
                }) => Self::TypeMismatch {
                    column: column.clone(),
                    file,
                    found: found.clone(),
                    wanted: wanted.clone(),
                },
                _ => Self::BadFile {
                    file,
                    why: first_line(root),
                },
            },
        }
    }
}

/// Runs work that reads one file and makes an error of a panic: the decoder panics on some damaged
/// files, and that must neither end a thread nor hide which file it was.
pub(crate) async fn or_bad_file<T>(
    store: &store::Store,
    key: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(Error::BadFile {
            file: store.object_name(key),
            why: words(&*panic),
        }),
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it cannot be decoded".to_owned())
}

fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |e: &&'a (dyn StdError + 'static)| {
        (*e).source()
    })
    .find_map(|e| e.downcast_ref::<T>())
}

fn first_line(error: &dyn std::fmt::Display) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
