//! What a file says of its columns, without reading its rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Fields};
use billing::{FileKind, Object};
use datafusion::common::DataFusionError;
use parquet::arrow::parquet_to_arrow_schema;
use store::{Store, Traffic};

use crate::error::caught;
use crate::metadata::{Footers, Source};
use crate::{Result, csv};

/// A column of a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// Its type in the file.
    pub data_type: DataType,
}

/// The facts of one data file that are known without reading its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Columns in file order. Those within structs stand for the struct, as in `service.id`.
    pub columns: Vec<Column>,
    /// Rows of the file, which a CSV file does not tell.
    pub rows: Option<u64>,
}

impl Footer {
    /// Reads what a file says of its columns, in the version that was listed.
    ///
    /// # Errors
    /// [`crate::Error::BadFile`], [`crate::Error::Malformed`] and the store's errors; the file is
    /// named.
    pub async fn of(store: &Store, object: &Object, kind: FileKind) -> Result<Self> {
        let traffic = Arc::new(Traffic::default());
        let footer = caught(read(store, object, kind, traffic.clone())).await;
        footer.map_err(|e| e.of_file(store, &object.key, kind, &traffic))
    }
}

/// Reads a Parquet file's footer or a CSV file's header, pinned to the version that was listed.
///
/// # Errors
/// [`crate::Error::Execution`] when it is no such file, and the store's errors.
pub(crate) async fn read(
    store: &Store,
    object: &Object,
    kind: FileKind,
    traffic: Arc<Traffic>,
) -> Result<Footer> {
    match kind {
        FileKind::Csv { .. } => read_header(store, object, traffic).await,
        FileKind::Parquet => read_footer(store, object, traffic).await,
    }
}

async fn read_header(store: &Store, object: &Object, traffic: Arc<Traffic>) -> Result<Footer> {
    let meta = store.meta(object)?;
    let file = csv::Object {
        store: Arc::new(store.pinned([object], traffic)?),
        name: store.object_name(&object.key),
        size: meta.size,
        path: meta.location,
    };
    Ok(Footer {
        columns: csv::columns(file).await?,
        rows: None,
    })
}

async fn read_footer(store: &Store, object: &Object, traffic: Arc<Traffic>) -> Result<Footer> {
    let source = Source::new(store, Arc::new(store.pinned([object], traffic)?));
    let meta = store.meta(object)?;
    let metadata = Footers::shared().metadata(&source, &meta).await;
    let metadata = metadata.map_err(DataFusionError::from)?;
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())
        .map_err(DataFusionError::from)?;
    Ok(Footer {
        columns: leaves(schema.fields()),
        rows: u64::try_from(file.num_rows()).ok(),
    })
}

/// The columns of a file: its fields, and for a struct the fields within it.
pub(crate) fn leaves(fields: &Fields) -> Vec<Column> {
    let mut columns = Vec::with_capacity(fields.len());
    flatten("", fields, &mut columns);
    columns
}

fn flatten(prefix: &str, fields: &Fields, columns: &mut Vec<Column>) {
    for field in fields {
        let name = format!("{prefix}{}", field.name());
        match field.data_type() {
            DataType::Struct(parts) => flatten(&format!("{name}."), parts, columns),
            data_type => columns.push(Column {
                name,
                data_type: data_type.clone(),
            }),
        }
    }
}
