//! Readers of Parquet files that believe neither footers nor pages unseen.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::DefaultParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectMeta;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ParquetMetaData;

use crate::metadata::{Footers, Source};
use crate::{pages, plausible};

/// Opens the pinned files of one store.
pub(crate) struct Readers {
    inner: DefaultParquetFileReaderFactory,
    source: Source,
}

impl Readers {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            inner: DefaultParquetFileReaderFactory::new(source.pinned.clone()),
            source,
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Readers")
    }
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        footer_bytes: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let meta = file.object_meta.clone();
        let inner = self
            .inner
            .create_reader(partition, file, footer_bytes, metrics)?;
        Ok(Box::new(Reader {
            inner,
            meta,
            metadata: None,
            source: self.source.clone(),
        }))
    }
}

struct Reader {
    inner: Box<dyn AsyncFileReader + Send>,
    meta: ObjectMeta,
    /// Once it was asked for.
    metadata: Option<Arc<ParquetMetaData>>,
    source: Source,
}

impl AsyncFileReader for Reader {
    /// What DataFusion reads page indexes with: the range is that of all of them.
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            plausible::page_index_size(range.end.saturating_sub(range.start))?;
            let start = range.start;
            let bytes = self.inner.get_bytes(range).await?;
            if let Some(metadata) = &self.metadata {
                plausible::page_indexes(metadata, start, &bytes)?;
            }
            Ok(bytes)
        }
        .boxed()
    }

    /// What DataFusion reads columns with: each range is a column chunk, or whole pages of one.
    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            let chunks = self.inner.get_byte_ranges(ranges).await?;
            chunks.iter().try_for_each(|chunk| pages::check(chunk))?;
            Ok(chunks)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let metadata = Footers::shared().metadata(&self.source, &self.meta).await?;
            self.metadata = Some(metadata.clone());
            Ok(metadata)
        }
        .boxed()
    }
}
