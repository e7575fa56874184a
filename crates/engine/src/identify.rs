//! What an export is, where its folders do not tell: a look at its newest manifest, and where that
//! says nothing, at one file's columns.

use std::collections::HashMap;

use billing::{BillingPeriod, Bounds, Evidence, Export, FileKind, Manifest, Month, Object};
use futures::StreamExt;
use store::Store;

use crate::{Footer, Result};

/// A manifest with a thousand files and two hundred columns has about 200 KB.
const MANIFEST_LIMIT: u64 = 16 * 1024 * 1024;

/// Exports looked into at the same time.
const CONCURRENT_LOOKS: usize = 8;

/// Exports that are looked into at all. A bucket that has more holds something else than bills, a
/// folder of logs for each machine perhaps, and a look at each would take minutes.
const MOST_LOOKS: usize = 1_000;

/// Months that are looked at before giving up: a month has no files until its first delivery.
const MONTHS: usize = 2;

/// Every object of a listing by its key.
pub(crate) type Listed = HashMap<String, Object>;

/// Tells the formats of exports that are not certain. Beyond a thousand they stay what their paths
/// suggest.
pub(crate) async fn tell_all(store: &Store, listed: &Listed, exports: &mut [Export]) {
    let uncertain = exports.iter_mut().filter(|export| !export.certain);
    futures::stream::iter(uncertain.take(MOST_LOOKS))
        .for_each_concurrent(CONCURRENT_LOOKS, |export| tell(store, listed, export))
        .await;
}

/// Tells the format of an export.
///
/// What cannot be read tells nothing and is no error: who lists a bucket need not be allowed to
/// read all of it, and a damaged file is for those to hear of who read it.
pub(crate) async fn tell(store: &Store, listed: &Listed, export: &mut Export) {
    let mut evidence = Evidence::default();
    for (period, month) in export.months.iter().rev().take(MONTHS) {
        evidence = look(store, listed, export, *period, month)
            .await
            .unwrap_or_default();
        if evidence.is_telling() {
            break;
        }
    }
    export.tell(&evidence);
}

async fn look(
    store: &Store,
    listed: &Listed,
    export: &Export,
    period: BillingPeriod,
    month: &Month,
) -> Result<Evidence> {
    let Some(object) = &month.manifest else {
        return head(store, month.data.first(), None).await;
    };
    let manifest = read_manifest(store, export, period, object).await?;
    let evidence = Evidence::from(&manifest);
    if evidence.is_telling() {
        return Ok(evidence);
    }
    // A month's data are files whose names tell what they are; a manifest may name others.
    let file = manifest.files.first().and_then(|key| listed.get(key));
    let Evidence { columns, .. } = head(store, file, manifest.declared).await?;
    Ok(Evidence {
        columns,
        ..evidence
    })
}

/// Reads the manifest of a month, and believes it within the export's bounds only.
///
/// # Errors
/// Those of the manifest and of the store.
pub(crate) async fn read_manifest(
    store: &Store,
    export: &Export,
    period: BillingPeriod,
    object: &Object,
) -> Result<Manifest> {
    let bytes = store.read_small(object, MANIFEST_LIMIT).await?;
    let name = store.name();
    let bounds = Bounds {
        root: &export.root,
        // Only S3's manifests name buckets.
        bucket: name.strip_prefix("s3://"),
        period,
    };
    Ok(Manifest::parse(&object.key, &bytes, bounds)?)
}

/// A file's columns; of what kind it is, its name says, or else the manifest.
async fn head(
    store: &Store,
    file: Option<&Object>,
    declared: Option<FileKind>,
) -> Result<Evidence> {
    let Some(file) = file else {
        return Ok(Evidence::default());
    };
    let kind = FileKind::of(&file.key).or(declared);
    let Some(kind) = kind else {
        return Ok(Evidence::default());
    };
    let footer = Footer::of(store, file, kind).await?;
    Ok(Evidence {
        columns: footer.columns.into_iter().map(|c| c.name).collect(),
        ..Evidence::default()
    })
}
