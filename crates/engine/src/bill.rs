//! One export: its months, and the files of a month.

use std::sync::Arc;

use billing::{BillingPeriod, Discovery, Export, FileKind, Manifest, Object};
use futures::{StreamExt, TryStreamExt};
use store::Store;
use tokio::sync::OnceCell;

use crate::footer::{Column, Footer};
use crate::identify::Listed;
use crate::{Error, Result, common, identify};

/// Manifests or footers asked for at the same time.
const CONCURRENT_READS: usize = 8;

/// The exports under a folder of the store, `""` for all of it: one listing, and one or two small
/// reads for each export whose folders do not tell its format.
///
/// # Errors
/// The store's errors.
pub async fn discover(store: &Store, folder: &str) -> Result<Discovery> {
    Ok(Listing::of(store, folder).await?.told().await.found)
}

/// What a store has under a folder, listed once for all of the bills that are there.
#[derive(Clone, Debug)]
pub struct Listing {
    store: Store,
    /// `""` for all of the store.
    folder: String,
    objects: Arc<Listed>,
    found: Discovery,
}

impl Listing {
    /// All objects under a folder, or of the whole export where the folder is a part of one.
    ///
    /// # Errors
    /// The store's errors.
    pub async fn of(store: &Store, folder: &str) -> Result<Self> {
        let folder = billing::listing_folder(folder);
        let narrow = Self::of_folder(store, folder).await?;
        match billing::wider_folder(&narrow.found.exports, folder) {
            Some(wider) => Self::of_folder(store, wider).await,
            None => Ok(narrow),
        }
    }

    async fn of_folder(store: &Store, folder: &str) -> Result<Self> {
        let objects = store.list(folder).await?;
        let found = billing::discover(objects.iter().cloned());
        let objects = objects.into_iter().map(|o| (o.key.clone(), o)).collect();
        Ok(Self {
            store: store.clone(),
            folder: folder.to_owned(),
            objects: Arc::new(objects),
            found,
        })
    }

    /// The listing with the exports' formats made certain, by a look into each where its folders do
    /// not tell.
    pub async fn told(mut self) -> Self {
        identify::tell_all(&self.store, &self.objects, &mut self.found.exports).await;
        self
    }

    /// The exports, and what is none.
    pub fn found(&self) -> &Discovery {
        &self.found
    }

    /// One of the exports.
    pub fn bill(&self, export: &Export) -> Bill {
        Bill {
            store: self.store.clone(),
            export: Arc::new(export.clone()),
            listed: self.objects.clone(),
            dataset: Arc::default(),
        }
    }
}

/// An export as one listing shows it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bill {
    store: Store,
    export: Arc<Export>,
    /// Every listed object, to find what manifests name.
    listed: Arc<Listed>,
    /// What the newest month's manifest says the export is, once it was read.
    dataset: Arc<OnceCell<Option<String>>>,
}

/// The files of one month, complete and pinned.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The month.
    pub period: BillingPeriod,
    /// The manifest's id (`assemblyId`), or `None` when the files come from the listing.
    pub manifest_id: Option<String>,
    /// The data files, in the manifest's order.
    pub files: Vec<Object>,
    /// How those are to be read whose names do not tell, as the manifest says.
    pub declared: Option<FileKind>,
}

impl Delivery {
    /// How one of the files is to be read. Parquet where nothing tells, which it never is: such
    /// files are not in manifests that are accepted, nor found in listings.
    pub fn kind(&self, file: &Object) -> FileKind {
        let named = FileKind::of(&file.key);
        named.or(self.declared).unwrap_or(FileKind::Parquet)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.size).sum()
    }
}

