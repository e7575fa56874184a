//! What can go wrong while reading a bill.

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;

use billing::FileKind;
use datafusion::error::DataFusionError;
use futures::FutureExt;
use store::Traffic;

use crate::compute::Raised;
use crate::csv::Malformed;

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
    /// The export has no month at all, or not the one asked for.
    #[error("export {export} has no billing period {period}")]
    NoMonth {
        /// The export's root folder.
        export: String,
        /// The billing period, or `at all`.
        period: String,
    },
    /// A data file is damaged.
    #[error("{file} is not a readable {format} file: {why}")]
    BadFile {
        /// The file, as `s3://bucket/key`.
        file: String,
        /// What it was read as: `Parquet`, `CSV`, `gzip` or `zip`.
        format: &'static str,
        /// The decoder's words.
        why: String,
    },
    /// A record of a CSV file is not as it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
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
    /// The query needs more memory than it may take.
    #[error("the query needs more than cur_fdw.memory_limit: {why}")]
    OutOfMemory {
        /// The pool's words.
        why: String,
    },
    /// A value for which Postgres has no result.
    #[error(transparent)]
    Raised(#[from] Raised),
    /// Reading failed, and no file alone is the cause.
    #[error("reading from {store} failed: {why}")]
    Unexplained {
        /// The store, as `s3://bucket`.
        store: String,
        /// The engine's words.
        why: String,
    },
    /// What the engine raised, before it is known which file it was about. Never leaves this crate.
    #[error(transparent)]
    Execution(#[from] DataFusionError),
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
                "A delivery may be in progress. Try again later; if it stays, have the provider redeliver the month."
            }
            .to_owned(),
            Self::NoMonth { .. } => "cost_discover(server) shows the months of each export.".to_owned(),
            Self::BadFile { .. } => {
                "The file is damaged or incomplete. Have the provider redeliver the month, or copy it again.".to_owned()
            }
            Self::Malformed(malformed) => malformed.hint(),
            Self::TypeMismatch { column, found, .. } => {
                let wide = if found == "jsonb" { "jsonb" } else { "text" };
                format!(
                    "Widen the column, as in ALTER FOREIGN TABLE … ALTER COLUMN \"{column}\" TYPE {wide}."
                )
            }
            Self::OutOfMemory { .. } => {
                "Raise cur_fdw.memory_limit (it takes effect in a new session), or select fewer columns and groups.".to_owned()
            }
            Self::Raised(_) => "Leave the value out with a condition.".to_owned(),
            Self::Unexplained { .. } | Self::Execution(_) => {
                "Try again; if it stays, SET cur_fdw.enable_pushdown = off, DISCARD PLANS, and report the query.".to_owned()
            }
            Self::UnsupportedType { .. } => {
                "Leave the column out by declaring the foreign table by hand.".to_owned()
            }
            Self::Threads { .. } => "Try again; if it stays, look at the server's limits on threads.".to_owned(),
        }
    }

    /// Translates what a reader raised while it read `key`, a file of this kind, through a view with
    /// this traffic.
    fn reading(
        error: &DataFusionError,
        store: &store::Store,
        key: &str,
        kind: FileKind,
        traffic: &Traffic,
    ) -> Self {
        if let Some(failure) = traffic.failure() {
            return Self::Store(failure.clone());
        }
        if let Some(source) = cause::<object_store::Error>(error) {
            return Self::Store(store.error(source, key));
        }
        if let Some(error) = without_file(error) {
            return error;
        }
        let file = store.object_name(key);
        match cause::<Self>(error) {
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
                format: match kind {
                    FileKind::Parquet => "Parquet",
                    FileKind::Csv { .. } => "CSV",
                },
                why: first_line(error.find_root()),
            },
        }
    }

    /// The error as one about `key`, if it is one of the engine's.
    pub(crate) fn of_file(
        self,
        store: &store::Store,
        key: &str,
        kind: FileKind,
        traffic: &Traffic,
    ) -> Self {
        match &self {
            Self::Execution(error) => Self::reading(error, store, key, kind, traffic),
            _ => self,
        }
    }

    /// The error as one that no file alone causes.
    pub(crate) fn of_no_file(self, store: &store::Store) -> Self {
        match &self {
            Self::Execution(error) => Self::Unexplained {
                store: store.name(),
                why: first_line(error.find_root()),
            },
            _ => self,
        }
    }

    /// What an error of the engine means, where that has nothing to do with a file, or says itself
    /// with which.
    pub(crate) fn without_file(&self) -> Option<Self> {
        match self {
            Self::Execution(error) => without_file(error),
            _ => None,
        }
    }
}

fn without_file(error: &DataFusionError) -> Option<Error> {
    let raised = cause::<Raised>(error).copied();
    if let Some(raised) = raised.or_else(|| Raised::in_message(&error.to_string())) {
        return Some(Error::Raised(raised));
    }
    match cause::<Error>(error) {
        Some(Error::Malformed(malformed)) => return Some(malformed.clone().into()),
        Some(Error::BadFile { file, format, why }) => {
            return Some(Error::BadFile {
                file: file.clone(),
                format,
                why: why.clone(),
            });
        }
        _ => (),
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(why) => Some(Error::OutOfMemory {
            why: first_line(why),
        }),
        _ => None,
    }
}

/// Runs work and makes an error of a panic: the decoder panics on some damaged files, and that must
/// not end a thread.
pub(crate) async fn caught<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(DataFusionError::Execution(words(&*panic)).into()),
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it cannot be decoded".to_owned())
}

fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    store::causes(error).find_map(|e| e.downcast_ref::<T>())
}

fn first_line(error: &dyn std::fmt::Display) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{Location, Network, Store};

    #[test]
    fn a_damaged_file_is_called_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let location = Location::File {
            directory: directory.path().to_owned(),
        };
        let store = Store::open(location, None, &Network::default()).unwrap();
        let csv = FileKind::of("a.csv").unwrap();
        for (kind, name) in [(csv, "CSV"), (FileKind::Parquet, "Parquet")] {
            let error = Error::from(DataFusionError::Execution("broken".to_owned()));
            let error = error.of_file(&store, "a", kind, &Traffic::default());
            let expected = format!("is not a readable {name} file: Execution error: broken");
            assert!(error.to_string().contains(&expected), "{error}");
            assert!(!error.hint().contains("AWS"), "{}", error.hint());
        }
    }
}
