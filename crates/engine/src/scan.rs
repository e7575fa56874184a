//! A scan: files in, record batches out, in bounded memory.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field as ArrowField, FieldRef, Schema, SchemaRef};
use billing::Object;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::DefaultParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use object_store::ObjectStore;
use store::{Store, Traffic};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::bill::Delivery;
use crate::error::or_bad_file;
use crate::footer::FOOTER_READ;
use crate::pages::CheckedPages;
use crate::runtime::Task;
use crate::types::{is_widening, type_name};
use crate::{Engine, Error, Result};

/// Values a batch should have: enough to amortise the work per batch, few enough that a batch of
/// 178 columns stays in the processor's second-level cache.
const BATCH_VALUES: usize = 256 * 1024;

/// Batches decoded ahead of the caller, over all files.
const BATCHES_AHEAD: usize = 2;

/// Where a requested column's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file's column of this name; NULL in files that lack it.
    File(String),
    /// The first day of the delivery's billing period, a date.
    BillingPeriod,
    /// The billing period's year as text, as AWS writes it in the path: `2018`.
    Year,
    /// The billing period's month as text, as AWS writes it in the path: `9`, not `09`.
    Month,
}

/// A requested column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where its values come from.
    pub source: Source,
    /// The type the caller wants them in.
    pub data_type: DataType,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct Request {
    /// The columns of the batches, in this order. May be empty: batches then only count rows.
    pub fields: Vec<Field>,
    /// The months to read, in this order.
    pub deliveries: Vec<Delivery>,
    /// Files read at the same time.
    pub concurrency: usize,
}

/// A scan under way. Dropping it stops the threads and closes the connections.
#[derive(Debug)]
pub struct Scan {
    batches: Receiver<Result<RecordBatch>>,
    traffic: Arc<Traffic>,
    _reader: Task<()>,
}

impl Scan {
    /// Starts reading.
    pub fn start(engine: &Engine, store: &Store, request: Request) -> Self {
        let traffic = Arc::new(Traffic::default());
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        let batch_rows = (BATCH_VALUES / request.fields.len().max(1)).clamp(256, 8192);
        let reader = Reader {
            store: store.clone(),
            schema: table_schema(&request.fields),
            projection: projection(&request.fields),
            context: engine.task_context(batch_rows),
            traffic: traffic.clone(),
            sender,
        };
        Self {
            batches,
            traffic,
            _reader: engine.spawn(reader.read_all(request)),
        }
    }

    /// The next batch, or `None` after the last. Waits as [`Engine::wait`] does.
    ///
    /// # Errors
    /// Whatever reading a file raised; the scan is then over.
    pub fn next(&mut self, on_tick: impl FnMut()) -> Result<Option<RecordBatch>> {
        Engine::wait(self.batches.recv(), on_tick).transpose()
    }

    /// What was asked of the store so far.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

#[derive(Clone)]
struct Reader {
    store: Store,
    schema: TableSchema,
    projection: Vec<usize>,
    context: Arc<datafusion::execution::TaskContext>,
    traffic: Arc<Traffic>,
    sender: Sender<Result<RecordBatch>>,
}

impl Reader {
    async fn read_all(self, request: Request) {
        let files = request.deliveries.iter().flat_map(|d| {
            let values = partition_values(d);
            d.files.iter().map(move |f| (f.clone(), values.clone()))
        });
        let reads = files.map(|(file, values)| {
            let reader = self.clone();
            async move {
                let work = reader.read_file(&file, values);
                or_bad_file(&reader.store, &file.key, work).await
            }
        });
        let mut reads = futures::stream::iter(reads.collect::<Vec<_>>())
            // A task each: polled by one task, files would share one thread.
            .map(|read| Task::of(tokio::spawn(read)))
            .buffer_unordered(request.concurrency.max(1));
        while let Some(done) = reads.next().await {
            let failed = match done {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error,
                Err(panic) => Error::Threads {
                    why: panic.to_string(),
                },
            };
            // Nobody listens any more when sending fails, and then nobody needs the error.
            let _ = self.sender.send(Err(failed)).await;
            return;
        }
    }