impl Bill {
    /// Lists the store once and finds the one export that `prefix` means.
    ///
    /// # Errors
    /// The errors of [`billing::choose`] and of the store, and [`billing::Error::UnknownLayout`].
    pub async fn find(store: &Store, prefix: &str) -> Result<Self> {
        let mut listing = Listing::of(store, prefix).await?;
        if listing.found.exports.is_empty() {
            if let Some(stranger) = listing.found.strangers.first() {
                return Err(Error::Billing(billing::Error::UnknownLayout {
                    prefix: prefix.to_owned(),
                    folder: stranger.folder.clone(),
                    files: stranger.files,
                }));
            }
            // So that the error can say what stands elsewhere.
            if !listing.folder.is_empty() {
                listing = Listing::of(store, "").await?;
            }
        }
        let exports = std::mem::take(&mut listing.found.exports);
        Ok(listing.bill(&billing::choose(exports, prefix)?))
    }

    /// The bill with its format made certain, by a look into it where its folders do not tell.
    pub async fn told(mut self) -> Self {
        if !self.export.certain {
            identify::tell(&self.store, &self.listed, Arc::make_mut(&mut self.export)).await;
        }
        self
    }

    /// The store the export lies in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What the listing showed.
    pub fn export(&self) -> &Export {
        &self.export
    }

    /// The newest month.
    ///
    /// # Errors
    /// [`Error::NoMonth`] for an export without months.
    pub fn newest(&self) -> Result<BillingPeriod> {
        let newest = self.export.months.keys().next_back();
        newest.copied().ok_or_else(|| self.no_month("at all"))
    }

    /// A value that changes when a month is delivered anew, known without reading anything: the
    /// manifest's ETag, which AWS writes last; without a manifest, the ETags of all files.
    ///
    /// # Errors
    /// [`Error::NoMonth`].
    pub fn fingerprint(&self, period: BillingPeriod) -> Result<String> {
        let month = self.month(period)?;
        Ok(match &month.manifest {
            Some(manifest) => version(manifest),
            None => month.data.iter().map(version).collect::<Vec<_>>().join(","),
        })
    }

    /// The files of a month: those the manifest names, or the listed ones without a manifest.
    ///
    /// # Errors
    /// [`Error::NoMonth`], [`Error::MissingFile`], errors of the
    /// manifest and of the store.
    pub async fn delivery(&self, period: BillingPeriod) -> Result<Delivery> {
        let month = self.month(period)?;
        let Some(object) = &month.manifest else {
            return Ok(Delivery {
                period,
                manifest_id: None,
                files: month.data.clone(),
                declared: None,
            });
        };
        let manifest = self.manifest(period, object).await?;
        self.check_dataset(period, &object.key, &manifest).await?;
        let files = manifest
            .files
            .iter()
            .map(|key| self.listed_file(&object.key, key));
        Ok(Delivery {
            period,
            files: files.collect::<Result<_>>()?,
            manifest_id: Some(manifest.id),
            declared: manifest.declared,
        })
    }

    async fn manifest(&self, period: BillingPeriod, object: &Object) -> Result<Manifest> {
        identify::read_manifest(&self.store, &self.export, period, object).await
    }

    /// Refuses a month of actual costs in an export of amortized ones and the like: two of Azure's
    /// exports may deliver into one folder.
    async fn check_dataset(
        &self,
        period: BillingPeriod,
        key: &str,
        manifest: &Manifest,
    ) -> Result<()> {
        let Some(found) = &manifest.dataset else {
            return Ok(());
        };
        let newest = || self.newest_dataset(period, found);
        let expected = self.dataset.get_or_try_init(newest);
        match expected.await? {
            Some(expected) if expected != found => {
                Err(Error::Billing(billing::Error::ManifestOfAnotherDataset {
                    manifest: key.to_owned(),
                    found: found.clone(),
                    export: self.export.root.clone(),
                    expected: expected.clone(),
                }))
            }
            _ => Ok(()),
        }
    }

