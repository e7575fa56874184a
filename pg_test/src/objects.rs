//! What the object stores have in common that run here.

use crate::Result;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

const CONCURRENT_PUTS: usize = 16;

/// A runtime for a store's client.
pub fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?)
}

/// Writes objects, several at a time.
pub fn put_all(
    runtime: &Runtime,
    store: impl ObjectStore,
    objects: impl IntoIterator<Item = (String, Vec<u8>)>,
) -> Result<()> {
    let store = Arc::new(store);
    runtime.block_on(async {
        let mut puts = tokio::task::JoinSet::new();
        for (key, bytes) in objects {
            if puts.len() >= CONCURRENT_PUTS
                && let Some(put) = puts.join_next().await
            {
                put??;
            }
            let (store, key) = (store.clone(), Key::parse(key)?);
            puts.spawn(async move { store.put(&key, bytes.into()).await });
        }
        while let Some(put) = puts.join_next().await {
            put??;
        }
        Ok(())
    })
}