    async fn read_file(&self, file: &Object, values: Vec<ScalarValue>) -> Result<()> {
        let reading =
            |e: DataFusionError| Error::reading(&e, &self.store, &file.key, &self.traffic);
        let plan = self.plan(file, values)?;
        let mut stream = plan.execute(0, self.context.clone()).map_err(reading)?;
        while let Some(batch) = stream.next().await {
            if self.sender.send(Ok(batch.map_err(reading)?)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One plan a file, so that every error can name the file.
    fn plan(&self, file: &Object, values: Vec<ScalarValue>) -> Result<Arc<dyn ExecutionPlan>> {
        let pinned: Arc<dyn ObjectStore> =
            Arc::new(self.store.pinned([file], self.traffic.clone())?);
        let factory = CheckedPages(DefaultParquetFileReaderFactory::new(pinned));
        let source = ParquetSource::new(self.schema.clone())
            .with_metadata_size_hint(FOOTER_READ)
            .with_parquet_file_reader_factory(Arc::new(factory));
        let part =
            PartitionedFile::new_from_meta(self.store.meta(file)?).with_partition_values(values);
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
                .with_file_group(FileGroup::new(vec![part]))
                .with_expr_adapter(Some(Arc::new(OnlyWidening)))
                .with_projection_indices(Some(self.projection.clone()))
                .map_err(|e| Error::reading(&e, &self.store, &file.key, &self.traffic))?
                .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

const PATH_COLUMNS: [(Source, &str, DataType); 3] = [
    (Source::BillingPeriod, "\0billing_period", DataType::Date32),
    (Source::Year, "\0year", DataType::Utf8View),
    (Source::Month, "\0month", DataType::Utf8View),
];

/// The columns asked of the files, then the three of the path. The latter's names begin with a NUL
/// byte, so that no file's column can be taken for them.
fn table_schema(fields: &[Field]) -> TableSchema {
    let file_fields = fields.iter().filter_map(|field| match &field.source {
        Source::File(name) => Some(ArrowField::new(name, field.data_type.clone(), true)),
        _ => None,
    });
    let file_schema: SchemaRef = Arc::new(Schema::new(file_fields.collect::<Vec<_>>()));
    let path_fields = PATH_COLUMNS.iter().map(|(_, name, data_type)| -> FieldRef {
        Arc::new(ArrowField::new(*name, data_type.clone(), false))
    });
    TableSchema::builder(file_schema)
        .with_table_partition_cols(path_fields.collect::<Vec<_>>())
        .build()
}

/// For each requested field its index in [`table_schema`].
fn projection(fields: &[Field]) -> Vec<usize> {
    let file_fields = fields
        .iter()
        .filter(|f| matches!(f.source, Source::File(_)))
        .count();
    let mut next_file_field = 0..file_fields;
    fields
        .iter()
        .map(|field| {
            match PATH_COLUMNS
                .iter()
                .position(|(source, ..)| *source == field.source)
            {
                Some(path_column) => file_fields + path_column,
                None => next_file_field.next().unwrap_or_default(),
            }
        })
        .collect()
}

fn partition_values(delivery: &Delivery) -> Vec<ScalarValue> {
    let period = delivery.period;
    vec![
        ScalarValue::Date32(Some(period.days_since_epoch())),
        ScalarValue::Utf8View(Some(period.year().to_string())),
        ScalarValue::Utf8View(Some(period.month().to_string())),
    ]
}

/// Lets DataFusion convert a file's column only where no value is lost. Its own rule is "if a cast
/// exists", and then 1.5 in a file becomes 1 in an integer column.
#[derive(Debug)]
struct OnlyWidening;

impl PhysicalExprAdapterFactory for OnlyWidening {
    fn create(
        &self,
        wanted: SchemaRef,
        found: SchemaRef,
    ) -> datafusion::common::Result<Arc<dyn PhysicalExprAdapter>> {
        for wanted in wanted.fields() {
            let Ok(found) = found.field_with_name(wanted.name()) else {
                continue;
            };
            if !is_widening(found.data_type(), wanted.data_type()) {
                return Err(DataFusionError::External(Box::new(Error::TypeMismatch {
                    column: wanted.name().clone(),
                    file: String::new(),
                    found: type_name(found.data_type()),
                    wanted: type_name(wanted.data_type()),
                })));
            }
        }
        DefaultPhysicalExprAdapterFactory.create(wanted, found)
    }
}