    /// What the newest manifest that says so says the export is, if that of one month is known. One
    /// that is no manifest is for those to hear of who read its month; one that cannot be read just
    /// now may say something else, and is an error.
    async fn newest_dataset(&self, known: BillingPeriod, dataset: &str) -> Result<Option<String>> {
        for (period, month) in self.export.months.iter().rev() {
            if *period == known {
                return Ok(Some(dataset.to_owned()));
            }
            let Some(object) = &month.manifest else {
                continue;
            };
            match self.manifest(*period, object).await {
                Ok(Manifest { dataset: None, .. }) | Err(Error::Billing(_)) => {}
                manifest => return Ok(manifest?.dataset),
            }
        }
        Ok(None)
    }

    /// The delivery of the newest month that has files: a month's first manifest may name none.
    ///
    /// # Errors
    /// As for [`Bill::delivery`].
    pub async fn newest_delivery(&self) -> Result<Delivery> {
        for period in self.export.months.keys().rev() {
            let delivery = self.delivery(*period).await?;
            if !delivery.files.is_empty() {
                return Ok(delivery);
            }
        }
        self.delivery(self.newest()?).await
    }

    /// The deliveries of several months, as [`Bill::delivery`] finds each.
    ///
    /// # Errors
    /// As for [`Bill::delivery`].
    pub async fn deliveries(&self, periods: &[BillingPeriod]) -> Result<Vec<Delivery>> {
        self.each_delivery(periods).await.into_iter().collect()
    }

    /// The same, for whom one month's bad manifest must not hide the others.
    pub async fn each_delivery(&self, periods: &[BillingPeriod]) -> Vec<Result<Delivery>> {
        let reads = periods.iter().map(|period| self.delivery(*period));
        futures::stream::iter(reads.collect::<Vec<_>>())
            .buffered(CONCURRENT_READS)
            .collect()
            .await
    }

    /// The columns of a month: those of its first file, then what later files add. Where files
    /// disagree about a type, the narrowest that holds the values of all.
    ///
    /// # Errors
    /// Those of reading footers.
    pub async fn columns(&self, delivery: &Delivery) -> Result<Vec<Column>> {
        self.common_columns(std::slice::from_ref(delivery)).await
    }

    /// The columns of several months, as [`Bill::columns`] finds those of one.
    ///
    /// # Errors
    /// Those of reading footers.
    pub async fn common_columns(&self, deliveries: &[Delivery]) -> Result<Vec<Column>> {
        Ok(common::common_columns(self.footers(deliveries).await?))
    }

    /// The footers of all files of some months, in their order.
    ///
    /// # Errors
    /// Those of reading footers; the file is named.
    pub async fn footers(&self, deliveries: &[Delivery]) -> Result<Vec<Footer>> {
        let files = deliveries.iter().flat_map(|delivery| {
            let files = delivery.files.iter();
            files.map(|file| (file.clone(), delivery.kind(file)))
        });
        let reads = files.map(|(file, kind)| {
            let store = self.store.clone();
            async move { Footer::of(&store, &file, kind).await }
        });
        let reads: Vec<_> = reads.collect();
        futures::stream::iter(reads)
            .buffered(CONCURRENT_READS)
            .try_collect()
            .await
    }

    fn month(&self, period: BillingPeriod) -> Result<&billing::Month> {
        self.export
            .months
            .get(&period)
            .ok_or_else(|| self.no_month(&period.to_string()))
    }

    fn no_month(&self, period: &str) -> Error {
        Error::NoMonth {
            export: self.export.root.clone(),
            period: period.to_owned(),
        }
    }

    fn listed_file(&self, manifest: &str, key: &str) -> Result<Object> {
        self.listed
            .get(key)
            .cloned()
            .ok_or_else(|| Error::MissingFile {
                manifest: self.store.object_name(manifest),
                file: self.store.object_name(key),
            })
    }
}

fn version(object: &Object) -> String {
    match &object.etag {
        Some(etag) => etag.trim_matches('"').to_owned(),
        None => format!("{}-{}", object.size, object.modified_ms),
    }
}
