//! CSV files as a source of DataFusion's plans.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::StreamExt;
use object_store::ObjectStore;
use store::{Pinned, Store};

use super::file::{File, Object, Wanted};

/// The CSV files of a table. A file is read by one thread from start to end: where its records
/// begin, only what is before them tells.
#[derive(Clone)]
pub(crate) struct CsvFiles {
    store: Store,
    pinned: Arc<Pinned>,
    schema: TableSchema,
    /// The columns of the files, as the schema has them before those of the path.
    columns: Vec<Wanted>,
    projection: SplitProjection,
    batch_rows: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl CsvFiles {
    pub(crate) fn new(
        store: &Store,
        pinned: Arc<Pinned>,
        schema: TableSchema,
        columns: Vec<Wanted>,
    ) -> Self {
        Self {
            store: store.clone(),
            pinned,
            columns,
            projection: SplitProjection::unprojected(&schema),
            schema,
            batch_rows: 1,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl FileSource for CsvFiles {
    fn create_file_opener(
        &self,
        _: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        ProjectionOpener::try_new(
            self.projection.clone(),
            Arc::new(Opener(self.clone())),
            self.schema.file_schema(),
        )
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, batch_rows: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            batch_rows,
            ..self.clone()
        })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        "csv"
    }

    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let projection = self.projection.source.try_merge(projection)?;
        Ok(Some(Arc::new(Self {
            projection: SplitProjection::new(self.schema.file_schema(), &projection),
            ..self.clone()
        })))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for projected in self.projection.source.iter() {
            if f(&projected.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

/// Opens files for the columns of the projection.
struct Opener(CsvFiles);

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let files = &self.0;
        let places = &files.projection.file_indices;
        let columns = places.iter().map(|place| files.columns[*place].clone());
        let columns: Vec<_> = columns.collect();
        let schema = Arc::new(files.schema.file_schema().project(places)?);
        let path = file.object_meta.location;
        let object = Object {
            store: files.pinned.clone(),
            name: files.store.object_name(path.as_ref()),
            size: file.object_meta.size,
            path,
        };
        let batch_rows = files.batch_rows;
        Ok(Box::pin(async move {
            let file = File::open(object, columns, schema, batch_rows).await?;
            let batches = futures::stream::try_unfold(file, async |mut file: File| {
                let batch = file.next().await?;
                Ok(batch.map(|batch| (batch, file)))
            });
            Ok(batches.boxed())
        }))
    }
}
