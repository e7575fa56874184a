//! What a Parquet footer says, without reading any page.

use std::sync::Arc;

use arrow::datatypes::DataType;
use billing::Object;
use datafusion::common::DataFusionError;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use parquet::arrow::parquet_to_arrow_schema;
use store::{Store, Traffic};

use crate::Result;

/// One read of this many bytes gets most footers whole: 178 columns and one row group take about
/// 30 KB.
pub(crate) const FOOTER_READ: usize = 64 * 1024;

/// A column of a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// Its type in the file.
    pub data_type: DataType,
}

/// The facts of one data file's footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Columns in file order.
    pub columns: Vec<Column>,
    /// Rows of the file.
    pub rows: u64,
}

/// Reads the footer of one file, pinned to the version that was listed.
///
/// # Errors
/// [`crate::Error::Execution`] when it is no Parquet file, and the store's errors.
pub(crate) async fn read(store: &Store, object: &Object, traffic: Arc<Traffic>) -> Result<Footer> {
    let pinned = store.pinned([object], traffic)?;
    let meta = store.meta(object)?;
    let footer = DFParquetMetadata::new(&pinned, &meta).with_metadata_size_hint(Some(FOOTER_READ));
    let metadata = footer.fetch_metadata().await?;
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())
        .map_err(DataFusionError::from)?;
    let columns = schema.fields().iter();
    Ok(Footer {
        columns: columns
            .map(|f| Column {
                name: f.name().clone(),
                data_type: f.data_type().clone(),
            })
            .collect(),
        rows: file.num_rows().max(0) as u64,
    })
}
