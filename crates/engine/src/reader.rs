//! Reading Parquet files: footers once, believable statistics only.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::DefaultParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::ParquetMetaData;
use store::{Pinned, Store};

use crate::annotated::annotated;
use crate::pages::CheckedPages;
use crate::statistics::trusted;

/// What footers may hold: a few hundred files of 178 columns.
const FOOTER_BYTES: usize = 32 * 1024 * 1024;

/// One version of one file, as seen through one client: what another role may read is not shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Version {
    store: u64,
    path: String,
    etag: Option<String>,
    size: u64,
    modified: i64,
}

/// Footers that were read from stores that are open, the oldest forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Footers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    footers: HashMap<Version, Arc<ParquetMetaData>>,
    /// With the stores they were read from.
    oldest: VecDeque<(Version, Weak<u64>)>,
    bytes: usize,
}

impl Kept {
    fn forget(&mut self, version: &Version) {
        let dropped = self.footers.remove(version);
        self.bytes -= dropped.map_or(0, |footer| footer.memory_size());
    }

    /// Nobody finds the footers of a store that is closed.
    fn forget_closed(&mut self) {
        let all = std::mem::take(&mut self.oldest);
        let (open, closed) = all
            .into_iter()
            .partition(|(_, store)| store.strong_count() > 0);
        self.oldest = open;
        for (version, _) in closed {
            self.forget(&version);
        }
    }
}

impl Footers {
    fn get(&self, version: &Version) -> Option<Arc<ParquetMetaData>> {
        self.kept().footers.get(version).cloned()
    }

    fn keep(&self, version: Version, store: &Weak<u64>, footer: Arc<ParquetMetaData>) {
        let mut kept = self.kept();
        kept.forget_closed();
        kept.bytes += footer.memory_size();
        match kept.footers.insert(version.clone(), footer) {
            Some(before) => kept.bytes -= before.memory_size(),
            None => kept.oldest.push_back((version, store.clone())),
        }
        while kept.bytes > FOOTER_BYTES {
            let Some((oldest, _)) = kept.oldest.pop_front() else {
                return;
            };
            kept.forget(&oldest);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the pinned files of one store.
pub(crate) struct Readers {
    store: Weak<u64>,
    store_id: u64,
    inner: CheckedPages<DefaultParquetFileReaderFactory>,
    footers: Arc<Footers>,
}

impl Readers {
    pub(crate) fn new(store: &Store, pinned: Arc<Pinned>, footers: Arc<Footers>) -> Self {
        Self {
            store: Arc::downgrade(store.id()),
            store_id: **store.id(),
            inner: CheckedPages(DefaultParquetFileReaderFactory::new(pinned)),
            footers,
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
        let meta = &file.object_meta;
        let version = Version {
            store: self.store_id,
            path: meta.location.to_string(),
            etag: meta.e_tag.clone(),
            size: meta.size,
            modified: meta.last_modified.timestamp_millis(),
        };
        let inner = self
            .inner
            .create_reader(partition, file, footer_bytes, metrics)?;
        Ok(Box::new(Reader {
            store: self.store.clone(),
            version,
            inner,
            footers: self.footers.clone(),
        }))
    }
}

struct Reader {
    store: Weak<u64>,
    version: Version,
    inner: Box<dyn AsyncFileReader + Send>,
    footers: Arc<Footers>,
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.inner.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            if let Some(footer) = self.footers.get(&self.version) {
                return Ok(footer);
            }
            let footer = self.inner.get_metadata(options).await?;
            let footer = annotated(trusted(Arc::unwrap_or_clone(footer))?)?;
            let footer = Arc::new(footer);
            self.footers
                .keep(self.version.clone(), &self.store, footer.clone());
            Ok(footer)
        }
        .boxed()
    }
}
