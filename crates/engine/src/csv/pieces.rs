//! An object's bytes in ranged reads, one ahead of its reader.
//!
//! Not one long response: a cursor may rest for an hour between two rows, and stores close
//! connections that nobody reads.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use object_store::ObjectStore;
use object_store::path::Path;
use store::Pinned;

use crate::runtime::Task;

/// Enough for most headers and for the first rows.
const FIRST: u64 = 64 << 10;
/// Two of these are held at a time.
const LARGEST: u64 = 4 << 20;
const GROWTH: u64 = 4;

/// The bytes of a range, piece after piece.
pub(super) struct Pieces {
    store: Arc<Pinned>,
    path: Path,
    rest: Range<u64>,
    size: u64,
    reads_on: bool,
    ahead: Option<Task<object_store::Result<Bytes>>>,
}

impl Pieces {
    pub(super) fn new(store: Arc<Pinned>, path: Path, range: Range<u64>) -> Self {
        Self {
            store,
            path,
            rest: range,
            size: FIRST,
            reads_on: false,
            ahead: None,
        }
    }

    /// The next piece, or `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(piece) = self.ahead.take().or_else(|| self.ask()) else {
            return Ok(None);
        };
        // Who looks at the header only needs no second piece.
        if self.reads_on {
            self.ahead = self.ask();
        }
        self.reads_on = true;
        arrived(piece).await.map(Some)
    }

    /// Any other bytes of the object.
    pub(super) async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        arrived(self.request(range)).await
    }

    fn ask(&mut self) -> Option<Task<object_store::Result<Bytes>>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.end.min(self.rest.start + self.size);
        let range = std::mem::replace(&mut self.rest.start, end)..end;
        self.size = LARGEST.min(self.size * GROWTH);
        Some(self.request(range))
    }

    fn request(&self, range: Range<u64>) -> Task<object_store::Result<Bytes>> {
        let (store, path) = (self.store.clone(), self.path.clone());
        Task::of(tokio::spawn(async move {
            let read = store.get_ranges(&path, &[range]).await?;
            Ok(read.into_iter().next().unwrap_or_default())
        }))
    }
}

async fn arrived(piece: Task<object_store::Result<Bytes>>) -> Result<Bytes> {
    let piece = piece
        .await
        .map_err(|e| DataFusionError::Execution(e.to_string()))?;
    Ok(piece?)
}
