//! What a Parquet file's footer says, read once and believed within limits.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use bytes::Bytes;
use object_store::{ObjectMeta, ObjectStore};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{FooterTail, ParquetMetaData, ParquetMetaDataReader};
use store::{Pinned, Store};

use crate::annotated::annotated;
use crate::plausible;
use crate::statistics::trusted;

/// One read of this many bytes gets most footers whole: 178 columns and one row group take about
/// 30 KB.
const FOOTER_READ: u64 = 64 * 1024;

/// The largest footer: one of 2,000 row groups and 178 columns takes 60 MB. Decoded, it is some four
/// times as large, and a hostile one much more.
const LARGEST_FOOTER: u64 = 64 << 20;

/// The footer's length and the format's name, at the file's end.
const TAIL: u64 = 8;

/// What footers may hold: a few hundred files of 178 columns.
const FOOTER_BYTES: usize = 32 * 1024 * 1024;

/// Pinned files of a store.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) pinned: Arc<Pinned>,
    store: Weak<u64>,
    id: u64,
}

impl Source {
    pub(crate) fn new(store: &Store, pinned: Arc<Pinned>) -> Self {
        Self {
            pinned,
            store: Arc::downgrade(store.id()),
            id: **store.id(),
        }
    }

    fn version(&self, meta: &ObjectMeta) -> Version {
        Version {
            store: self.id,
            path: meta.location.to_string(),
            etag: meta.e_tag.clone(),
            size: meta.size,
            modified: meta.last_modified.timestamp_millis(),
        }
    }
}

/// One version of one file, as seen through one client: what another role may read is not shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Version {
    store: u64,
    path: String,
    etag: Option<String>,
    size: u64,
    modified: i64,
}

/// Footers of this process, so that those who ask for a file's columns and those who read it ask the
/// store once.
static SHARED: LazyLock<Footers> = LazyLock::new(Footers::default);

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
    /// Those of this process.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    /// The metadata of a Parquet file without page indexes: as it is kept, or else read from the
    /// file's end, looked at before it is decoded, and freed of what cannot be believed.
    ///
    /// # Errors
    /// What is wrong with the footer, and the store's errors.
    pub(crate) async fn metadata(
        &self,
        source: &Source,
        meta: &ObjectMeta,
    ) -> Result<Arc<ParquetMetaData>> {
        let version = source.version(meta);
        if let Some(metadata) = self.get(&version) {
            return Ok(metadata);
        }
        let bytes = footer(&source.pinned, meta).await?;
        plausible::footer(&bytes)?;
        let metadata = ParquetMetaDataReader::decode_metadata(&bytes)?;
        let metadata = Arc::new(annotated(trusted(metadata)?)?);
        self.keep(version, &source.store, metadata.clone());
        Ok(metadata)
    }

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

/// The footer's bytes, in one read for most files.
async fn footer(pinned: &Pinned, meta: &ObjectMeta) -> Result<Bytes> {
    let damaged = |why: String| Err(ParquetError::General(why));
    let size = meta.size;
    if size < TAIL {
        return damaged(format!("the file has {size} bytes only"));
    }
    let read = size.saturating_sub(FOOTER_READ)..size;
    let end = range(pinned, meta, read.clone()).await?;
    let Some((before, tail)) = end.split_last_chunk() else {
        return damaged("the file ends before its end".to_owned());
    };
    let tail = FooterTail::try_new(tail)?;
    let length = tail.metadata_length() as u64;
    if tail.is_encrypted_footer() {
        return damaged("it is encrypted".to_owned());
    }
    if length > (size - TAIL).min(LARGEST_FOOTER) {
        return damaged(format!("a footer of {length} bytes in a file of {size}"));
    }
    match before.len().checked_sub(length as usize) {
        Some(start) => Ok(end.slice(start..before.len())),
        None => {
            let start = size - TAIL - length;
            range(pinned, meta, start..start + length).await
        }
    }
}

async fn range(pinned: &Pinned, meta: &ObjectMeta, range: Range<u64>) -> Result<Bytes> {
    let length = range.end - range.start;
    let read = pinned.get_ranges(&meta.location, &[range]).await;
    let read = read.map_err(|e| ParquetError::External(Box::new(e)))?;
    match read.into_iter().next() {
        Some(bytes) if bytes.len() as u64 == length => Ok(bytes),
        _ => Err(ParquetError::EOF("the file ends before its end".to_owned())),
    }
}
