//! Reads pinned to the ETag seen at planning, and counted.
//!
//! AWS overwrites the files of an open month in place. Without `If-Match` a scan could take the
//! footer of one delivery and the pages of the next.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::Error;

/// What was asked of the store, and what first went wrong.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: AtomicU64,
    bytes: AtomicU64,
    waited_us: AtomicU64,
    failure: OnceLock<Error>,
}

impl Traffic {
    /// Read requests sent.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of the ranges asked for.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The time requests took until their bodies were there, all requests together.
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.waited_us.load(Ordering::Relaxed))
    }

    /// The first read that failed. The Parquet reader keeps only the text of an error, and a
    /// refused or changed object would look like a damaged one.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    fn wait(&self, since: Instant) {
        let waited = since.elapsed().as_micros() as u64;
        self.waited_us.fetch_add(waited, Ordering::Relaxed);
    }

    fn count(&self, range: &Range<u64>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(range.end - range.start, Ordering::Relaxed);
    }
}

/// A read-only view of a store in which only pinned objects can be read, and only the version
/// that was pinned.
pub struct Pinned {
    inner: Arc<dyn ObjectStore>,
    bucket: String,
    etags: HashMap<Path, Option<String>>,
    traffic: Arc<Traffic>,
}

impl Pinned {
    pub(crate) fn new(
        inner: Arc<dyn ObjectStore>,
        bucket: String,
        etags: HashMap<Path, Option<String>>,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self {
            inner,
            bucket,
            etags,
            traffic,
        }
    }

    /// Keeps a failure for [`Traffic::failure`].
    fn noted<T>(&self, location: &Path, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            let object = format!("{}/{location}", self.bucket);
            // Only the first counts: the others follow from it.
            let _ = self
                .traffic
                .failure
                .set(Error::of(error, &self.bucket, object));
        }
        result
    }

    fn refuse<T>(operation: &str) -> Result<T> {
        Err(object_store::Error::NotImplemented {
            operation: operation.to_owned(),
            implementer: "pinned store".to_owned(),
        })
    }
}

/// The libraries' clients show the keys they hold.
impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned")
            .field("bucket", &self.bucket)
            .field("etags", &self.etags)
            .field("traffic", &self.traffic)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pinned({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Pinned {
    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        let Some(etag) = self.etags.get(location) else {
            return Self::refuse(&format!("reading {location}, which no manifest names"));
        };
        options.if_match.clone_from(etag);
        let result = self.noted(location, self.inner.get_opts(location, options).await)?;
        self.traffic.count(&result.range);
        Ok(result)
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Self::refuse("put")
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Self::refuse("put_multipart")
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        Box::pin(futures::stream::once(async { Self::refuse("delete") }))
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        Box::pin(futures::stream::once(async { Self::refuse("list") }))
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Self::refuse("list")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Self::refuse("copy")
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        // The default implementation coalesces neighbours and calls get_opts for each, which
        // pins and counts them.
        object_store::coalesce_ranges(
            ranges,
            |range| async move {
                let options = GetOptions {
                    range: Some(range.into()),
                    ..Default::default()
                };
                let asked = Instant::now();
                let bytes = self.get_opts(location, options).await?.bytes().await;
                self.traffic.wait(asked);
                self.noted(location, bytes)
            },
            object_store::OBJECT_STORE_COALESCE_DEFAULT,
        )
        .await
    }
}
