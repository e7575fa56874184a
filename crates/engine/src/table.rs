//! The deliveries of an export as a table of DataFusion.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field as ArrowField, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use billing::FileKind;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use store::{Store, Traffic};

use crate::Kind;
use crate::bill::Delivery;
use crate::csv::{CsvFiles, Wanted};
use crate::in_file::OnlyWidening;
use crate::metadata::Source as Files;
use crate::query::{Field, Source};
use crate::reader::Readers;

/// The columns of the path, after those of the files. A table has them always; names begin with a
/// NUL byte, so that no file's column can be taken for them.
const PATH_COLUMNS: [(Source, &str, Kind); 3] = [
    (Source::BillingPeriod, "\0billing_period", Kind::Date),
    (Source::Year, "\0year", Kind::Text),
    (Source::Month, "\0month", Kind::Text),
];

/// Files and the columns asked of them.
pub(crate) struct Table {
    schema: TableSchema,
    parquet: Vec<PartitionedFile>,
    csv: Vec<PartitionedFile>,
    groups: usize,
    readers: Arc<Readers>,
    csv_files: CsvFiles,
}

impl Table {
    /// A table of these columns over these deliveries, read in as many groups side by side.
    ///
    /// # Errors
    /// The store's errors about keys.
    pub(crate) fn new(
        store: &Store,
        fields: &[Field],
        deliveries: &[Delivery],
        groups: usize,
        traffic: Arc<Traffic>,
    ) -> crate::Result<Self> {
        let objects = deliveries.iter().flat_map(|d| &d.files);
        let pinned = Arc::new(store.pinned(objects, traffic)?);
        let (mut parquet, mut csv) = (Vec::new(), Vec::new());
        for delivery in deliveries {
            let values = partition_values(delivery);
            for object in &delivery.files {
                let file = PartitionedFile::new_from_meta(store.meta(object)?);
                let file = file.with_partition_values(values.clone());
                match delivery.kind(object) {
                    FileKind::Csv { .. } => csv.push(file),
                    FileKind::Parquet => parquet.push(file),
                }
            }
        }
        let schema = table_schema(fields);
        Ok(Self {
            csv_files: CsvFiles::new(store, pinned.clone(), schema.clone(), wanted(fields)),
            schema,
            parquet,
            csv,
            groups: groups.max(1),
            readers: Arc::new(Readers::new(Files::new(store, pinned))),
        })
    }

    fn parquet_source(&self) -> Arc<dyn FileSource> {
        let source = ParquetSource::new(self.schema.clone())
            .with_parquet_file_reader_factory(self.readers.clone());
        Arc::new(source)
    }

    /// The part of a plan that reads these files.
    fn read(
        &self,
        files: &[PartitionedFile],
        groups: usize,
        source: Arc<dyn FileSource>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(file_groups(files, groups))
            .with_expr_adapter(Some(Arc::new(OnlyWidening)))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files", self.parquet.len() + self.csv.len())
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        self.schema.table_schema().clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let csv: Arc<dyn FileSource> = Arc::new(self.csv_files.clone());
        let (of_parquet, of_csv) = shares(self.groups, self.parquet.len(), self.csv.len());
        let parquet = || {
            let source = self.parquet_source();
            self.read(&self.parquet, of_parquet, source, projection, limit)
        };
        let csv = || self.read(&self.csv, of_csv, csv.clone(), projection, limit);
        match (of_parquet, of_csv) {
            (_, 0) => parquet(),
            (0, _) => csv(),
            _ => UnionExec::try_new(vec![parquet()?, csv()?]),
        }
    }
}

/// The groups that Parquet and CSV files get, which are read at the same time: at least one where
/// there are files.
fn shares(groups: usize, parquet: usize, csv: usize) -> (usize, usize) {
    match (parquet, csv) {
        (_, 0) => (groups, 0),
        (0, _) => (0, groups),
        _ => {
            let share = groups * parquet / (parquet + csv);
            let share = share.clamp(1, groups.saturating_sub(1).max(1));
            (share, groups.saturating_sub(share).max(1))
        }
    }
}

fn file_groups(files: &[PartitionedFile], count: usize) -> Vec<FileGroup> {
    let count = count.min(files.len()).max(1);
    let mut groups = vec![Vec::new(); count];
    for (index, file) in files.iter().enumerate() {
        groups[index % count].push(file.clone());
    }
    groups.into_iter().map(FileGroup::new).collect()
}

/// For each field the name it has in the table's plan: its name in the files, or one of the path
/// columns. A second use of the same column of the files, maybe in another type, gets a suffix that
/// [`crate::in_file`] takes off. So does jsonb: DataFusion asks nobody how to read a file that has the
/// table's columns exactly, and its text is not JSON yet.
pub(crate) fn names(fields: &[Field]) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut name = |(index, field): (usize, &Field)| match &field.source {
        Source::File(name) if field.kind != Kind::Jsonb && seen.insert(name.clone()) => {
            name.clone()
        }
        Source::File(name) => format!("{name}\0{index}"),
        path => path_column(path).to_owned(),
    };
    fields.iter().enumerate().map(&mut name).collect()
}

fn path_column(source: &Source) -> &'static str {
    let column = PATH_COLUMNS.iter().find(|(path, ..)| path == source);
    column.map_or("", |(_, name, _)| *name)
}

/// What the files are to give, in the order of the table's schema.
fn wanted(fields: &[Field]) -> Vec<Wanted> {
    let wanted = fields.iter().filter_map(|field| match &field.source {
        Source::File(name) => Some(Wanted {
            name: name.clone(),
            kind: field.kind,
        }),
        _ => None,
    });
    wanted.collect()
}

fn table_schema(fields: &[Field]) -> TableSchema {
    let named = fields.iter().zip(names(fields));
    let file_fields = named
        .filter(|(field, _)| matches!(field.source, Source::File(_)))
        .map(|(field, name)| ArrowField::new(name, field.kind.arrow(), true));
    let file_schema: SchemaRef = Arc::new(Schema::new(file_fields.collect::<Vec<_>>()));
    let path_fields = PATH_COLUMNS.iter().map(|(_, name, kind)| -> FieldRef {
        Arc::new(ArrowField::new(*name, kind.arrow(), false))
    });
    TableSchema::builder(file_schema)
        .with_table_partition_cols(path_fields.collect::<Vec<_>>())
        .build()
}

fn partition_values(delivery: &Delivery) -> Vec<ScalarValue> {
    let period = delivery.period;
    vec![
        ScalarValue::Date32(Some(period.days_since_epoch())),
        ScalarValue::Utf8View(Some(period.year().to_string())),
        ScalarValue::Utf8View(Some(period.month().to_string())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_together_are_not_read_in_more_groups_than_asked_for() {
        assert_eq!(shares(8, 5, 0), (8, 0));
        assert_eq!(shares(8, 0, 5), (0, 8));
        assert_eq!(shares(8, 1, 9), (1, 7));
        assert_eq!(shares(8, 9, 1), (7, 1));
        assert_eq!(shares(8, 6, 6), (4, 4));
        assert_eq!(shares(2, 100, 1), (1, 1));
        // Both must be read.
        assert_eq!(shares(1, 3, 3), (1, 1));
        assert_eq!(shares(4, 0, 0), (4, 0));
    }
}
