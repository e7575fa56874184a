//! An opened store.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use billing::Object;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::{Credentials, Error, Location, Network, Pinned, Result, Traffic, azure, google, s3};

/// A bucket (or directory) that can be listed and read. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    id: Arc<u64>,
    inner: Arc<dyn ObjectStore>,
    location: Location,
}

/// The libraries' clients show the keys they hold.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.name())
    }
}

/// The next store's [`Store::id`].
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Store {
    /// Opens a store. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::NoBucket`] for a directory that is not there, [`Error::BadSecret`] for a secret that
    /// cannot be one, [`Error::NoIdentity`], and [`Error::Other`] when the client cannot be made of
    /// these options.
    pub fn open(
        location: Location,
        credentials: Option<&Credentials>,
        network: &Network,
    ) -> Result<Self> {
        let inner: Arc<dyn ObjectStore> = match &location {
            Location::S3 { .. } => Arc::new(s3::open(&location, credentials, network)?),
            Location::Azure { .. } => Arc::new(azure::open(&location, credentials, network)?),
            Location::Google { .. } => Arc::new(google::open(&location, credentials, network)?),
            Location::File { directory } if !directory.is_dir() => {
                return Err(Error::NoBucket {
                    bucket: location.display_name(),
                });
            }
            Location::File { directory } => Arc::new(
                LocalFileSystem::new_with_prefix(directory)
                    .map_err(|e| Error::unopened(&location, &e))?,
            ),
        };
        Ok(Self {
            id: Arc::new(NEXT_ID.fetch_add(1, Ordering::Relaxed)),
            inner,
            location,
        })
    }

    /// A number that no other opened store of this process has, clones excepted: what was read with
    /// one role's credentials can be kept apart from what another may read, and for as long as the
    /// store is open.
    pub fn id(&self) -> &Arc<u64> {
        &self.id
    }

    /// The bucket as messages name it: `s3://bucket`.
    pub fn name(&self) -> String {
        self.location.display_name()
    }

    /// Every object under `folder` (`""` for the whole bucket), over as many pages as it takes.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::NoBucket`], [`Error::Unreachable`] and the like.
    pub async fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let prefix = self.path(folder)?;
        let listed = self
            .inner
            .list(Some(&prefix))
            .map_ok(|meta| self.object(meta))
            .try_collect()
            .await;
        listed.map_err(|e| Error::of(&e, &self.name(), self.object_name(folder)))
    }

    /// One small object, whole, in the version that was listed.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above `limit` bytes, [`Error::Changed`] when it was overwritten since.
    pub async fn read_small(&self, object: &Object, limit: u64) -> Result<Bytes> {
        let name = self.object_name(&object.key);
        if object.size > limit {
            return Err(Error::TooLarge {
                object: name,
                size: object.size,
                limit,
            });
        }
        let pinned = self.pinned([object], Arc::default())?;
        let path = self.path(&object.key)?;
        let read = async { pinned.get(&path).await?.bytes().await }.await;
        read.map_err(|e| Error::of(&e, &self.name(), name))
    }

    /// A view in which exactly these objects can be read, each only as it was listed.
    ///
    /// # Errors
    /// [`Error::BadKey`].
    pub fn pinned<'a>(
        &self,
        objects: impl IntoIterator<Item = &'a Object>,
        traffic: Arc<Traffic>,
    ) -> Result<Pinned> {
        let etags = objects
            .into_iter()
            .map(|o| Ok((self.path(&o.key)?, o.etag.clone())));
        Ok(Pinned::new(
            self.inner.clone(),
            self.name(),
            etags.collect::<Result<HashMap<_, _>>>()?,
            traffic,
        ))
    }

    /// The client library's description of a listed object.
    ///
    /// # Errors
    /// [`Error::BadKey`].
    pub fn meta(&self, object: &Object) -> Result<ObjectMeta> {
        Ok(ObjectMeta {
            location: self.path(&object.key)?,
            last_modified: std::time::UNIX_EPOCH
                .checked_add(std::time::Duration::from_millis(
                    object.modified_ms.max(0) as u64
                ))
                .unwrap_or(std::time::UNIX_EPOCH)
                .into(),
            size: object.size,
            e_tag: object.etag.clone(),
            version: None,
        })
    }

    /// Translates an error that the client library raised while reading `key`.
    pub fn error(&self, error: &object_store::Error, key: &str) -> Error {
        Error::of(error, &self.name(), self.object_name(key))
    }

    /// `s3://bucket/key`
    pub fn object_name(&self, key: &str) -> String {
        format!("{}/{key}", self.name())
            .trim_end_matches('/')
            .to_owned()
    }

    fn object(&self, meta: ObjectMeta) -> Object {
        let etag = match self.location {
            Location::Azure { .. } => meta.e_tag.map(azure::quoted),
            _ => meta.e_tag,
        };
        Object {
            key: meta.location.to_string(),
            size: meta.size,
            etag,
            modified_ms: meta.last_modified.timestamp_millis(),
        }
    }

    fn path(&self, key: &str) -> Result<Path> {
        Path::parse(key.trim_end_matches('/')).map_err(|e| Error::BadKey {
            key: self.object_name(key),
            why: e.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Azure, Client, Secret};

    fn directory_store(directory: &std::path::Path) -> Store {
        let location = Location::File {
            directory: directory.to_owned(),
        };
        Store::open(location, None, &Network::default()).unwrap()
    }

    #[tokio::test]
    async fn an_object_overwritten_after_listing_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("manifest"), b"first").unwrap();
        let store = directory_store(directory.path());
        let listed = store.list("").await.unwrap();
        assert_eq!(store.read_small(&listed[0], 100).await.unwrap(), "first");

        std::fs::write(directory.path().join("manifest"), b"second!").unwrap();
        let error = store.read_small(&listed[0], 100).await.unwrap_err();
        assert!(matches!(error, Error::Changed { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_pinned_view_reads_nothing_that_was_not_pinned() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("data"), b"0123456789").unwrap();
        std::fs::write(directory.path().join("surplus"), b"x").unwrap();
        let store = directory_store(directory.path());
        let listed = store.list("").await.unwrap();
        let traffic = Arc::new(Traffic::default());
        let pinned = store.pinned([&listed[0]], traffic.clone()).unwrap();

        assert_eq!(
            pinned.get_range(&Path::from("data"), 2..5).await.unwrap(),
            "234"
        );
        assert!(pinned.get(&Path::from("surplus")).await.is_err());
        assert_eq!((traffic.requests(), traffic.bytes()), (1, 3));
    }

    #[tokio::test]
    async fn an_object_larger_than_a_manifest_can_be_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("big"), vec![b'x'; 101]).unwrap();
        let store = directory_store(directory.path());
        let listed = store.list("").await.unwrap();
        let error = store.read_small(&listed[0], 100).await.unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { size: 101, .. }),
            "{error}"
        );
    }

    #[test]
    fn debug_output_of_a_store_and_its_view_shows_no_secret() {
        let location = Location::Azure {
            account: "acct1".to_owned(),
            container: "bills".to_owned(),
            endpoint: None,
            path_style: false,
        };
        let secret = |secret: &str| Secret::new(secret);
        for azure in [
            Azure::SasToken(secret("sv=1&sig=hunter2")),
            Azure::Client(Client {
                client_id: "app".to_owned(),
                client_secret: secret("hunter2"),
                tenant_id: "tenant".to_owned(),
                authority: None,
            }),
        ] {
            let credentials = Credentials::Azure(azure);
            let network = Network::default();
            let store = Store::open(location.clone(), Some(&credentials), &network).unwrap();
            let pinned = store.pinned([], Arc::default()).unwrap();
            let shown = format!("{store:?} {pinned:?} {pinned}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn a_missing_directory_is_named() {
        let location = Location::File {
            directory: "/nonexistent/bills".into(),
        };
        let error = Store::open(location, None, &Network::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "file:///nonexistent/bills does not exist"
        );
    }
}
