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

    fn file_groups(&self, files: &[PartitionedFile]) -> Vec<FileGroup> {
        let mut groups = vec![Vec::new(); self.groups.min(files.len()).max(1)];
        let count = groups.len();
        for (index, file) in files.iter().enumerate() {
            groups[index % count].push(file.clone());
        }
        groups.into_iter().map(FileGroup::new).collect()
    }

    /// The part of a plan that reads these files.
    fn read(
        &self,
        files: &[PartitionedFile],
        source: Arc<dyn FileSource>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(self.file_groups(files))
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
        match (self.parquet.as_slice(), self.csv.as_slice()) {
            (files, []) => self.read(files, self.parquet_source(), projection, limit),
            ([], files) => self.read(files, csv, projection, limit),
            (parquet, files) => UnionExec::try_new(vec![
                self.read(parquet, self.parquet_source(), projection, limit)?,
                self.read(files, csv, projection, limit)?,
            ]),
        }
    }
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
